package tests

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dgate-io/caddy-dgate/tests/harness"
)

// balance is an object `proxy` with only a selection policy.
func balance(policy fields) fields {
	return fields{"proxy": fields{"load_balancing": fields{"selection_policy": policy}}}
}

// Policies of Caddy choose among the upstreams of a service.
func TestSelectionPolicies(t *testing.T) {
	t.Parallel()
	g := startGateway(t, caddyfile)
	a, b := harness.NewUpstream(t, "a", harness.HTTP), harness.NewUpstream(t, "b", harness.HTTP)
	dead := harness.NewUpstream(t, "dead", harness.Dead)
	names := func(route string, n int, req harness.Request) (all []string) {
		t.Helper()
		req.URL = "/" + route
		for range n {
			all = append(all, g.echo(req).Upstream)
		}
		return all
	}

	t.Run("header", func(t *testing.T) {
		g.service("header", balance(fields{"policy": "header", "field": "X-User"}), a.URL, b.URL)
		g.route("header", "header", "", nil)
		both := map[string]bool{}
		for user := range 20 {
			got := names("header", 3, harness.Request{Header: http.Header{"X-User": {fmt.Sprint("user", user)}}})
			if got[0] != got[1] || got[1] != got[2] {
				t.Fatalf("user %d is sent to %v", user, got)
			}
			both[got[0]] = true
		}
		if len(both) != 2 {
			t.Errorf("all users are sent to %v", both)
		}
	})
	t.Run("cookie", func(t *testing.T) {
		g.service("cookie", balance(fields{"policy": "cookie", "name": "lb"}), a.URL, b.URL)
		g.route("cookie", "cookie", "", nil)
		first := g.do(harness.Request{URL: "/cookie?header=X:1"})
		cookie, _, _ := strings.Cut(first.Header.Get("Set-Cookie"), ";")
		var e harness.Echo
		if err := json.Unmarshal([]byte(first.Body), &e); err != nil || !strings.HasPrefix(cookie, "lb=") {
			t.Fatalf("%v: %s", err, first)
		}
		for _, name := range names("cookie", 6, harness.Request{Header: http.Header{"Cookie": {cookie}}}) {
			if name != e.Upstream {
				t.Errorf("the cookie of %s leads to %s", e.Upstream, name)
			}
		}
	})
	t.Run("least_conn", func(t *testing.T) {
		g.service("least", balance(fields{"policy": "least_conn"}), a.URL, b.URL)
		g.route("least", "least", "", nil)
		before := a.Requests() + b.Requests()
		conn := socket(g, "/least")
		if err := <-conn.begun; err != nil {
			t.Fatal(err)
		}
		if a.Requests()+b.Requests() != before+1 {
			t.Fatal("there are more requests than the one")
		}
		free := names("least", 1, harness.Request{})[0]
		for _, name := range names("least", 6, harness.Request{}) {
			if name != free {
				t.Errorf("%s has a connection less than %s", free, name)
			}
		}
		close(conn.land)
		if err := <-conn.landed; err != nil {
			t.Fatal(err)
		}
	})
	t.Run("round robin is the default, and a dead upstream is passed over", func(t *testing.T) {
		g.service("robin", fields{"proxy": fields{"flush_interval": -1}}, a.URL, dead.URL, b.URL)
		g.route("robin", "robin", "", nil)
		counts := map[string]int{}
		for _, name := range names("robin", 9, harness.Request{Method: http.MethodPost, Body: nil}) {
			counts[name]++
		}
		if counts["a"] < 3 || counts["b"] < 3 {
			t.Errorf("requests are sent to %v", counts)
		}
	})
	t.Run("weights", func(t *testing.T) {
		g.service("weights", balance(fields{"policy": "weighted_round_robin", "weights": []int{3, 1}}), a.URL, b.URL)
		g.route("weights", "weights", "", nil)
		counts := map[string]int{}
		for _, name := range names("weights", 8, harness.Request{}) {
			counts[name]++
		}
		if diff := cmp.Diff(map[string]int{"a": 6, "b": 2}, counts); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("a script has the last word", func(t *testing.T) {
		g.service("scripted", balance(fields{"policy": "first"}), a.URL, b.URL)
		g.route("scripted", "scripted", fmt.Sprintf("export const fetchUpstream = () => %q", b.URL), nil)
		if got := names("scripted", 1, harness.Request{}); got[0] != "b" {
			t.Errorf("sent to %v", got)
		}
	})
}

// switchable is an upstream that goes down and up. It says its name.
func switchable(t *testing.T, name string) (url string, down *atomic.Bool) {
	t.Helper()
	down = new(atomic.Bool)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if down.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		_, _ = io.WriteString(w, name)
	}))
	t.Cleanup(srv.Close)
	return srv.URL, down
}

// Active checks take an upstream out that is down, and in again when it is up.
func TestActiveHealth(t *testing.T) {
	t.Parallel()
	g := startGateway(t, caddyfile)
	urlA, downA := switchable(t, "a")
	urlB, downB := switchable(t, "b")
	g.service("up", fields{"proxy": fields{"health_checks": fields{"active": fields{"uri": "/health", "interval": "100ms"}}}}, urlA, urlB)
	g.route("up", "up", "", nil)

	// settled waits until n requests in a row are answered as wanted.
	settled := func(want map[string]bool) {
		t.Helper()
		if err := harness.Await(func() error {
			got := map[string]bool{}
			for range 4 {
				answer := g.do(harness.Request{URL: "/up"})
				got[fmt.Sprint(answer.Status, answer.Body)] = true
			}
			if diff := cmp.Diff(want, got); diff != "" {
				return fmt.Errorf("%s", diff)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	type upstream struct {
		URL     string
		Healthy bool
	}
	type found struct {
		Checks    []string
		Upstreams []upstream
	}
	health := func(service string) (h found) {
		t.Helper()
		out, err := g.Command(t.Context(), "dgate-cli", "service", "health", service).Output()
		if err == nil {
			err = json.Unmarshal(out, &h)
		}
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return h
	}
	settled(map[string]bool{"200a": true, "200b": true})
	downA.Store(true)
	settled(map[string]bool{"200b": true})
	if h := health("up"); h.Upstreams[0].URL != urlA || h.Upstreams[0].Healthy || !h.Upstreams[1].Healthy || h.Checks[0] != "active" {
		t.Errorf("%+v", h)
	}
	downB.Store(true)
	settled(map[string]bool{"503": true})
	downA.Store(false)
	settled(map[string]bool{"200a": true})
	// Another change elsewhere does not make it forget.
	g.service("other", nil, urlB)
	if h := health("other"); len(h.Checks) != 0 || len(h.Upstreams) != 1 {
		t.Errorf("without checks: %+v", h)
	}
	for range 4 {
		if answer := g.do(harness.Request{URL: "/up"}); answer.Body != "a" {
			t.Errorf("a change of another service made it forget: %s", answer)
		}
	}
	downB.Store(false)
	settled(map[string]bool{"200a": true, "200b": true})
}

// Passive checks count what requests come across, and not what scripts do wrong.
func TestPassiveHealth(t *testing.T) {
	t.Parallel()
	g := startGateway(t, caddyfile)
	a, b := harness.NewUpstream(t, "a", harness.HTTP), harness.NewUpstream(t, "b", harness.HTTP)
	passive := fields{"proxy": fields{
		"load_balancing": fields{"selection_policy": fields{"policy": "first"}},
		"health_checks":  fields{"passive": fields{"fail_duration": "1h", "unhealthy_status": []int{503}}},
	}}
	g.service("up", passive, a.URL, b.URL)
	g.route("up", "up", "", nil)
	g.route("script", "up", `export const responseModifier = () => { throw new Error("ours") }`, nil)
	for range 3 {
		if answer := g.do(harness.Request{URL: "/script"}); answer.Status != http.StatusInternalServerError {
			t.Fatal(answer)
		}
	}
	if e := g.echo(harness.Request{URL: "/up"}); e.Upstream != "a" {
		t.Errorf("the failure of a script counts as one of the upstream")
	}
	if answer := g.do(harness.Request{URL: "/up?status=503"}); answer.Status != http.StatusServiceUnavailable {
		t.Fatal(answer)
	}
	if e := g.echo(harness.Request{URL: "/up"}); e.Upstream != "b" {
		t.Errorf("a failing upstream is still used")
	}
	if answer := g.do(harness.Request{URL: "/up?status=503"}); answer.Status != http.StatusServiceUnavailable {
		t.Fatal(answer)
	}
	if answer := g.do(harness.Request{URL: "/up"}); answer.Status != http.StatusServiceUnavailable {
		t.Errorf("no upstream is left, and the answer is %s", answer)
	}
}
