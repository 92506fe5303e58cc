package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/dgate-io/caddy-dgate/internal/change"
	"github.com/dgate-io/caddy-dgate/internal/gateway"
	"github.com/dgate-io/caddy-dgate/internal/js"
	"github.com/dgate-io/caddy-dgate/internal/js/host"
	"github.com/dgate-io/caddy-dgate/internal/js/host/fetch"
	"github.com/dgate-io/caddy-dgate/internal/js/host/storage"
	"github.com/dgate-io/caddy-dgate/internal/keyring"
	"github.com/dgate-io/caddy-dgate/internal/moduledata"
	"github.com/dgate-io/caddy-dgate/raftstorage"
)

// How long the store may take to open, and to close.
const (
	startTimeout = 30 * time.Second
	stopTimeout  = 10 * time.Second
)

// node is the store and the gateway of this process.
type node struct {
	key      nodeKey
	store    *raftstorage.Node
	keys     *keyring.Keyring
	gateway  *gateway.Gateway
	certs    *certificates // of domains
	storage  *nodeStorage
	fetch    *fetch.Client
	metrics  *metrics
	settings atomic.Pointer[settings] // those of the newest configuration that has started
	ready    chan struct{}            // closed when there is a table

	configuring    sync.Mutex
	configurations []*settings // of all configurations that have started, oldest first

	mu       sync.Mutex
	started  bool
	closed   bool
	cancel   context.CancelFunc
	followed chan struct{} // closed when Follow has returned

	announcer atomic.Pointer[announcer] // of the newest configuration that has started, or nil
	announced chan struct{}             // closed when announceAll has returned
	watched   chan struct{}             // closed when watchExit has returned
	unlocking sync.WaitGroup            // the watch over keys
	parting   sync.Once                 // of goodbye
}

// newNode makes a node without opening anything.
func newNode(key nodeKey) *node {
	n := &node{key: key, ready: make(chan struct{}), followed: make(chan struct{}), announced: make(chan struct{}), watched: make(chan struct{})}
	n.settings.Store(&settings{logger: zap.NewNop()})
	n.metrics = newMetrics(n)
	n.store = raftstorage.New(raftstorage.Config{
		Dir: key.dir, Memory: key.memory,
		Logger:  func() *zap.Logger { return n.settings.Load().logger.Named("raft") },
		Applied: func(took time.Duration) { n.metrics.store.apply.Observe(took.Seconds()) },
	})
	n.keys = keyring.New(n.measured(), n.kekSource())
	n.fetch = fetch.New(fetch.Options{})
	data := moduledata.New(n.opened, n.keys)
	deps := host.Deps{Fetch: n.fetch, Documents: data, Secrets: data, Cache: storage.New()}
	n.gateway = gateway.New(js.Options{
		Modules: host.Modules(deps), Globals: host.Globals(deps), Env: n.env, Failed: n.metrics.failed,
	}, gateway.Options{Logger: zap.NewNop()})
	n.storage = newNodeStorage(n)
	n.certs = newCertificates(n.keys)
	n.certs.care = newCare(n.certs, n.store, func() *zap.Logger { return n.settings.Load().logger })
	n.gateway.Watch(n.certs)
	return n
}

// writer is what changes resources.
func (n *node) writer() *change.Writer {
	return &change.Writer{Store: n.measured(), Code: n.gateway, Sealer: n.keys}
}

// measured is the store for those who change it.
func (n *node) measured() measuredStore { return measuredStore{n.store, &n.metrics.store} }

// envKey is where a context has the names that are allowed while a configuration is provisioned:
// its scripts are tried before the node is configured.
type envKey struct{}

// env is what scripts see of the environment.
func (n *node) env(ctx context.Context) map[string]string {
	names, ok := ctx.Value(envKey{}).([]string)
	if !ok {
		names = n.settings.Load().gateway.Env
	}
	env := map[string]string{}
	for _, name := range names {
		if value, ok := os.LookupEnv(name); ok { //nolint:forbidigo // the option env allows it
			env[name] = value
		}
	}
	return env
}

// open tells whether the store is open.
func (n *node) open() bool {
	select {
	case <-n.ready:
		return true
	default:
		return false
	}
}

// opened is the writer for scripts, which may be the first to need the store. When one of them has
// to wait no longer, others may still.
func (n *node) opened(ctx context.Context) (*change.Writer, error) {
	if n.open() {
		return n.writer(), nil
	}
	started := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), startTimeout)
		defer cancel()
		started <- n.start(ctx)
	}()
	select {
	case err := <-started:
		return n.writer(), err
	case <-ctx.Done():
		return nil, fmt.Errorf("open the store: %w", context.Cause(ctx))
	}
}

// start opens the store, unless that has been done, waits until what it holds is served, and
// unlocks the secrets in it.
func (n *node) start(ctx context.Context) error {
	opened, err := n.serve(ctx)
	if opened {
		n.unlock(ctx)
	}
	return err
}

// unlock makes the secrets readable with the keys of the newest configuration. Everything else
// works without.
func (n *node) unlock(ctx context.Context) {
	n.unlocked(n.keys.Unlock(ctx))
}

// unlocked is told what became of the keys that secrets are encrypted with, whenever they or the
// configuration change.
func (n *node) unlocked(renewed int, err error) {
	logger := n.settings.Load().logger
	n.certs.Retry()
	if err != nil {
		logger.Error("secrets cannot be read, or their keys not be encrypted with the first encryption_key", zap.Error(err))
	} else if renewed > 0 {
		logger.Info("secrets are encrypted with the first encryption_key now; older ones are not needed any more")
	}
}

// serve opens the store and begins to follow it. It tells whether that was left to do.
func (n *node) serve(ctx context.Context) (opened bool, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return false, errors.New("the store has been closed")
	}
	if n.started {
		return false, nil
	}
	if err := n.store.Open(ctx); err != nil {
		return false, err // which says what was opened
	}
	follower, err := n.gateway.Load(n.store.DB())
	if err != nil {
		return false, fmt.Errorf("read the store: %w", err)
	}
	following, cancel := context.WithCancel(context.Background())
	n.started, n.cancel = true, cancel
	go n.follow(following, follower)
	go n.watchExit(following)
	n.unlocking.Go(func() { n.keys.Watch(following, n.unlocked) })
	go n.announceAll(following, n.store.DB().Subscribe(n.gateway.Table().Index))
	n.certs.care.start(following)
	close(n.ready)
	n.storage.serve()
	n.settings.Load().logger.Info("serving stored resources", zap.String("data", n.key.String()), zap.Uint64("index", n.gateway.Table().Index))
	return true, nil
}

// follow keeps the gateway's table up to date until the node is closed.
func (n *node) follow(ctx context.Context, follower *gateway.Follower) {
	defer close(n.followed)
	if err := follower.Follow(ctx); err != nil {
		n.settings.Load().logger.Error("routing stays as it is: the store cannot be read", zap.Error(err))
	}
}

// Destruct implements [caddy.Destructor]: no configuration uses the node any more. When the process
// ends, the node is closed last.
func (n *node) Destruct() error {
	if n.closeAtExit() {
		return nil
	}
	return n.close()
}

// close ends the use of the store.
func (n *node) close() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.closed = true
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	err := n.storage.close()
	if n.started {
		if caddy.Exiting() {
			n.goodbye()
		}
		n.cancel()
		<-n.watched
		<-n.followed
		n.unlocking.Wait()
		n.certs.care.wait()
		select {
		case <-n.announced:
		case <-ctx.Done(): // a handler of events is still busy
		}
	}
	return errors.Join(err, n.store.Close(ctx))
}

var _ caddy.Destructor = (*node)(nil)
