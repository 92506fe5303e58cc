package raftstorage

import (
	"errors"
	"fmt"
	"net"

	"github.com/dgate-io/caddy-dgate/raftstorage/peer"
)

// listen opens the port of a cluster.
func (s *store) listen(c *Cluster) (*peer.Port, *peer.Credentials, error) {
	cred := peer.NewCredentials(c.Name, string(s.id()))
	if err := trust(cred, c); err != nil {
		return nil, nil, err
	}
	port, err := peer.Listen(c.Listen, cred, peer.Options{Logger: s.cfg.Logger, Handler: s})
	if err != nil {
		return nil, nil, fmt.Errorf("cluster: %w", err)
	}
	return port, cred, nil
}

// trust makes credentials follow the configuration. Without secret and files nobody else has what
// this node trusts.
func trust(cred *peer.Credentials, c *Cluster) error {
	var err error
	switch {
	case c.Files != nil:
		err = cred.UseFiles(*c.Files)
	case c.Secret != nil:
		err = cred.UseSecrets(c.Secret, c.Previous...)
	default:
		err = cred.UseSecrets(peer.NewSecret())
	}
	if err != nil {
		return fmt.Errorf("cluster: %w", err)
	}
	return nil
}

// advertise finds where others reach this node.
func advertise(c *Cluster, listening net.Addr) (string, error) {
	host, port, err := net.SplitHostPort(listening.String())
	if err != nil {
		return "", fmt.Errorf("cluster: %w", err)
	}
	given := c.Advertise != ""
	if given {
		host = c.Advertise
		if h, p, err := net.SplitHostPort(c.Advertise); err == nil {
			host, port = h, p
		}
	}
	configured, _, _ := net.SplitHostPort(c.Listen) // checked before
	switch ip := net.ParseIP(host); {
	case ip != nil && ip.IsUnspecified() && given:
		return "", fmt.Errorf("cluster: advertise %s is not an address that others can reach", c.Advertise)
	case ip != nil && ip.IsUnspecified():
		if host, err = ownAddress(); err != nil {
			return "", err
		}
	case isLoopback(host) && !isLoopback(configured):
		return "", fmt.Errorf("cluster: advertise %s can be reached from this machine only, and listen is %s: advertise another address, or listen on 127.0.0.1", host, c.Listen)
	}
	return net.JoinHostPort(host, port), nil
}

// ownAddress is the first address of this machine that others may reach, IPv4 before IPv6.
func ownAddress() (string, error) {
	all, err := net.InterfaceAddrs()
	if err != nil {
		return "", fmt.Errorf("cluster: addresses of this machine: %w", err)
	}
	var found string
	for _, a := range all {
		n, ok := a.(*net.IPNet)
		switch {
		case !ok || !n.IP.IsGlobalUnicast():
		case n.IP.To4() != nil:
			return n.IP.String(), nil
		case found == "":
			found = n.IP.String()
		}
	}
	if found == "" {
		return "", errors.New("cluster: this machine has no address that others can reach: set advertise")
	}
	return found, nil
}
