package caddymodule

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/dgate-io/caddy-dgate/internal/domaintls"
)

const (
	// prefetchers is how many certificates are obtained in advance at the same time.
	prefetchers = 4
	// prefetchTimeout bounds one attempt.
	prefetchTimeout = 2 * time.Minute
	// prefetchPause is how long another node is let do the work before this one asks again.
	prefetchPause = 30 * time.Second
	// firstRetry and lastRetry are how long to wait after a failure: longer each time.
	firstRetry, lastRetry = time.Minute, 6 * time.Hour
	// prefetchLock is held by the node that obtains certificates in advance.
	prefetchLock = "dgate/prefetch"
)

// wanted is a name that a certificate is to be obtained for in advance.
type wanted struct {
	failures int
	next     time.Time
	done     bool
}

// prefetch obtains the certificates that domains want in advance. One node at a time does; the others
// find them in storage.
func (c *care) prefetch(ctx context.Context) {
	names := map[string]*wanted{}
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
		due, next := c.due(ctx, app, names, time.Now())
		if len(due) > 0 {
			next = c.obtain(ctx, app, due)
		}
		timer.Reset(next)
	}
}

// due gives the names whose turn it is, and how long it is until there are others.
func (c *care) due(ctx context.Context, app *App, names map[string]*wanted, now time.Time) (due map[string]*wanted, next time.Duration) {
	due, next = map[string]*wanted{}, time.Hour
	for _, name := range c.certs.prefetched() {
		w := names[name]
		if w == nil {
			w = &wanted{}
			names[name] = w
		}
		if _, err := c.certs.Allow(name); err != nil {
			continue
		}
		if !w.done {
			w.done = storedCertificate(ctx, app.ctx.Storage(), name)
		}
		switch {
		case w.done:
		case now.Before(w.next):
			next = min(next, w.next.Sub(now))
		default:
			due[name] = w
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

// obtain obtains certificates, if no other node is doing that. It gives the time until there is more
// to do.
func (c *care) obtain(ctx context.Context, app *App, due map[string]*wanted) (next time.Duration) {
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
	for name, w := range due {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			break
		}
		wg.Go(func() {
			defer func() { <-slots }()
			c.obtainOne(ctx, app, config, name, w)
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
func (c *care) obtainOne(ctx context.Context, app *App, config *tls.Config, name string, w *wanted) {
	ctx, cancel := context.WithTimeout(ctx, prefetchTimeout)
	defer cancel()
	c.mu.Lock()
	c.running[name] = cancel
	c.mu.Unlock()
	err := handshake(ctx, config, name)
	c.mu.Lock()
	delete(c.running, name)
	c.mu.Unlock()
	if w.done = err == nil || storedCertificate(context.WithoutCancel(ctx), app.ctx.Storage(), name); w.done {
		c.log().Info("obtained a certificate in advance", zap.String("name", name))
		return
	}
	w.next = time.Now().Add(min(firstRetry<<min(w.failures, 16), lastRetry))
	w.failures++
	if limited, ok := errors.AsType[*domaintls.LimitError](err); ok {
		w.next = limited.Until
	}
	if record, _ := c.certs.log.Get(name); record.Problem == "" {
		c.certs.log.Failed(name, time.Now(), err.Error(), "")
	}
	c.certs.log.Again(name, w.next)
	c.log().Warn("no certificate in advance", zap.String("name", name), zap.Time("next", w.next), zap.Error(err))
}

// failed ends the attempt to obtain a certificate for a name: Caddy would go on trying in its own time,
// and hold up others.
func (c *care) failed(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if cancel := c.running[name]; cancel != nil {
		cancel()
	}
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
