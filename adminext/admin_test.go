package adminext_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/dgate-io/caddy-dgate/adminext"
)

// mounted is the module in the kind of mux that Caddy puts it into.
func mounted(t *testing.T) http.Handler {
	t.Helper()
	info, err := caddy.GetModule("admin.api.dgate")
	if err != nil {
		t.Fatal(err)
	}
	admin := info.New().(*adminext.Admin)
	if err := admin.Provision(caddy.Context{}); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	for _, route := range admin.Routes() {
		mux.HandleFunc(route.Pattern, func(w http.ResponseWriter, r *http.Request) {
			if err := route.Handler.ServeHTTP(w, r); err != nil {
				t.Error(err)
			}
		})
	}
	return mux
}

// TestStarting has no config running, as when the admin endpoint is there and the apps start.
func TestStarting(t *testing.T) {
	for _, path := range []string{"/dgate/api/v1/service", "/dgate/readyz"} {
		w := httptest.NewRecorder()
		mounted(t).ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		got := readError(t, answer{status: w.Code, body: w.Body.String()})
		if w.Code != 503 || got.Error != "Caddy is still starting, which takes a node that joins a cluster some seconds; try again" || w.Header().Get("Retry-After") == "" {
			t.Errorf("%s: %d %s %v", path, w.Code, w.Body, w.Header())
		}
	}
}

// TestMounted has a config running, without the app.
func TestMounted(t *testing.T) {
	if err := caddy.Load([]byte(`{"admin":{"disabled":true,"config":{"persist":false}}}`), true); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := caddy.Stop(); err != nil {
			t.Error(err)
		}
	})
	mux := mounted(t)
	tests := map[string]struct {
		method, path string
		status       int
		text         string
	}{
		"the app is missing":        {"GET", "/dgate/api/v1/service", 503, "put these lines at the top of the Caddyfile and reload: {\n\tdgate\n}"},
		"without the slash":         {"GET", "/dgate", 503, "no dgate app is configured"},
		"an unknown path":           {"GET", "/dgate/x", 404, "page not found"},
		"a wrong method":            {"POST", "/dgate/healthz", 405, "method not allowed; this path has GET, HEAD"},
		"a slash that stays a name": {"GET", "/dgate/api/v1/namespace/a%2F..%2Fb", 503, "no dgate app is configured"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := httptest.NewRecorder()
			mux.ServeHTTP(w, httptest.NewRequest(tt.method, tt.path, nil))
			got := readError(t, answer{status: w.Code, body: w.Body.String()})
			if w.Code != tt.status || !strings.Contains(got.Error, tt.text) {
				t.Errorf("%d %s", w.Code, w.Body)
			}
		})
	}
}
