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

	applied, last, size, works, snapshot, snapshotTime *prometheus.Desc

	forwarded prometheus.Counter
	cluster   clusterMetrics
}

// newStoreMetrics makes the metrics and adds to d those that are read when they are asked for.
func newStoreMetrics(d *descs) storeMetrics {
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

		forwarded: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: "dgate", Subsystem: "store", Name: "forwarded_proposals_total",
			Help: "Changes that were proposed here while another node led, and so were handed on to it.",
		}),
		cluster: newClusterMetrics(d),

		applied:      d.add("store_applied_index", "Index of the last change that this node has applied."),
		last:         d.add("store_last_index", "Index of the last entry in this node's log."),
		size:         d.add("store_size_bytes", "Size of the database with the applied state."),
		works:        d.add("store_writable", "1 if the store can be written, 0 if its storage fails or this node applies no changes."),
		snapshot:     d.add("store_snapshot_index", "Index of the newest snapshot, 0 if there is none."),
		snapshotTime: d.add("store_snapshot_timestamp_seconds", "When the newest snapshot was taken."),
	}
}

func (m *storeMetrics) describe(out chan<- *prometheus.Desc) {
	m.proposals.Describe(out)
	m.proposal.Describe(out)
	m.forwarded.Describe(out)
	m.apply.Describe(out)
}

// collect is called while the store is open, or closing.
func (m *storeMetrics) collect(out chan<- prometheus.Metric, store *raftstorage.Node) {
	status := store.Status()
	out <- gauge(m.applied, float64(status.Applied))
	out <- gauge(m.last, float64(status.LastIndex))
	if db := store.DB(); db != nil {
		out <- gauge(m.size, float64(db.Size()))
	}
	out <- gauge(m.works, truth(status.StorageFailed == "" && status.Halted == ""))
	out <- gauge(m.snapshot, float64(status.SnapshotIndex))
	if !status.SnapshotTime.IsZero() {
		out <- gauge(m.snapshotTime, float64(status.SnapshotTime.UnixMilli())/1000)
	}
	m.cluster.collect(out, status, store.Roles())
	m.forwarded.Collect(out)
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
	if s.Follows() {
		s.metrics.forwarded.Inc()
	}
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
