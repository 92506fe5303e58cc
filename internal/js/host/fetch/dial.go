package fetch

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"syscall"
	"time"

	"github.com/dgate-io/caddy-dgate/internal/js"
)

// rules are where scripts may connect to, with the connections that were made under
// them: addresses are checked when they are dialled, so what one set of rules has
// connected to must not serve requests under another.
type rules struct {
	Options
	transport *http.Transport
}

func (c *Client) newRules(opts Options) *rules {
	dialer := c.dialer()
	return &rules{opts, &http.Transport{
		DialContext:            dialer.DialContext,
		ForceAttemptHTTP2:      true,
		MaxIdleConns:           256,
		MaxIdleConnsPerHost:    32,
		IdleConnTimeout:        90 * time.Second,
		TLSHandshakeTimeout:    10 * time.Second,
		ExpectContinueTimeout:  time.Second,
		MaxResponseHeaderBytes: maxHeader,
	}}
}

// same tells whether opts are the rules that there are.
func (r *rules) same(opts Options) bool {
	return r.Policy == opts.Policy && slices.Equal(r.Forbidden, opts.Forbidden)
}

// current makes every request, and every redirect, under the rules of that moment.
type current struct{ c *Client }

// RoundTrip implements [http.RoundTripper].
func (t current) RoundTrip(r *http.Request) (*http.Response, error) {
	return t.c.rules.Load().transport.RoundTrip(r)
}

// dialer returns the dialer of a client. Its control function sees the address that
// a name has resolved to, so neither names nor redirects lead around the rules.
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

// Allowed tells why scripts may not connect to target by the rules of now. It is nil
// if they may.
func (c *Client) Allowed(target netip.AddrPort) error {
	r := c.rules.Load()
	if err := r.forbidden(target); err != nil {
		return err
	}
	switch r.Policy {
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
func (c *Client) Forbidden(target netip.AddrPort) error { return c.rules.Load().forbidden(target) }

func (r *rules) forbidden(target netip.AddrPort) error {
	ip := target.Addr().Unmap().WithZone("")
	for _, f := range r.Options.Forbidden {
		if f.Port() == target.Port() && covers(f.Addr().Unmap().WithZone(""), ip) {
			return refused("fetch: connections to %s are not allowed: it is an administrative address of this server", target)
		}
	}
	return nil
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
		"::/96", "::ffff:0:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20", "fec0::/10",
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
