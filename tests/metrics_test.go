package tests

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/dgate-io/caddy-dgate/tests/harness"
)

// TestMetrics: what happens is counted under the names of resources, for as long as these exist,
// whatever configuration is loaded.
func TestMetrics(t *testing.T) {
	t.Parallel()
	up := harness.NewUpstream(t, "up", harness.HTTP)
	g := startGateway(t, caddyfile)
	g.service("up", nil, up.URL)
	g.service("down", fields{"retries": 0}, "http://127.0.0.1:1")
	g.service("own", fields{"proxy": fields{"flush_interval": -1}}, up.URL)
	g.route("plain", "up", "", nil)
	g.route("own", "own", "", nil)
	g.route("broken", "down", "", nil)
	g.route("script", "", `
		export const requestHandler = (ctx) => {
			if (ctx.request().query.get("fail")) throw new Error("planted")
			ctx.response().status(201).send("ok")
		}`, nil)
	for path, want := range map[string]int{
		"/plain": 200, "/plain/planted": 200, "/own": 200, "/broken": 502, "/script": 201, "/script?fail=1": 500, "/nowhere/planted": 404,
	} {
		if answer := g.do(harness.Request{URL: path}); answer.Status != want {
			t.Fatalf("%s: %s", path, answer)
		}
	}
	counted := []string{
		`dgate_requests_total{code="200",namespace="default",route="plain"} 2`,
		`dgate_requests_total{code="502",namespace="default",route="broken"} 1`,
		`dgate_requests_total{code="201",namespace="default",route="script"} 1`,
		`dgate_requests_total{code="500",namespace="default",route="script"} 1`,
		`dgate_requests_total{code="404",namespace="",route=""} 1`,
		`dgate_request_duration_seconds_count{namespace="default",route="plain"} 2`,
		`dgate_request_duration_seconds_bucket{namespace="default",route="plain",le="+Inf"} 2`,
		`dgate_upstream_duration_seconds_count{namespace="default",service="up"} 2`,
		`dgate_upstream_duration_seconds_count{namespace="default",service="own"} 1`,
		`dgate_upstream_failures_total{namespace="default",service="up"} 0`,
		`dgate_upstream_failures_total{namespace="default",service="down"} 1`,
		`dgate_hook_duration_seconds_count{hook="requestHandler",module="script",namespace="default"} 2`,
		`dgate_hook_failures_total{hook="requestHandler",module="script",namespace="default"} 1`,
		`dgate_table_last_build_successful 1`,
		`dgate_store_writable 1`,
		`dgate_store_snapshot_index 0`,
	}
	for _, page := range []string{"/metrics", "/dgate/metrics"} {
		g.shows(t, page, counted...)
	}
	shown := g.page(t, "/dgate/metrics")
	if strings.Contains(shown, "planted") || strings.Contains(shown, "caddy_") || strings.Contains(shown, "go_") {
		t.Errorf("more than our own:\n%s", shown)
	}
	for _, name := range []string{"store_applied_index", "store_size_bytes", "store_last_index", "table_index", "store_proposal_duration_seconds_count", "store_apply_duration_seconds_count", `store_proposals_total{result="ok"}`, "script_vms", "table_build_duration_seconds_count"} {
		if !regexp.MustCompile(`(?m)^dgate_` + regexp.QuoteMeta(name) + ` [1-9]`).MatchString(shown) {
			t.Errorf("no %s:\n%s", name, shown)
		}
	}

	t.Run("counting goes on after a reload", func(t *testing.T) {
		if err := g.Write(strings.Replace(caddyfile, "2s", "3s", 1)); err != nil {
			t.Fatal(err)
		}
		if err := g.Reload(); err != nil {
			t.Fatal(err)
		}
		g.shows(t, "/metrics", counted...)
	})
	t.Run("and after a change", func(t *testing.T) {
		g.route("plain", "up", "", fields{"tags": []string{"other"}})
		g.module("script", `export const requestHandler = (ctx) => ctx.response().send("changed")`)
		g.shows(t, "/metrics", counted...)
	})
	t.Run("what is gone is not shown", func(t *testing.T) {
		for _, key := range []string{"route/default/plain", "route/default/script", "route/default/broken", "service/default/up", "service/default/down"} {
			answer := g.do(harness.Request{Method: http.MethodDelete, URL: g.Admin + "/dgate/api/v1/" + key})
			if answer.Status != http.StatusNoContent {
				t.Fatalf("%s: %s", key, answer)
			}
		}
		shown := g.page(t, "/metrics")
		for _, gone := range []string{`"plain"`, `"script"`, `"broken"`, `"up"`, `"down"`} {
			if strings.Contains(shown, gone) {
				t.Errorf("%s is still there:\n%s", gone, dgateLines(shown))
			}
		}
	})
}

// TestSiteMetrics: modules of a site count like those of routes, also when it is loaded again.
func TestSiteMetrics(t *testing.T) {
	t.Parallel()
	g := startSite(t, "\tdgate_js hi.js\n", map[string]string{"hi.js": `export const requestHandler = (ctx) => ctx.response().send("hi")`})
	counted := func(n int) string {
		return fmt.Sprintf(`dgate_hook_duration_seconds_count{hook="requestHandler",module="hi.js",namespace="default"} %d`, n)
	}
	g.do(harness.Request{URL: "/"})
	g.shows(t, "/dgate/metrics", counted(1))
	if err := g.Write(strings.Replace(siteOptions, "grace_period 5s", "grace_period 6s", 1) + "\tdgate_js hi.js\n}\n"); err != nil {
		t.Fatal(err)
	}
	if err := g.Reload(); err != nil {
		t.Fatal(err)
	}
	g.do(harness.Request{URL: "/"})
	g.shows(t, "/dgate/metrics", counted(2))
}

// page is what Caddy's admin endpoint has at path.
func (g *gateway) page(t *testing.T, path string) string {
	t.Helper()
	answer := g.do(harness.Request{URL: g.Admin + path})
	if answer.Status != http.StatusOK {
		t.Fatal(answer)
	}
	return answer.Body
}

// shows checks that a page has lines.
func (g *gateway) shows(t *testing.T, page string, lines ...string) {
	t.Helper()
	shown := g.page(t, page)
	for _, line := range lines {
		if !strings.Contains(shown, "\n"+line+"\n") {
			t.Errorf("%s does not have %s; of ours it has:\n%s", page, line, dgateLines(shown))
		}
	}
}

// dgateLines are the metrics of ours.
func dgateLines(metrics string) string {
	return strings.Join(regexp.MustCompile(`(?m)^dgate_.*$`).FindAllString(metrics, -1), "\n")
}
