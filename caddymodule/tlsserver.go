package caddymodule

import (
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddytls"
	"github.com/mholt/acmez/v3"
)

func init() { caddy.RegisterModule(new(handshakes)) }

// handshakes is how the app comes to the TLS settings of the servers that have a handler of
// DGate, see [handlers.Gateway]. It is for nobody's configuration: the handler puts it there, because every
// handshake passes here when those settings are complete, and before it reads them.
type handshakes struct{ server *tlsServer }

// tlsServer is a server that has a handler of DGate and TLS.
type tlsServer struct {
	*caddyhttp.Server
	app     *App
	watched sync.Once
}

// CaddyModule implements [caddy.Module].
func (*handshakes) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "tls.handshake_match.dgate", New: func() caddy.Module { return new(handshakes) }}
}

// Provision implements [caddy.Provisioner].
func (h *handshakes) Provision(ctx caddy.Context) error {
	server, ok := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	if !ok {
		return nil
	}
	loaded, err := ctx.App("dgate")
	if err != nil {
		return fmt.Errorf("dgate app: %w", err)
	}
	app := loaded.(*App)
	for _, known := range app.servers {
		if known.Server == server {
			h.server = known
			return nil
		}
	}
	h.server = &tlsServer{Server: server, app: app}
	app.servers = append(app.servers, h.server)
	return nil
}

// Match implements [caddytls.ConnectionMatcher]. It is true.
func (h *handshakes) Match(*tls.ClientHelloInfo) bool {
	if h.server != nil {
		h.server.watched.Do(h.server.watch)
	}
	return true
}

// watch has the app see which certificates the server serves.
func (s *tlsServer) watch() {
	for _, policy := range s.TLSConnPolicies {
		if config := policy.TLSConfig; config != nil && config.GetCertificate != nil {
			config.GetCertificate = s.app.watch(config.GetCertificate)
		}
	}
}

// leaderLost is how often in a row there is no leader before a certificate is not waited for any more.
const leaderLost = 3

// errGivenUp ends a handshake.
var errGivenUp = errors.New("the certificate could not be obtained")

// obtain asks next for the certificate of a name, which may have to be obtained first. It ends when that
// has failed: Caddy would have the client wait while it tries again and again, for minutes. It gives up
// too then, as the handshake that it is for has ended.
func (c *care) obtain(hello *tls.ClientHelloInfo, name string, next func(*tls.ClientHelloInfo) (*tls.Certificate, error)) (*tls.Certificate, error) {
	failed := make(chan struct{})
	c.await(name, failed)
	defer c.forget(name, failed)
	type answer struct {
		cert *tls.Certificate
		err  error
	}
	done := make(chan answer, 1)
	go func() {
		a := answer{err: errGivenUp}
		defer func() {
			if r := recover(); r != nil { // as the HTTP server does
				a.err = fmt.Errorf("panic: %v", r)
			}
			done <- a
		}()
		a.cert, a.err = next(hello)
	}()
	tick := time.NewTicker(leaderPatience)
	defer tick.Stop()
	for lost := 0; lost < leaderLost; {
		select {
		case a := <-done:
			return a.cert, a.err
		case <-failed:
			return nil, errGivenUp
		case <-tick.C:
			if app := c.app.Load(); app == nil || c.led(app.ctx.Storage()) {
				lost = 0
			} else {
				lost++
			}
		}
	}
	c.certs.log.Refused(name, time.Now(), errNoLeader.Error(), time.Now(), 0)
	return nil, errNoLeader
}

// await has failed closed when a certificate for a name could not be obtained.
func (c *care) await(name string, failed chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting[name] = append(c.waiting[name], failed)
}

func (c *care) forget(name string, failed chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	rest := slices.DeleteFunc(c.waiting[name], func(other chan struct{}) bool { return other == failed })
	if c.waiting[name] = rest; len(rest) == 0 {
		delete(c.waiting, name)
	}
}

// giveUp ends the handshakes that wait for a certificate for a name.
func (c *care) giveUp(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, failed := range c.waiting[name] {
		close(failed)
	}
	delete(c.waiting, name)
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
			if own := certs.Certificate(name); own != nil && !certs.serves(name) {
				return own, nil
			}
		}
		var cert *tls.Certificate
		var err error
		if record, _ := certs.log.Get(name); record.Leaf == nil && certs.allows(name) {
			cert, err = certs.care.obtain(hello, name, next)
		} else {
			cert, err = next(hello)
		}
		if err == nil && certs.WasGranted(name) {
			certs.served(name, cert)
		}
		return cert, err
	}
}

// served notes what a name is served with, if that is because of a domain.
func (c *certificates) served(name string, cert *tls.Certificate) {
	if cert != nil && cert.Leaf != nil && c.allows(name) && !c.serves(name) {
		c.log.Served(name, cert.Leaf)
	}
}

// allows tells whether a domain allows a certificate for a name.
func (c *certificates) allows(name string) bool {
	_, err := c.Allow(name)
	return err == nil
}

var (
	_ caddy.Provisioner          = (*handshakes)(nil)
	_ caddytls.ConnectionMatcher = (*handshakes)(nil)
)
