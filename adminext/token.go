package adminext

import (
	"context"
	"net"
	"net/http"
	"net/netip"

	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// vouchedKey is where a request to a site has whether somebody has authenticated it.
type vouchedKey struct{}

// vouch notes whether a request to a site was authenticated before it came here.
func vouch(r *http.Request, authenticated bool) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), vouchedKey{}, authenticated))
}

// trusted refuses requests for what has, or replaces, everything that is stored: the join token and
// backups. These endpoints are more careful than the others.
func (c *call) trusted(what string) error {
	if mayHaveSecrets(c.r) {
		return nil
	}
	c.audit("refuses " + what + ": the request is neither authenticated nor from this machine")
	return refuse(http.StatusForbidden, resource.Unauthorized, "%s is for the machine of the node, at Caddy's admin endpoint under "+
		"localhost or an IP address, or for requests that are authenticated: dgate_admin { token … }, basic_auth or client certificates", what)
}

// clusterToken answers with what another node needs to join, which is a secret.
func clusterToken(c *call) (*reply, error) {
	if err := c.trusted("the join token"); err != nil {
		return nil, err
	}
	token, err := c.app.Operations().Token(c.r.Context())
	if err != nil {
		return nil, clash(err)
	}
	c.audit("shows the join token")
	rep := dataReply(http.StatusOK, struct {
		Token string `json:"token"`
	}{token}, nil)
	rep.header.Set("Cache-Control", "no-store")
	return rep, nil
}

// mayHaveSecrets tells whether a request was authenticated, or has come to Caddy's admin endpoint
// from this machine: over loopback or a unix socket, and through no proxy that says so.
func mayHaveSecrets(r *http.Request) bool {
	if r.TLS != nil && len(r.TLS.VerifiedChains) > 0 {
		return true
	}
	if done, site := r.Context().Value(vouchedKey{}).(bool); site {
		return done
	}
	for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "Via", "X-Real-Ip"} {
		if r.Header.Get(name) != "" {
			return false
		}
	}
	local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if local != nil && local.Network() == "unix" {
		return true
	}
	if !unmistakable(r.Host) {
		return false // a page elsewhere could have that host as its own
	}
	remote, err := netip.ParseAddrPort(r.RemoteAddr)
	return err == nil && remote.Addr().Unmap().IsLoopback()
}
