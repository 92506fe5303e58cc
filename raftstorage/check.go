package raftstorage

import (
	"fmt"
	"net"

	"github.com/dgate-io/caddy-dgate/raftstorage/peer"
)

// Check says what is wrong with a configuration, without doing any I/O: what [Node.Configure]
// would refuse before it tries anything. Nil is all right.
func (c *Cluster) Check() error {
	if c == nil {
		return nil
	}
	d := c.withDefaults()
	if err := peer.CheckName(d.Name); err != nil {
		return fmt.Errorf("cluster: name: %w", err)
	}
	if err := d.check(); err != nil {
		return err
	}
	for _, entry := range d.Join {
		if err := CheckJoin(entry); err != nil {
			return fmt.Errorf("cluster: %w", err)
		}
	}
	return d.checkAdvertise()
}

// checkAdvertise refuses addresses at which nobody could find this node.
func (c *Cluster) checkAdvertise() error {
	if c.Advertise == "" {
		return nil
	}
	host, _, err := splitAddress(c.Advertise)
	if err != nil {
		return fmt.Errorf("cluster: advertise %q must be the host, or host:port, where other nodes reach this one: %w", c.Advertise, err)
	}
	listen, _, err := net.SplitHostPort(c.Listen)
	ip := net.ParseIP(host)
	switch {
	case ip != nil && ip.IsUnspecified():
		return fmt.Errorf("cluster: advertise %s is no address that others could connect to: name one of this machine", c.Advertise)
	case isLoopback(host) && (err != nil || !isLoopback(listen)):
		return fmt.Errorf("cluster: advertise %s is reached from this machine only, but listen %s is for others too: name an address that the other nodes reach, or listen on a loopback address", c.Advertise, c.Listen)
	}
	return nil
}
