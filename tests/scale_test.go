package tests

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/dgate-io/caddy-dgate/tests/harness"
)

// What BenchmarkScale stores: each namespace has a service, ten routes and ten domains.
const scaleNamespaces, perNamespace = 1_000, 10

// scaleRoute is the j-th route of a namespace. Its patterns are of all kinds by turns.
func scaleRoute(j int, tag string) fields {
	path := []string{"/v1/r%d", "/v1/r%d/{id}/x", "/v1/r%d/*"}[j%3]
	return fields{"service": "s", "paths": []string{fmt.Sprintf(path, j)}, "methods": []string{"GET", "POST"}, "tags": []string{tag}}
}

// BenchmarkScale is a Caddy with 10,000 routes, 1,000 services, 1,000 namespaces and 10,000 domains:
// a request through it, a route written until it is in use, and a start until it serves.
func BenchmarkScale(b *testing.B) {
	up := harness.NewUpstream(b, "up", harness.HTTP)
	g := startGateway(b, "")
	empty := g.footprint()
	g.applyScale(up.URL)
	b.Run("request", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			g.scaleRequest(b, i)
		}
		b.ReportMetric(float64(g.footprint().heap-empty.heap)/(scaleNamespaces*perNamespace), "B/route")
	})
	b.Run("write", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			data, err := json.Marshal(scaleRoute(i%perNamespace, fmt.Sprint("t", i)))
			if err == nil {
				err = harness.Put(fmt.Sprintf("%s/dgate/api/v1/route/n%d/r%d", g.Admin, i%scaleNamespaces, i%perNamespace), string(data))
			}
			if err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("restart", func(b *testing.B) {
		var serving time.Duration
		for i := 0; b.Loop(); i++ {
			if err := g.Stop(); err != nil {
				b.Fatal(err)
			}
			start := time.Now()
			if err := g.Start(); err != nil {
				b.Fatal(err)
			}
			g.scaleRequest(b, i)
			serving += time.Since(start)
		}
		b.ReportMetric(float64(serving.Milliseconds())/float64(b.N), "ms/start")
	})
}

// applyScale stores all of BenchmarkScale.
func (g *gateway) applyScale(upstream string) {
	g.t.Helper()
	const each = 200 // namespaces at once
	for first := 0; first < scaleNamespaces; first += each {
		var ops []string
		put := func(kind, namespace, name string, f fields) {
			f["name"] = name
			if kind != "namespace" {
				f["namespace"] = namespace
			}
			data, err := json.Marshal(fields{"kind": kind, "put": f})
			if err != nil {
				g.t.Fatal(err)
			}
			ops = append(ops, string(data))
		}
		for i := first; i < first+each; i++ {
			ns := fmt.Sprint("n", i)
			put("namespace", "", ns, fields{})
			put("service", ns, "s", fields{"urls": []string{upstream}})
			for j := range perNamespace {
				put("route", ns, fmt.Sprint("r", j), scaleRoute(j, "t"))
				put("domain", ns, fmt.Sprint("d", j), fields{"patterns": []string{fmt.Sprintf("d%d.n%d.example.com", j, i)}, "tls": "off"})
			}
		}
		answer := g.do(harness.Request{
			Method: http.MethodPost, URL: g.Admin + "/dgate/api/v1/apply",
			Body: strings.NewReader(`{"operations":[` + strings.Join(ops, ",") + `]}`),
		})
		if answer.Status != http.StatusOK {
			g.t.Fatalf("%.2000s", answer)
		}
	}
}

// scaleRequest sends a request for one of the routes.
func (g *gateway) scaleRequest(b *testing.B, i int) {
	path := []string{"/v1/r0", "/v1/r1/42/x", "/v1/r2/a/b"}[i%3]
	host := fmt.Sprintf("d%d.n%d.example.com", i%perNamespace, i*7%scaleNamespaces)
	answer, err := harness.Do(b.Context(), harness.Request{URL: g.Site + path + "?body=ok", Header: http.Header{"Host": {host}}})
	if err != nil || answer.Body != "ok" {
		b.Fatal(err, answer)
	}
}
