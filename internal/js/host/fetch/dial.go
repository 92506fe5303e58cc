package fetch

import (
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"

	"github.com/dgate-io/caddy-dgate/internal/js"
)

// dialer returns the dialer of a client. Its control function sees the address that
// a name has resolved to, so neither names nor redirects lead around the policy.
func (c *Client) dialer() *net.Dialer {
	return &net.Dialer{
		Timeout:   30 * time.Second,
		KeepAlive: 30 * time.Second,
		Control: func(network, address string, _ syscall.RawConn) error {
			target, err := netip.ParseAddrPort(address)
			if err != nil {
				return fmt.Errorf("fetch: %w", err)
			}
			return c.Allowed(target)
		},
	}
}

// errOff is why nothing can be fetched under the policy Off.
var errOff = refused("fetch: connections are switched off on this server")

// refused is the error for a connection that the policy does not allow.
func refused(format string, args ...any) error {
	return &js.LimitError{Kind: js.Refused, Message: fmt.Sprintf(format, args...)}
}

// Allowed tells why scripts may not connect to target under the policy of now and
// the addresses that are forbidden. It is nil if they may.
func (c *Client) Allowed(target netip.AddrPort) error {
	if err := c.Forbidden(target); err != nil {
		return err
	}
	switch c.policy() {
	case Off:
		return errOff
	case Public:
		if !public(target.Addr().Unmap().WithZone("")) {
			return refused("fetch: connections to %s are not allowed: only public addresses are", target)
		}
	}
	return nil
}

// Forbidden tells why scripts may never connect to target, whatever the policy is.
// It is nil if that is no address that Options.Forbidden lists.
func (c *Client) Forbidden(target netip.AddrPort) error {
	if c.opts.Forbidden == nil {
		return nil
	}
	ip := target.Addr().Unmap().WithZone("")
	for _, f := range c.opts.Forbidden() {
		if f.Port() == target.Port() && covers(f.Addr().Unmap().WithZone(""), ip) {
			return refused("fetch: connections to %s are not allowed: it is an administrative address of this server", target)
		}
	}
	return nil
}

func (c *Client) policy() Policy {
	if c.opts.Policy == nil {
		return Any
	}
	return c.opts.Policy()
}

// covers tells whether a listener on addr is reached by connecting to ip.
func covers(addr, ip netip.Addr) bool {
	switch {
	case !addr.IsValid():
		return false
	case addr == ip:
		return true
	case ip.IsUnspecified(): // connects to this machine's loopback
		return addr.IsLoopback() || addr.IsUnspecified()
	case addr.IsLoopback() && ip.IsLoopback():
		return true // which of them a listener on "localhost" got is not told by its name
	case !addr.IsUnspecified():
		return false
	case ip.IsLoopback():
		return true
	}
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return true // cannot tell: rather refuse than reach it
	}
	for _, a := range addrs {
		if prefix, err := netip.ParsePrefix(a.String()); err == nil && prefix.Addr().Unmap() == ip {
			return true
		}
	}
	return false
}

// reserved are the ranges that are not of the public internet, beside those that
// netip.Addr knows itself.
var reserved = func() []netip.Prefix {
	var list []netip.Prefix
	for _, s := range []string{
		"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15",
		"198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4",
		"::/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20", "fec0::/10",
	} {
		list = append(list, netip.MustParsePrefix(s))
	}
	return list
}()

// public tells whether ip is an address of the public internet.
func public(ip netip.Addr) bool {
	if !ip.IsGlobalUnicast() || ip.IsPrivate() {
		return false
	}
	for _, p := range reserved {
		if p.Contains(ip) {
			return false
		}
	}
	return true
}
