package caddymodule

import (
	"cmp"
	"context"
	"runtime/debug"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/dgate-io/caddy-dgate/adminext"
	"github.com/dgate-io/caddy-dgate/internal/change"
	"github.com/dgate-io/caddy-dgate/internal/resource"
	"github.com/dgate-io/caddy-dgate/internal/state"
)

// State implements [adminext.App].
func (a *App) State(ctx context.Context) (*state.DB, error) {
	switch {
	case a.node.open():
	case !a.stores:
		return nil, adminext.ErrNoStore
	default:
		if err := a.node.start(ctx); err != nil {
			return nil, err
		}
	}
	return a.node.store.DB(), nil
}

// Index implements [adminext.App].
func (a *App) Index() uint64 {
	if db := a.node.store.DB(); db != nil {
		return db.Applied()
	}
	return 0
}

// Writer implements [adminext.App].
func (a *App) Writer() *change.Writer {
	return a.node.writer()
}

// Barrier implements [adminext.App].
func (a *App) Barrier(ctx context.Context) error { return a.node.store.Barrier(ctx) }

// Ready implements [adminext.App]. A node without a leader routes as before, and says so.
func (a *App) Ready(context.Context) error {
	status := a.node.store.Status()
	switch {
	case status.Joining != "":
		return resource.Errorf(resource.Overloaded, "joining: %s", strings.TrimPrefix(status.Joining, "this node is not part of a cluster yet: "))
	case status.Removed:
		return resource.Errorf(resource.Overloaded, "this node was removed from the cluster")
	case status.Superseded:
		return resource.Errorf(resource.Overloaded, "another process with a copy of this node's data directory has taken its place")
	case status.Diverged != "":
		return resource.Errorf(resource.Overloaded, "the data differ from the leader's and are fetched anew: %s", status.Diverged)
	case status.Halted != "":
		return resource.Errorf(resource.Internal, "%s", status.Halted)
	case status.StorageFailed != "":
		return adminext.StorageError(status.StorageFailed)
	case status.Leader == "" && status.Elsewhere != "":
		return resource.Errorf(resource.NoLeader, "another cluster was recovered: %s; see dgate-cli cluster status", status.Elsewhere)
	case status.Leader == "" && status.Apart != "":
		return resource.Errorf(resource.NoLeader, "no leader, but other nodes are there: %s; see dgate-cli cluster status", status.Apart)
	case status.Leader == "":
		return resource.Errorf(resource.NoLeader, "no leader")
	}
	return nil
}

// Status implements [adminext.App].
func (a *App) Status(context.Context) (adminext.Status, error) {
	s := a.node.store.Status()
	index, problem := a.node.gateway.Progress()
	status := adminext.Status{
		ID: s.ID, Name: cmp.Or(s.Name, s.ID), ClusterID: s.ClusterID, Address: s.Address, Role: string(s.Role), Leader: s.Leader, LeaderAddress: s.LeaderAddress,
		Term: s.Term, Index: s.LastIndex, Applied: s.Applied, Hash: s.Hash, FaultTolerance: s.FaultTolerance,
		Table: adminext.TableStatus{Index: index}, Storage: storageOf(s),
		Joining: s.Joining, Removed: s.Removed, Superseded: s.Superseded, Elsewhere: s.Elsewhere, Apart: s.Apart, Diverged: s.Diverged, Halted: s.Halted,
		Secrets: a.node.keys.Locked(), Rebuilt: s.Rebuilt,
		Clustered: a.cluster != nil && (a.cluster.Secret != nil || a.cluster.Files != nil),
	}
	if s.Edge {
		status.Role = roleEdge
	}
	if problem != nil {
		status.Table.Error = problem.Error()
	}
	return status, nil
}

// Health implements [adminext.App].
func (a *App) Health(namespace, service string) (adminext.ServiceHealth, error) {
	found, err := a.node.gateway.Health(namespace, service)
	health := adminext.ServiceHealth{Checks: append([]string{}, found.Checks...), Upstreams: []adminext.UpstreamHealth{}}
	for _, up := range found.Upstreams {
		health.Upstreams = append(health.Upstreams, adminext.UpstreamHealth(up))
	}
	return health, err
}

// Snapshot implements [adminext.App].
func (a *App) Snapshot(context.Context) error { return a.node.store.Snapshot() }

// DefaultNamespace implements [adminext.App].
func (a *App) DefaultNamespace() string {
	if a.UseDefault != nil && !*a.UseDefault {
		return ""
	}
	return resource.DefaultNamespace
}

// Metrics implements [adminext.App].
func (a *App) Metrics() prometheus.Gatherer { return a.node.metrics.registry }

// Logger implements [adminext.App].
func (a *App) Logger() *zap.Logger { return a.logger.Named("admin") }

// Version implements [adminext.App]: that of the plugin in this build of Caddy.
func (a *App) Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "dev"
	}
	const path = "github.com/dgate-io/caddy-dgate"
	for _, m := range append(info.Deps, &info.Main) {
		if m.Path == path && m.Version != "" && m.Version != "(devel)" && m.Version != "v0.0.0" {
			return m.Version
		}
	}
	return "dev"
}
