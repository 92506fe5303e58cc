package caddymodule

import (
	"strconv"

	"github.com/caddyserver/caddy/v2"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/dgate-io/caddy-dgate/internal/gateway"
	"github.com/dgate-io/caddy-dgate/internal/js"
)

// metrics show what a node counts. They outlive configurations, as the node does; each
// configuration has a registry of its own to show them in.
//
// Labels are names of resources, and what is known beforehand: never anything that clients send.
type metrics struct {
	node     *node
	registry *prometheus.Registry // with these and no others
	descs    descs                // of what follows, and of store
	store    storeMetrics
	failures *prometheus.CounterVec // of scripts

	requests, request          *prometheus.Desc
	upstream, upstreamFailures *prometheus.Desc
	hook, hookFailures         *prometheus.Desc
	vms, idle                  *prometheus.Desc
	table, build, built        *prometheus.Desc
	tls                        tlsMetrics
}

// descs describe metrics that are read from elsewhere when they are asked for.
type descs []*prometheus.Desc

// add describes one more.
func (d *descs) add(name, help string, labels ...string) *prometheus.Desc {
	desc := prometheus.NewDesc("dgate_"+name, help, labels, nil)
	*d = append(*d, desc)
	return desc
}

// newMetrics makes the metrics of n.
func newMetrics(n *node) *metrics {
	m := &metrics{
		node: n, registry: prometheus.NewPedanticRegistry(),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "dgate", Subsystem: "script", Name: "failures_total",
			Help: "Calls, loads and compilations of scripts that have failed, by what went wrong and the hook that was called. Without a hook, none was.",
		}, []string{"kind", "hook"}),
	}
	d := &m.descs
	m.requests = d.add("requests_total", "Requests that were answered, by the route that took them. Without a route, none did.", "namespace", "route", "code")
	m.request = d.add("request_duration_seconds", "How long requests took, until the end of their answer.", "namespace", "route")
	m.upstream = d.add("upstream_duration_seconds", "How long attempts to reach an upstream took, until the headers of its answer or the failure.", "namespace", "service")
	m.upstreamFailures = d.add("upstream_failures_total", "Attempts to reach an upstream that brought no answer.", "namespace", "service")
	m.hook = d.add("hook_duration_seconds", "How long hooks took, waiting included.", "namespace", "module", "hook")
	m.hookFailures = d.add("hook_failures_total", "Hooks that failed.", "namespace", "module", "hook")
	m.vms = d.add("script_vms", "JavaScript VMs that there are.")
	m.idle = d.add("script_vms_idle", "JavaScript VMs that wait for a request.")
	m.table = d.add("table_index", "Index of the last change that requests are routed by.")
	m.build = d.add("table_build_duration_seconds", "How long it took to compile changes of resources.")
	m.built = d.add("table_last_build_successful", "1 if all resources are routed by as they are stored, 0 if some could not be compiled and their previous form serves.")
	m.tls = newTLSMetrics(d)
	m.store = newStoreMetrics(d)
	m.registry.MustRegister(m)
	return m
}

// failed counts a failure of a script.
func (m *metrics) failed(hook string, kind js.Kind) {
	m.failures.WithLabelValues(kind.String(), hook).Inc()
}

// register shows the metrics among those of the configuration of ctx.
func (m *metrics) register(ctx caddy.Context) error { return ctx.GetMetricsRegistry().Register(m) }

// Describe implements [prometheus.Collector].
func (m *metrics) Describe(out chan<- *prometheus.Desc) {
	for _, d := range m.descs {
		out <- d
	}
	m.failures.Describe(out)
	m.store.describe(out)
}

// Collect implements [prometheus.Collector]. A resource has no series before it is first used, nor
// any more when it is gone.
func (m *metrics) Collect(out chan<- prometheus.Metric) {
	g := m.node.gateway
	for name, s := range g.Routes() {
		for status, count := range s.Answers() {
			out <- counter(m.requests, count, name.Namespace, name.Route, strconv.Itoa(status))
		}
		collectDurations(out, m.request, &s.Took, name.Namespace, name.Route)
	}
	for name, s := range g.Services() {
		if collectDurations(out, m.upstream, &s.Took, name.Namespace, name.Service) {
			out <- counter(m.upstreamFailures, s.Failures.Load(), name.Namespace, name.Service)
		}
	}
	for name, s := range g.Hooks() {
		if collectDurations(out, m.hook, &s.Took, name.Namespace, name.Module, name.Hook) {
			out <- counter(m.hookFailures, s.Failures.Load(), name.Namespace, name.Module, name.Hook)
		}
	}
	total, idle := g.VMs()
	out <- gauge(m.vms, float64(total))
	out <- gauge(m.idle, float64(idle))
	m.failures.Collect(out)
	if m.node.open() {
		index, problem := g.Progress()
		out <- gauge(m.table, float64(index))
		collectDurations(out, m.build, g.Builds())
		out <- gauge(m.built, truth(problem == nil))
		m.tls.collect(out, m.node.certs)
		m.store.collect(out, m.node.store)
	}
}

// collectDurations sends a histogram, unless nothing has been counted.
func collectDurations(out chan<- prometheus.Metric, d *prometheus.Desc, durations *gateway.Durations, labels ...string) bool {
	atMost, count, sum := durations.Read()
	if count == 0 {
		return false
	}
	buckets := make(map[float64]uint64, len(atMost))
	for i, n := range atMost {
		buckets[gateway.Bounds[i].Seconds()] = n
	}
	out <- prometheus.MustNewConstHistogram(d, count, sum.Seconds(), buckets, labels...)
	return true
}

func counter(d *prometheus.Desc, value uint64, labels ...string) prometheus.Metric {
	return prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(value), labels...)
}

func gauge(d *prometheus.Desc, value float64, labels ...string) prometheus.Metric {
	return prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
}

// truth is a bool as Prometheus has them.
func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

var _ prometheus.Collector = (*metrics)(nil)
