package caddymodule

import (
	"errors"

	"github.com/caddyserver/caddy/v2"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/dgate-io/caddy-dgate/internal/js"
)

// metrics are what a node counts. They outlive configurations, as the node does; each
// configuration has a registry of its own to show them in.
type metrics struct {
	failures *prometheus.CounterVec
	vms      prometheus.GaugeFunc
	idle     prometheus.GaugeFunc
}

// newMetrics makes the metrics of n.
func newMetrics(n *node) *metrics {
	gauge := func(name, help string, value func() int) prometheus.GaugeFunc {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "dgate", Subsystem: "script", Name: name, Help: help},
			func() float64 { return float64(value()) })
	}
	return &metrics{
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "dgate", Subsystem: "script", Name: "failures_total",
			Help: "Calls, loads and compilations of scripts that have failed, by what went wrong and the hook that was called. Without a hook, none was.",
		}, []string{"kind", "hook"}),
		vms:  gauge("vms", "JavaScript VMs that there are.", func() int { total, _ := n.gateway.VMs(); return total }),
		idle: gauge("vms_idle", "JavaScript VMs that wait for a request.", func() int { _, idle := n.gateway.VMs(); return idle }),
	}
}

// failed counts a failure of a script.
func (m *metrics) failed(hook string, kind js.Kind) {
	m.failures.WithLabelValues(kind.String(), hook).Inc()
}

// register shows the metrics among those of the configuration of ctx.
func (m *metrics) register(ctx caddy.Context) error {
	var errs []error
	for _, c := range [...]prometheus.Collector{m.failures, m.vms, m.idle} {
		errs = append(errs, ctx.GetMetricsRegistry().Register(c))
	}
	return errors.Join(errs...)
}
