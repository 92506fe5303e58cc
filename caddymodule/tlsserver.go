package caddymodule

import (
	"bytes"
	"context"
	"crypto/tls"
	"slices"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddytls"
	"github.com/mholt/acmez/v3"
)

func init() { caddy.RegisterModule(new(handshakes)) }

// handshakes is how the app comes to the TLS settings of the servers that have a dgate handler, see
// [handlers.Gateway]. It is for nobody's configuration: the handler puts it there, because this is
// the one module that Caddy loads when those settings are complete and not yet in use.
type handshakes struct{ app *App }

// CaddyModule implements [caddy.Module].
func (*handshakes) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "tls.context.dgate", New: func() caddy.Module { return new(handshakes) }}
}

// Provision implements [caddy.Provisioner].
func (h *handshakes) Provision(ctx caddy.Context) error {
	server, ok := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	if !ok {
		return nil
	}
	app, err := appOf(ctx)
	if err != nil {
		return err
	}
	h.app = app
	for _, policy := range server.TLSConnPolicies {
		if config := policy.TLSConfig; config != nil && config.GetCertificate != nil && !slices.Contains(app.watched, config) {
			config.GetCertificate = app.watch(config.GetCertificate)
			app.watched = append(app.watched, config)
		}
	}
	if !slices.Contains(app.servers, server) {
		app.servers = append(app.servers, server)
	}
	return nil
}

// HandshakeContext implements [caddytls.HandshakeContext]. A handshake that waits for a new certificate
// because of a domain ends when that cannot be obtained: Caddy would have the client wait while it
// tries again and again, for minutes.
func (h *handshakes) HandshakeContext(hello *tls.ClientHelloInfo) (context.Context, error) {
	ctx := hello.Context()
	if h.app == nil {
		return ctx, nil
	}
	name, certs := nameOf(hello), h.app.node.certs
	if record, _ := certs.log.Get(name); record.Leaf != nil {
		return ctx, nil
	}
	if _, err := certs.Allow(name); err != nil {
		return ctx, nil
	}
	return certs.care.waiting(ctx, name), nil
}

// waiting gives a context for a handshake that may wait for a certificate for a name.
func (c *care) waiting(ctx context.Context, name string) context.Context {
	ending, cancel := context.WithCancel(ctx)
	end := func() { cancel() }
	c.mu.Lock()
	if c.running[name] == nil {
		c.running[name] = map[*func()]bool{}
	}
	c.running[name][&end] = true
	c.mu.Unlock()
	context.AfterFunc(ctx, func() { // when the handshake is over
		c.mu.Lock()
		defer c.mu.Unlock()
		if delete(c.running[name], &end); len(c.running[name]) == 0 {
			delete(c.running, name)
		}
		cancel()
	})
	return ending
}

// giveUp ends the handshakes that wait for a certificate for a name.
func (c *care) giveUp(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for end := range c.running[name] {
		(*end)()
	}
}

// watch has a certificate of its own served for a name that Caddy still has an obtained one in
// memory for, and notes what is served because of domains.
func (a *App) watch(next func(*tls.ClientHelloInfo) (*tls.Certificate, error)) func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	certs := a.node.certs
	return func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		name := nameOf(hello)
		if slices.Equal(hello.SupportedProtos, []string{acmez.ACMETLS1Protocol}) {
			return next(hello)
		}
		if certs.WasGranted(name) {
			if own := certs.Certificate(name); own != nil {
				return own, nil
			}
		}
		cert, err := next(hello)
		if err == nil && certs.WasGranted(name) {
			certs.served(name, cert)
		}
		return cert, err
	}
}

// served notes what a name is served with. If no domain has the name any more, and it is something
// else than before, it comes from elsewhere in the configuration, and is no business of ours.
func (c *certificates) served(name string, cert *tls.Certificate) {
	if cert == nil || cert.Leaf == nil || c.Certificate(name) != nil {
		return
	}
	if c.Misdirected(name) {
		if before, ok := c.log.Get(name); ok && before.Leaf != nil && !bytes.Equal(before.Leaf.Raw, cert.Leaf.Raw) {
			c.Forget(name)
		}
		return
	}
	c.log.Served(name, cert.Leaf)
}

var (
	_ caddy.Provisioner         = (*handshakes)(nil)
	_ caddytls.HandshakeContext = (*handshakes)(nil)
)
