package caddymodule

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/dgate-io/caddy-dgate/internal/gateway"
	"github.com/dgate-io/caddy-dgate/internal/resource"
	"github.com/dgate-io/caddy-dgate/internal/state"
	"github.com/dgate-io/caddy-dgate/raftstorage"
)

// storeMetrics are what is known about the replicated store.
type storeMetrics struct {
	proposals *prometheus.CounterVec
	proposal  prometheus.Histogram
	apply     prometheus.Histogram
}

// The metrics that are read from the store when they are asked for.
var (
	descApplied      = desc("store_applied_index", "Index of the last change that this node has applied.")
	descLast         = desc("store_last_index", "Index of the last entry in this node's log.")
	descSize         = desc("store_size_bytes", "Size of the database with the applied state.")
	descWorks        = desc("store_writable", "1 if the store can be written, 0 if its storage fails or this node applies no changes.")
	descSnapshot     = desc("store_snapshot_index", "Index of the newest snapshot, 0 if there is none.")
	descSnapshotTime = desc("store_snapshot_timestamp_seconds", "When the newest snapshot was taken.")
)

func newStoreMetrics() storeMetrics {
	bounds := make([]float64, len(gateway.Bounds))
	for i, bound := range gateway.Bounds {
		bounds[i] = bound.Seconds()
	}
	durations := func(name, help string) prometheus.Histogram {
		return prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: "dgate", Subsystem: "store", Name: name, Help: help, Buckets: bounds,
		})
	}
	return storeMetrics{
		proposals: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "dgate", Subsystem: "store", Name: "proposals_total",
			Help: "Changes that this node has proposed, by what became of them: ok, or the code of the error.",
		}, []string{"result"}),
		proposal: durations("proposal_duration_seconds", "How long it took until a proposed change was applied here, or refused."),
		apply:    durations("apply_duration_seconds", "How long it took to apply changes, which may be several at once."),
	}
}

func (m *storeMetrics) describe(out chan<- *prometheus.Desc) {
	for _, d := range [...]*prometheus.Desc{descApplied, descLast, descSize, descWorks, descSnapshot, descSnapshotTime} {
		out <- d
	}
	m.proposals.Describe(out)
	m.proposal.Describe(out)
	m.apply.Describe(out)
}

// collect is called while the store is open, or closing.
func (m *storeMetrics) collect(out chan<- prometheus.Metric, store *raftstorage.Node) {
	status := store.Status()
	out <- gauge(descApplied, float64(status.Applied))
	out <- gauge(descLast, float64(status.LastIndex))
	if db := store.DB(); db != nil {
		out <- gauge(descSize, float64(db.Size()))
	}
	out <- gauge(descWorks, truth(status.StorageFailed == "" && status.Halted == ""))
	out <- gauge(descSnapshot, float64(status.SnapshotIndex))
	if !status.SnapshotTime.IsZero() {
		out <- gauge(descSnapshotTime, float64(status.SnapshotTime.UnixMilli())/1000)
	}
	m.proposals.Collect(out)
	m.proposal.Collect(out)
	m.apply.Collect(out)
}

// measuredStore counts what is proposed.
type measuredStore struct {
	*raftstorage.Node
	metrics *storeMetrics
}

// Propose implements [change.Store].
func (s measuredStore) Propose(ctx context.Context, ops ...state.Op) (state.Outcome, error) {
	began := time.Now()
	outcome, err := s.Node.Propose(ctx, ops...)
	s.metrics.proposal.Observe(time.Since(began).Seconds())
	result := "ok"
	if err != nil {
		result = string(resource.CodeOf(err))
	}
	s.metrics.proposals.WithLabelValues(result).Inc()
	return outcome, err
}
