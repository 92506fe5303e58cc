package caddymodule

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"go.uber.org/zap"
)

const (
	// prefetchers is how many certificates are obtained in advance at the same time.
	prefetchers = 4
	// prefetchTimeout bounds one attempt.
	prefetchTimeout = 2 * time.Minute
	// prefetchPause is how long another node is let do the work before this one asks again.
	prefetchPause = 30 * time.Second
	// prefetchLock is held by the node that obtains certificates in advance.
	prefetchLock = "dgate/prefetch"
)

// prefetch obtains the certificates that domains want in advance. One node at a time does; the others
// find them in storage.
func (c *care) prefetch(ctx context.Context) {
	there := map[string]bool{}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-c.certs.News():
		case <-ctx.Done():
			return
		}
		app := c.app.Load()
		if app == nil || len(app.servers) == 0 {
			timer.Reset(time.Second) // the configuration is still starting, or has no TLS
			continue
		}
		due, next := c.due(ctx, app, there, time.Now())
		if len(due) > 0 {
			next = c.obtainAll(ctx, app, due)
		}
		timer.Reset(next)
	}
}

// due gives the names whose turn it is, and how long it is until there are others. There has those
// that need none.
func (c *care) due(ctx context.Context, app *App, there map[string]bool, now time.Time) (due []string, next time.Duration) {
	next = time.Hour
	for _, name := range c.certs.prefetched() {
		domain, err := c.certs.Allow(name)
		if err != nil || there[name] {
			continue
		}
		if there[name] = storedCertificate(ctx, app.ctx.Storage(), name); there[name] {
			continue
		}
		if record, waits := c.certs.log.Waits(name, now, c.certs.version(domain)); waits {
			next = min(next, record.Next.Sub(now))
		} else if record.Leaf == nil { // or it is in a storage of its own
			due = append(due, name)
		}
	}
	return due, next
}

// prefetched are the names that certificates are wanted for in advance.
func (c *certificates) prefetched() []string {
	var names []string
	for d := range c.Domains() {
		if !d.Prefetch {
			continue
		}
		for _, name := range d.Exact {
			if _, err := netip.ParseAddr(name); err != nil { // clients cannot ask for an address by its name
				names = append(names, name)
			}
		}
	}
	return names
}

// obtainAll obtains certificates, if no other node is doing that. It gives the time until there is more
// to do.
func (c *care) obtainAll(ctx context.Context, app *App, due []string) (next time.Duration) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	asking, asked := context.WithTimeout(ctx, tlsTimeout)
	defer asked()
	lock, err := c.locks.TryLock(asking, prefetchLock)
	if lock == nil {
		if err != nil {
			c.log().Warn("certificates are not obtained in advance yet", zap.Error(err))
		}
		return prefetchPause
	}
	defer context.AfterFunc(lock.Context(), cancel)()
	defer c.unlock(ctx, lock)
	config := app.servers[0].TLSConnPolicies.TLSConfig(app.ctx)
	slots := make(chan struct{}, prefetchers)
	var wg sync.WaitGroup
	for _, name := range due {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			break
		}
		wg.Go(func() {
			defer func() { <-slots }()
			c.obtainOne(ctx, app, config, name)
		})
	}
	wg.Wait()
	return 0
}

func (c *care) unlock(ctx context.Context, lock interface{ Unlock(context.Context) error }) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tlsTimeout)
	defer cancel()
	if err := lock.Unlock(ctx); err != nil {
		c.log().Warn("the lock for certificates in advance is held a little longer", zap.Error(err))
	}
}

// obtainOne has Caddy obtain the certificate for a name, as a client that asks for it would.
func (c *care) obtainOne(ctx context.Context, app *App, config *tls.Config, name string) {
	ctx, cancel := context.WithTimeout(ctx, prefetchTimeout)
	defer cancel()
	err := handshake(ctx, config, name)
	if err == nil || storedCertificate(context.WithoutCancel(ctx), app.ctx.Storage(), name) {
		c.log().Info("obtained a certificate in advance", zap.String("name", name))
		return
	}
	record, ok := c.certs.log.Get(name)
	if !ok || !time.Now().Before(record.Next) { // nobody has said why
		c.certs.failed(name, err)
		record, _ = c.certs.log.Get(name)
	}
	c.log().Warn("no certificate in advance", zap.String("name", name), zap.Time("next", record.Next), zap.Error(err))
}

// handshake makes a TLS connection inside of the process.
func handshake(ctx context.Context, config *tls.Config, name string) error {
	here, there := net.Pipe()
	defer here.Close()  //nolint:errcheck // there is nothing to lose
	defer there.Close() //nolint:errcheck // likewise
	served := make(chan error, 1)
	go func() {
		err := tls.Server(there, config).HandshakeContext(ctx)
		_ = there.Close()
		served <- err
	}()
	client := tls.Client(here, &tls.Config{ServerName: name, InsecureSkipVerify: true}) //nolint:gosec // it is us, and nothing is sent
	err := client.HandshakeContext(ctx)
	_ = here.Close()
	if refused := <-served; refused != nil {
		return fmt.Errorf("handshake: %w", refused)
	}
	return err
}
