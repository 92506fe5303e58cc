package caddymodule

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// tlsMetrics are what is known about the certificates of domains.
type tlsMetrics struct {
	count, end, failing, inHour, refused *prometheus.Desc
}

func newTLSMetrics(d *descs) tlsMetrics {
	return tlsMetrics{
		count:   d.add("domain_certificates", "Certificates that this node serves because of a domain: own ones, and issued ones that it has served since it was started.", "namespace", "domain", "source"),
		end:     d.add("domain_certificate_expiry_timestamp_seconds", "When the first of them ends.", "namespace", "domain", "source"),
		failing: d.add("domain_certificate_failing", "Names of a domain that this node could obtain no certificate for when it last tried.", "namespace", "domain"),
		inHour:  d.add("domain_certificates_new", "New certificates in the last hour, as they count for the limits.", "namespace"),
		refused: d.add("domain_certificates_refused_total", "Certificates that were not obtained because there were too many new ones, by the option that says so.", "namespace", "limit"),
	}
}

// held counts the certificates of one domain.
type held struct {
	count int
	end   time.Time
}

func (h *held) add(end time.Time) {
	if h.count++; h.count == 1 || end.Before(h.end) {
		h.end = end
	}
}

// collect sends the metrics of c.
func (m *tlsMetrics) collect(out chan<- prometheus.Metric, c *certificates) {
	c.settleAll()
	issued, failing := map[resource.Key]*held{}, map[resource.Key]int{}
	for name, record := range c.log.All() {
		domain, err := c.Allow(name)
		if err != nil {
			continue // it is no longer ours
		}
		if record.Leaf != nil {
			if issued[domain] == nil {
				issued[domain] = new(held)
			}
			issued[domain].add(record.Leaf.NotAfter)
		}
		if !record.Failed.IsZero() {
			failing[domain]++
		}
	}
	show := func(key resource.Key, source string, h held) {
		out <- gauge(m.count, float64(h.count), key.Namespace, key.Name, source)
		out <- gauge(m.end, float64(h.end.Unix()), key.Namespace, key.Name, source)
	}
	for d := range c.Domains() {
		if d.Own != nil && d.Err == nil {
			show(d.Key, "own", held{1, d.Own.NotAfter})
		}
	}
	for key, h := range issued {
		show(key, "issued", *h)
	}
	for key, n := range failing {
		out <- gauge(m.failing, float64(n), key.Namespace, key.Name)
	}
	inHour, refused := c.limiter.Counts(time.Now())
	for namespace, n := range inHour {
		out <- gauge(m.inHour, float64(n), namespace)
	}
	for r, n := range refused {
		out <- counter(m.refused, n, r.Namespace, r.Limit)
	}
}

// settleAll looks whether what has failed has succeeded since, on another node.
func (c *certificates) settleAll() {
	app := c.care.app.Load()
	if app == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), settleTimeout)
	defer cancel()
	for name, record := range c.log.All() {
		if !record.Failed.IsZero() && ctx.Err() == nil {
			c.settle(ctx, app.ctx.Storage(), name)
		}
	}
}

// settleTimeout bounds how long metrics wait for the storage.
const settleTimeout = time.Second
