package gateway

import (
	"net/url"
	"strings"
	"testing"

	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// Whatever a client asks for, the upstream's path stays below that of the service, and has nothing
// in it that would lead out again.
func FuzzUpstreamPath(f *testing.F) {
	for _, path := range []string{"/w/", "/w/a/../b", "/w/../..", "/w/%2e%2E/x", "/w//..//", "/w/%2F..%2f..", "/w/..;/x", "/w/é/%", "/w/.%2e/", "/w/%252e"} {
		f.Add(path)
	}
	f.Fuzz(func(t *testing.T, path string) {
		if _, err := url.ParseRequestURI(path); err != nil || strings.ContainsAny(path, "?#") {
			t.Skip()
		}
		for _, strip := range []bool{false, true} {
			n := testNamespace(t, &resource.Route{Paths: []string{"/w/*"}, Methods: []string{"GET"}, StripPath: strip})
			r := testRequest(t, "GET", path)
			m, err := n.router.match(r)
			if err != nil {
				continue
			}
			svc := resource.Service{Name: "s", URLs: []string{"http://up/v1/x"}}
			if m.Plan.service, err = compileService(&svc, nil); err != nil {
				t.Fatal(err)
			}
			g := new(Gateway)
			g.Configure(Options{})
			x := g.exchange(m, new(Trace))
			x.Next(t.Context())
			got := x.Direct(r).URL
			escaped := got.EscapedPath()
			if escaped != "/v1/x" && !strings.HasPrefix(escaped, "/v1/x/") {
				t.Errorf("%q leads to %q", path, escaped)
			}
			if hasDots(escaped) {
				t.Errorf("%q leads to %q, which has dots", path, escaped)
			}
			if _, err := url.ParseRequestURI(got.RequestURI()); err != nil {
				t.Errorf("%q leads to %q: %v", path, got.RequestURI(), err)
			}
		}
	})
}
