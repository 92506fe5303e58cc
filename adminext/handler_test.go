package adminext_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"

	"github.com/dgate-io/caddy-dgate/adminext"
	"github.com/dgate-io/caddy-dgate/adminext/admintest"
	"github.com/dgate-io/caddy-dgate/internal/change"
	"github.com/dgate-io/caddy-dgate/internal/resource"
	"github.com/dgate-io/caddy-dgate/internal/state"
)

// TestPaths: what is not exactly a path of ours is not found, and never something else.
func TestPaths(t *testing.T) {
	tests := map[string]struct {
		method, path string
		status       int
		allow        string
	}{
		"unknown":                      {method: "GET", path: "/dgate/nothing", status: 404},
		"unknown kind":                 {method: "GET", path: "/dgate/api/v1/unicorn", status: 404},
		"plural":                       {method: "GET", path: "/dgate/api/v1/namespaces", status: 404},
		"trailing slash":               {method: "GET", path: "/dgate/api/v1/namespace/", status: 404},
		"two slashes":                  {method: "GET", path: "/dgate/api/v1/service//svc1", status: 404},
		"empty namespace":              {method: "DELETE", path: "/dgate/api/v1/service//svc1", status: 404},
		"too deep":                     {method: "GET", path: "/dgate/api/v1/service/ns1/svc1/x", status: 404},
		"too deep for a namespace":     {method: "GET", path: "/dgate/api/v1/namespace/ns1/x", status: 404},
		"dots":                         {method: "GET", path: "/dgate/api/v1/service/ns1/../ns1/svc1", status: 404},
		"dots as a name":               {method: "GET", path: "/dgate/api/v1/service/ns1/..", status: 404},
		"encoded dots":                 {method: "DELETE", path: "/dgate/api/v1/route/ns1/%2e%2e", status: 404},
		"encoded slash":                {method: "GET", path: "/dgate/api/v1/service%2Fns1%2Fsvc1", status: 404},
		"encoded slash in a name":      {method: "GET", path: "/dgate/api/v1/service/ns1%2Fsvc1", status: 404},
		"decoded once":                 {method: "GET", path: "/dgate/api/v1/service/ns1/svc%2531", status: 404},
		"a letter encoded":             {method: "GET", path: "/dgate/api/v1/service/ns1/svc%31", status: 200},
		"zero byte":                    {method: "GET", path: "/dgate/api/v1/service/ns1/%00", status: 404},
		"zero byte joins nothing":      {method: "DELETE", path: "/dgate/api/v1/namespace/ns1%00svc1", status: 404},
		"a semicolon":                  {method: "GET", path: "/dgate/api/v1/service/ns1/svc1;a=b", status: 404},
		"upper case":                   {method: "GET", path: "/dgate/api/v1/Service/ns1/svc1", status: 404},
		"encoded node path":            {method: "GET", path: "/dgate/cluster%2Fstatus", status: 404},
		"wrong method":                 {method: "POST", path: "/dgate/api/v1/service", status: 405, allow: "DELETE, GET, HEAD, PUT"},
		"wrong method of an item":      {method: "PATCH", path: "/dgate/api/v1/service/ns1/svc1", status: 405, allow: "DELETE, GET, HEAD, PUT"},
		"wrong method of v1":           {method: "PUT", path: "/dgate/api/v1/service/svc1", status: 405, allow: "GET, HEAD"},
		"delete without a namespace":   {method: "DELETE", path: "/dgate/api/v1/service/svc1", status: 405, allow: "GET, HEAD"},
		"options":                      {method: "OPTIONS", path: "/dgate/api/v1/service", status: 405, allow: "DELETE, GET, HEAD, PUT"},
		"wrong method of the banner":   {method: "PUT", path: "/dgate/", status: 405, allow: "GET, HEAD"},
		"wrong method of the snapshot": {method: "GET", path: "/dgate/cluster/snapshot", status: 405, allow: "POST"},
		"name too long":                {method: "GET", path: "/dgate/api/v1/service/ns1/" + strings.Repeat("a", 5000), status: 404},
	}
	s := newServer(t)
	s.setUp(t, someOfEverything...)
	before := s.Index()
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := s.send(t, tt.method, tt.path, "")
			if got.status != tt.status || got.header.Get("Allow") != tt.allow {
				t.Errorf("%d, Allow %q; want %d, %q\n%s", got.status, got.header.Get("Allow"), tt.status, tt.allow, got.body)
			}
			if tt.status >= 400 {
				readError(t, got)
			}
			if got.header.Get("X-Dgate-Index") != strconv.FormatUint(before, 10) {
				t.Errorf("X-DGate-Index = %q, want %d", got.header.Get("X-Dgate-Index"), before)
			}
		})
	}
	if s.Index() != before {
		t.Error("something was changed")
	}
}

// TestHead: every GET has a HEAD with the same headers.
func TestHead(t *testing.T) {
	s := newServer(t)
	s.setUp(t, someOfEverything...)
	for _, path := range []string{"/", "/healthz", "/readyz", "/changelog", "/api/v1/service", "/api/v1/namespace/ns1", "/api/v1/module/ns1/m1", "/api/v1/module/ns1/zz"} {
		get, head := s.send(t, "GET", "/dgate"+path, ""), s.send(t, "HEAD", "/dgate"+path, "")
		if head.body != "" || head.status != get.status {
			t.Errorf("HEAD %s: %d %q", path, head.status, head.body)
		}
		get.header.Del("Date")
		head.header.Del("Date")
		if diff := cmp.Diff(get.header, head.header); diff != "" {
			t.Errorf("%s: headers (-GET +HEAD):\n%s", path, diff)
		}
	}
}

func TestCrossOrigin(t *testing.T) {
	s := newServer(t)
	tests := map[string]struct {
		method string
		header []string
		status int
	}{
		"a page elsewhere":       {"PUT", []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"}, 403},
		"another port":           {"PUT", []string{"Sec-Fetch-Site", "same-site"}, 403},
		"an older browser":       {"PUT", []string{"Origin", "https://evil.example"}, 403},
		"an origin without name": {"DELETE", []string{"Origin", "null"}, 403},
		"our own page":           {"PUT", []string{"Sec-Fetch-Site", "same-origin", "Origin", s.url}, 201},
		"a program":              {"PUT", nil, 201},
		"a read":                 {"GET", []string{"Sec-Fetch-Site", "cross-site"}, 200},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := s.send(t, tt.method, "/dgate/api/v1/namespace", `{"name":"a"}`, tt.header...)
			if got.status != tt.status {
				t.Errorf("status = %d, want %d\n%s", got.status, tt.status, got.body)
			}
		})
	}
}

func TestIndexAndConsistency(t *testing.T) {
	s := newServer(t, func(a *admintest.App) {
		a.BarrierError = resource.Errorf(resource.NoLeader, "there is no leader")
	})
	put := s.send(t, "PUT", "/dgate/api/v1/namespace", `{"name":"a"}`)
	index := put.header.Get("X-Dgate-Index")
	if index != strconv.FormatUint(s.Index(), 10) {
		t.Errorf("X-DGate-Index of a write = %s, want %d", index, s.Index())
	}
	tests := map[string]struct {
		query  string
		status int
		code   string
	}{
		"what is there":  {"?index=" + index, 200, ""},
		"no number":      {"?index=x", 400, "bad_request"},
		"local":          {"?consistency=local", 200, ""},
		"strong":         {"?consistency=strong", 503, "no_leader"},
		"something else": {"?consistency=maybe", 400, "bad_request"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := s.send(t, "GET", "/dgate/api/v1/namespace"+tt.query, "")
			if got.status != tt.status {
				t.Fatalf("status = %d, want %d\n%s", got.status, tt.status, got.body)
			}
			if tt.code != "" && readError(t, got).Code != tt.code {
				t.Errorf("body: %s", got.body)
			}
			if wait := got.header.Get("Retry-After") != ""; wait != (tt.status == 503) {
				t.Errorf("Retry-After = %q", got.header.Get("Retry-After"))
			}
		})
	}
}

// TestIndexIsWaitedFor ends the wait by the client's leaving, or by a change.
func TestIndexIsWaitedFor(t *testing.T) {
	app := admintest.New(t)
	handler := app.Handler()
	done := make(chan int)
	waiting := make(chan struct{})
	app.Waiting = waiting
	go func() {
		w := httptest.NewRecorder()
		r := httptest.NewRequest("GET", "/dgate/api/v1/namespace/late?index="+strconv.FormatUint(app.Index()+1, 10), nil)
		handler.ServeHTTP(w, r.WithContext(t.Context()))
		done <- w.Code
	}()
	<-waiting
	if _, err := app.Writer().Put(t.Context(), &resource.Namespace{Name: "late"}, state.Condition{}); err != nil {
		t.Fatal(err)
	}
	if status := <-done; status != 200 {
		t.Errorf("status = %d", status)
	}
}

// broken is a [change.Code] that fails in a way that is our fault.
type broken struct{ panics bool }

func (b broken) Check(context.Context, *state.DB, []change.Change) ([]string, error) {
	if b.panics {
		panic("boom")
	}
	return nil, errors.New("open /secret/path: permission denied")
}
func (broken) Live(context.Context, uint64) error { return nil }

func TestOurFaults(t *testing.T) {
	for name, code := range map[string]broken{"an error": {}, "a panic": {panics: true}} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, func(a *admintest.App) { a.Code = code })
			got := s.send(t, "PUT", "/dgate/api/v1/namespace/a", `{}`)
			refused := readError(t, got)
			if got.status != 500 || refused.Code != "internal" || strings.Contains(got.body, "secret") || strings.Contains(got.body, "boom") {
				t.Errorf("%d %s", got.status, got.body)
			}
			if n := s.Logs.FilterMessage("admin request failed").Len(); n != 1 {
				t.Errorf("%d lines in the log, want 1", n)
			}
			if got := s.send(t, "GET", "/dgate/api/v1/namespace", ""); got.status != 200 {
				t.Errorf("after it: %d", got.status)
			}
		})
	}
}

// warner is a [change.Code] that accepts everything with a warning.
type warner struct{}

func (warner) Check(context.Context, *state.DB, []change.Change) ([]string, error) {
	return []string{"a <service> and a requestHandler"}, nil
}
func (warner) Live(context.Context, uint64) error { return nil }

func TestWarnings(t *testing.T) {
	s := newServer(t, func(a *admintest.App) { a.Code = warner{} })
	for path, want := range map[string]string{
		"/namespace":   `{"count":2,"data":[{"name":"a"},{"name":"default","tags":["default"]}],"status_code":201,"warnings":["a <service> and a requestHandler"]}`,
		"/namespace/a": `{"data":{"name":"a"},"status_code":201,"warnings":["a <service> and a requestHandler"]}`,
	} {
		got := s.send(t, "PUT", "/dgate/api/v1"+path, `{"name":"a"}`)
		if diff := cmp.Diff(want, bare(got.body)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
		s.send(t, "DELETE", "/dgate/api/v1/namespace/a", "")
	}
}

func TestNoApp(t *testing.T) {
	gone := resource.Errorf(resource.NoLeader, "no dgate app is configured")
	h := adminext.New(func() (adminext.App, error) { return nil, gone }, zap.NewNop())
	for path, status := range map[string]int{"/dgate/healthz": 503, "/dgate/api/v1/service": 503, "/dgate/nothing": 404} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		if w.Code != status || w.Header().Get("Content-Type") != "application/json" {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
}
