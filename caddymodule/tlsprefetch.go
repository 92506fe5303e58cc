package caddymodule

import (
	"context"
	"crypto/tls"
	"fmt"
	"maps"
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
	tries := map[string]try{}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-c.certs.News():
		case <-c.again:
		case <-ctx.Done():
			return
		}
		app := c.app.Load()
		if app == nil || len(app.servers) == 0 {
			timer.Reset(time.Second) // the configuration is still starting, or has no TLS
			continue
		}
		due, next := c.due(ctx, app, tries, time.Now())
		if len(due) > 0 {
			next = c.obtainAll(ctx, app, due, tries)
		}
		timer.Reset(next)
	}
}

// try is what has become of a name: nothing more is to be done about it before a time, or for as long
// as the configuration and the domain are the same.
type try struct {
	app     *App
	version uint64    // of the domain
	until   time.Time // zero: it is done
}

// due gives the names whose turn it is, and how long it is until there are others.
func (c *care) due(ctx context.Context, app *App, tries map[string]try, now time.Time) (due []string, next time.Duration) {
	next = time.Hour
	names := c.certs.prefetched()
	maps.DeleteFunc(tries, func(name string, _ try) bool { return !names[name] })
	for name := range names {
		domain, err := c.certs.Allow(name)
		if err != nil {
			continue
		}
		version := c.certs.version(domain)
		if before, ok := tries[name]; ok && before.app == app && before.version == version && (before.until.IsZero() || now.Before(before.until)) {
			if !before.until.IsZero() {
				next = min(next, before.until.Sub(now))
			}
			continue
		}
		if c.certs.serves(name) || !onDemand(app.tls(), name) || storedCertificate(ctx, app.ctx.Storage(), name) {
			tries[name] = try{app: app, version: version}
			continue
		}
		if record, waits := c.certs.log.Waits(name, now, version); waits {
			next = min(next, record.Next.Sub(now))
			continue
		}
		tries[name] = try{app: app, version: version, until: now.Add(prefetchPause)}
		due = append(due, name)
	}
	return due, next
}

// prefetched are the names that certificates are wanted for in advance.
func (c *certificates) prefetched() map[string]bool {
	names := map[string]bool{}
	for d := range c.Domains() {
		if !d.Prefetch {
			continue
		}
		for _, name := range d.Exact {
			if _, err := netip.ParseAddr(name); err != nil { // clients cannot ask for an address by its name
				names[name] = true
			}
		}
	}
	return names
}

// obtainAll obtains certificates, if no other node is doing that. It gives the time until there is more
// to do.
func (c *care) obtainAll(ctx context.Context, app *App, due []string, tries map[string]try) (next time.Duration) {
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
	slots, served := make(chan struct{}, prefetchers), make([]bool, len(due))
	var wg sync.WaitGroup
	for i, name := range due {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			break
		}
		wg.Go(func() {
			defer func() { <-slots }()
			served[i] = c.obtainOne(ctx, app, config, name)
		})
	}
	wg.Wait()
	for i, name := range due {
		if served[i] {
			tries[name] = try{app: app, version: tries[name].version}
		}
	}
	return 0
}

func (c *care) unlock(ctx context.Context, lock interface{ Unlock(context.Context) error }) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tlsTimeout)
	defer cancel()
	if err := lock.Unlock(ctx); err != nil {
		c.log().Warn("the lock for certificates in advance is held a little longer", zap.Error(err))
	}
}

// obtainOne has Caddy obtain the certificate for a name, as a client that asks for it would. It tells
// whether there is one now.
func (c *care) obtainOne(ctx context.Context, app *App, config *tls.Config, name string) bool {
	ctx, cancel := context.WithTimeout(ctx, prefetchTimeout)
	defer cancel()
	err := handshake(ctx, config, name)
	if err == nil || storedCertificate(context.WithoutCancel(ctx), app.ctx.Storage(), name) {
		c.log().Info("obtained a certificate in advance", zap.String("name", name))
		return true
	}
	record, ok := c.certs.log.Get(name)
	if !ok || !time.Now().Before(record.Next) { // nobody has said why
		c.certs.failed(app.ctx.Storage(), name, err)
		record, _ = c.certs.log.Get(name)
	}
	c.log().Warn("no certificate in advance", zap.String("name", name), zap.Time("next", record.Next), zap.Error(err))
	return false
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
