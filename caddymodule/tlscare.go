package caddymodule

import (
	"context"
	"iter"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/dgate-io/caddy-dgate/internal/domaintls"
	"github.com/dgate-io/caddy-dgate/internal/resource"
	"github.com/dgate-io/caddy-dgate/raftstorage"
)

// locks is the part of the store that has work done by one node.
type locks interface {
	TryLock(ctx context.Context, name string) (*raftstorage.Lock, error)
	Once(ctx context.Context, job, slot string) (bool, error)
	Status() raftstorage.Status
}

// care is what a node does about certificates without being asked: it warns of those that end, and
// obtains those that are wanted in advance.
type care struct {
	certs *certificates
	locks locks
	log   func() *zap.Logger
	app   atomic.Pointer[App] // of the newest configuration that has started; nil if there is none
	began chan struct{}       // has a value when there is another app, for watch
	again chan struct{}       // likewise, for prefetch
	moved chan struct{}       // has a value when domains have changed
	wg    sync.WaitGroup

	warned map[resource.Key]time.Time // when; only the goroutine that watches

	mu      sync.Mutex
	waiting map[string][]chan struct{} // by name: closed when its certificate could not be obtained
}

func newCare(certs *certificates, locks locks, log func() *zap.Logger) *care {
	return &care{
		certs: certs, locks: locks, log: log, began: make(chan struct{}, 1), again: make(chan struct{}, 1), moved: make(chan struct{}, 1),
		warned: map[resource.Key]time.Time{}, waiting: map[string][]chan struct{}{},
	}
}

// use makes what follows happen for a configuration.
func (c *care) use(app *App) {
	c.app.Store(app)
	for _, wake := range []chan struct{}{c.began, c.again} {
		select {
		case wake <- struct{}{}:
		default:
		}
	}
}

// leave ends that for a configuration.
func (c *care) leave(app *App) { c.app.CompareAndSwap(app, nil) }

// start begins, until ctx is done. wait must be called then.
func (c *care) start(ctx context.Context) {
	c.wg.Go(func() { c.watch(ctx) })
	c.wg.Go(func() { c.prefetch(ctx) })
}

// wait returns when everything that start has begun has ended.
func (c *care) wait() { c.wg.Wait() }

const (
	// watchPause is how often certificates are looked at that may end.
	watchPause = time.Hour
	// endsSoon is how long before their end they are warned of.
	endsSoon = 30 * 24 * time.Hour
	// lookPause is how long after a change of domains they are looked at, so that many changes are looked
	// at together.
	lookPause = time.Second
	// warnPause is how long a warning lasts.
	warnPause = 24 * time.Hour
)

// expiringEvent is what a certificate of a domain that ends soon is announced as, once a day, by one
// node.
const expiringEvent = "dgate.certificate_expiring"

// Update implements [gateway.Hosts].
func (c *certificates) Update(domains iter.Seq[*resource.Domain]) {
	c.Directory.Update(domains)
	if c.care == nil {
		return
	}
	select {
	case c.care.moved <- struct{}{}:
	default:
	}
}

// watch warns of certificates of domains that end soon.
func (c *care) watch(ctx context.Context) {
	tick := time.NewTimer(watchPause)
	defer tick.Stop()
	for {
		if app := c.app.Load(); app != nil {
			c.warn(ctx, app, time.Now())
		}
		tick.Reset(watchPause)
		select {
		case <-tick.C:
		case <-c.began:
		case <-c.moved:
			tick.Reset(lookPause)
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

func (c *care) warn(ctx context.Context, app *App, now time.Time) {
	for d := range c.certs.Domains() {
		if d.Own == nil || d.Own.NotAfter.Sub(now) > endsSoon {
			delete(c.warned, d.Key)
			continue
		}
		if last, ok := c.warned[d.Key]; ok && now.Sub(last) < warnPause {
			continue
		}
		c.warned[d.Key] = now
		c.log().Warn("the certificate of a domain ends soon, or has ended; put another one",
			zap.String("namespace", d.Key.Namespace), zap.String("domain", d.Key.Name),
			zap.Time("not_after", d.Own.NotAfter), zap.Int("days_left", daysLeft(d.Own.NotAfter, now)))
		c.announce(ctx, app, d, now)
	}
}

func daysLeft(end, now time.Time) int { return int(end.Sub(now) / (24 * time.Hour)) }

// announce emits the event, unless another node has today.
func (c *care) announce(ctx context.Context, app *App, d domaintls.Domain, now time.Time) {
	events := app.announce.events
	if !events.ShouldEmit(expiringEvent) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, tlsTimeout)
	defer cancel()
	first, err := c.locks.Once(ctx, expiringEvent+"/"+d.Key.Namespace+"/"+d.Key.Name, now.UTC().Format(time.DateOnly))
	if err != nil {
		c.log().Warn("the event "+expiringEvent+" is not emitted today", zap.Error(err))
	}
	if err != nil || !first {
		return
	}
	events.Emit(app.ctx, expiringEvent, map[string]any{
		"namespace": d.Key.Namespace, "domain": d.Key.Name, "names": d.Own.DNSNames,
		"not_after": d.Own.NotAfter, "days_left": daysLeft(d.Own.NotAfter, now),
	})
}
