// Package admintest has an [adminext.App] for tests, on any store. It has no gateway: it compiles
// and routes nothing.
package admintest

import (
	"context"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/dgate-io/caddy-dgate/adminext"
	"github.com/dgate-io/caddy-dgate/internal/change"
	"github.com/dgate-io/caddy-dgate/internal/change/changetest"
	"github.com/dgate-io/caddy-dgate/internal/keyring"
	"github.com/dgate-io/caddy-dgate/internal/resource"
	"github.com/dgate-io/caddy-dgate/internal/state"
	"github.com/dgate-io/caddy-dgate/raftstorage"
)

// App is a gateway as far as the admin API can see. Its fields may be set before it is used.
type App struct {
	// Store has the resources.
	Store change.Store
	// Code checks modules; nil checks nothing.
	Code change.Code
	// Namespace is the default one.
	Namespace string
	// ReadyError, BarrierError and OpenError are what those methods answer.
	ReadyError, BarrierError, OpenError error
	// Leaderless hides the leader.
	Leaderless bool
	// Waiting, if set, is closed when a request is about to wait for something.
	Waiting chan struct{}
	// Others is what is done with the cluster.
	Others *Cluster
	// Logs has what was logged.
	Logs *observer.ObservedLogs

	log  *zap.Logger
	keys *keyring.Keyring
}

// New makes an app on a store without raft.
func New(tb testing.TB) *App {
	tb.Helper()
	return on(changetest.New(tb))
}

// NewNode makes an app on a node that keeps its log in memory, closed at the end of the test.
func NewNode(tb testing.TB) *App {
	tb.Helper()
	node := raftstorage.New(raftstorage.Config{Memory: true})
	tb.Cleanup(func() {
		if err := node.Close(context.Background()); err != nil {
			tb.Errorf("close the node: %v", err)
		}
	})
	if err := node.Open(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	return on(node)
}

func on(store change.Store) *App {
	core, logs := observer.New(zap.DebugLevel)
	kek := keyring.NewKEK()
	return &App{
		Others: &Cluster{List: []adminext.Member{{
			ID: "n1", Name: "test", Role: "voter", Leader: true, Self: true, Reachable: true, Version: "dev", Storage: "ok",
		}}},
		Store: store, Namespace: resource.DefaultNamespace, Logs: logs, log: zap.New(core),
		keys: keyring.New(store, keyring.Source{Keys: func() []*keyring.KEK { return []*keyring.KEK{kek} }}),
	}
}

// Handler is the admin API of the app.
func (a *App) Handler() *adminext.Handler {
	return adminext.New(func() (adminext.App, error) { return a, nil }, a.log)
}

// State implements [adminext.App].
func (a *App) State(context.Context) (*state.DB, error) {
	if a.Waiting != nil {
		close(a.Waiting)
	}
	return a.Store.DB(), a.OpenError
}

// Index implements [adminext.App].
func (a *App) Index() uint64 { return a.Store.DB().Applied() }

// Writer implements [adminext.App].
func (a *App) Writer() *change.Writer {
	return &change.Writer{Store: a.Store, Code: a.Code, Sealer: a.keys}
}

// Barrier implements [adminext.App].
func (a *App) Barrier(context.Context) error { return a.BarrierError }

// Ready implements [adminext.App].
func (a *App) Ready(context.Context) error { return a.ReadyError }

// Status implements [adminext.App].
func (a *App) Status(context.Context) (adminext.Status, error) {
	db := a.Store.DB()
	status := adminext.Status{
		ID: "n1", Name: "test", Role: "leader", Leader: "n1", Term: db.AppliedTerm(),
		Index: db.Applied(), Applied: db.Applied(), Hash: db.Hash(),
		Table: adminext.TableStatus{Index: db.Applied()}, Storage: "ok",
	}
	if a.Leaderless {
		status.Role, status.Leader = "follower", ""
	}
	return status, nil
}

// Operations implements [adminext.App].
func (a *App) Operations() adminext.Cluster { return a.Others }

// Health implements [adminext.App]: every service has one upstream, which is down.
func (a *App) Health(namespace, service string) (adminext.ServiceHealth, error) {
	return adminext.ServiceHealth{
		Checks:    []string{"active"},
		Upstreams: []adminext.UpstreamHealth{{URL: "http://" + service + "." + namespace, Address: service + ":80", Fails: 1}},
	}, nil
}

// DomainStatus implements [adminext.App]: nobody has certificates.
func (a *App) DomainStatus(_ context.Context, domain resource.Key) (adminext.DomainStatus, error) {
	return adminext.DomainStatus{
		TLS: resource.TLSAuto, Warnings: []string{},
		Names: []adminext.NameStatus{{Name: domain.Name + ".test", Source: "none", Error: "refused"}},
	}, nil
}

// Snapshot implements [adminext.App].
func (a *App) Snapshot(context.Context) error { return nil }

// DefaultNamespace implements [adminext.App].
func (a *App) DefaultNamespace() string { return a.Namespace }

// Metrics implements [adminext.App].
func (a *App) Metrics() prometheus.Gatherer { return prometheus.NewRegistry() }

// Version implements [adminext.App].
func (a *App) Version() string { return "dev" }

// Logger implements [adminext.App].
func (a *App) Logger() *zap.Logger { return a.log }

var _ adminext.App = (*App)(nil)
