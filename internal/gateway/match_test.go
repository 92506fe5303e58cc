package gateway

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"

	"github.com/dgate-io/caddy-dgate/internal/js"
	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// testNamespace compiles a namespace with one service per URL and the given routes.
func testNamespace(t testing.TB, routes ...*resource.Route) *namespace {
	t.Helper()
	objs := &objects{
		namespace: &resource.Namespace{Name: "default"},
		services:  map[string]*resource.Service{"s": {Name: "s", Namespace: "default", URLs: []string{"http://up"}}},
		modules:   map[string]*resource.Module{}, routes: map[string]*resource.Route{},
	}
	for i, r := range routes {
		r.Name, r.Namespace, r.Service = cmpOr(r.Name, fmt.Sprintf("r%d", i)), "default", "s"
		if err := r.Validate(); err != nil {
			t.Fatalf("route %s: %v", r.Name, err)
		}
		objs.routes[r.Name] = r
	}
	n, err := compile(objs, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func cmpOr(a, b string) string {
	if a == "" {
		return b
	}
	return a
}

// The rules of chi, as the original DGate had them (its P-10 to P-16), and what was mended.
func TestMatch(t *testing.T) {
	n := testNamespace(
		t,
		&resource.Route{Name: "root", Paths: []string{"/"}, Methods: []string{"GET"}},
		&resource.Route{Name: "plain", Paths: []string{"/p", "/q/"}, Methods: []string{"GET", "POST"}},
		&resource.Route{Name: "wild", Paths: []string{"/w/*"}, Methods: []string{"*"}},
		&resource.Route{Name: "param", Paths: []string{"/i/{id}", "/i/{id}/x"}, Methods: []string{"GET"}},
		&resource.Route{Name: "digits", Paths: []string{"/n/{id:[0-9]+}"}, Methods: []string{"GET"}},
		&resource.Route{Name: "two", Paths: []string{"/d/{a}-{b}"}, Methods: []string{"GET"}},
		&resource.Route{Name: "rest", Paths: []string{"/m/{id}/*"}, Methods: []string{"GET"}},
		&resource.Route{Name: "any", Paths: []string{"/o/{id}"}, Methods: []string{"GET"}},
		&resource.Route{Name: "static", Paths: []string{"/o/static"}, Methods: []string{"GET"}},
		&resource.Route{Name: "regexp", Paths: []string{"/o/{id:[0-9]+}"}, Methods: []string{"GET"}},
		&resource.Route{Name: "below", Paths: []string{"/o/*"}, Methods: []string{"GET"}},
		&resource.Route{Name: "span", Paths: []string{"/f/{id:.+}"}, Methods: []string{"GET"}},
		&resource.Route{Name: "post", Paths: []string{"/a/b"}, Methods: []string{"POST"}},
		&resource.Route{Name: "put", Paths: []string{"/*"}, Methods: []string{"PUT"}},
	)
	tests := map[string]struct {
		method, path string
		want         string // route, or status with the methods allowed
	}{
		"the root":                          {path: "/", want: "root"},
		"exact":                             {path: "/p", want: "plain"},
		"a slash more":                      {path: "/p/", want: "405 PUT"},
		"deeper":                            {path: "/p/extra", want: "405 PUT"},
		"two slashes first":                 {path: "//p", want: "405 PUT"},
		"a slash missing":                   {path: "/q", want: "405 PUT"},
		"with its slash":                    {path: "/q/", want: "plain"},
		"wildcard of nothing":               {path: "/w/", want: "wild"},
		"wildcard of much":                  {path: "/w/a/b/c", want: "wild"},
		"wildcard needs its slash":          {path: "/w", want: "405 PUT"},
		"dots inside of the wildcard":       {path: "/w/a/../b", want: "wild"},
		"dots out of the wildcard":          {path: "/w/../p", want: "400"},
		"escaped dots out of the wildcard":  {path: "/w/%2e%2E/p", want: "400"},
		"dots that were escaped twice":      {path: "/w/%252e%252e/p", want: "wild"},
		"dots within a name":                {path: "/w/..a/b..", want: "wild"},
		"parameter":                         {path: "/i/42", want: "param"},
		"parameter needs a character":       {path: "/i/", want: "405 PUT"},
		"parameter without slash":           {path: "/i/42/", want: "405 PUT"},
		"parameter with more":               {path: "/i/42/x", want: "param"},
		"parameter with an escaped slash":   {path: "/i/a%2Fb", want: "param"},
		"digits":                            {path: "/n/12", want: "digits"},
		"no digits":                         {path: "/n/ab", want: "405 PUT"},
		"two parameters":                    {path: "/d/10-20-20", want: "two"},
		"rest needs a slash":                {path: "/m/7", want: "405 PUT"},
		"rest":                              {path: "/m/7/", want: "rest"},
		"static before regexp":              {path: "/o/static", want: "static"},
		"regexp before parameter":           {path: "/o/77", want: "regexp"},
		"parameter before wildcard":         {path: "/o/other", want: "any"},
		"wildcard last":                     {path: "/o/other/more", want: "below"},
		"regexp does not span a slash":      {path: "/f/a/b", want: "405 PUT"},
		"case counts":                       {path: "/P", want: "405 PUT"},
		"HEAD is answered by GET":           {method: "HEAD", path: "/p", want: "plain"},
		"HEAD is not answered by POST":      {method: "HEAD", path: "/a/b", want: "405 POST PUT"},
		"OPTIONS is not implied":            {method: "OPTIONS", path: "/p", want: "405 GET HEAD POST PUT"},
		"star is every method":              {method: "TRACE", path: "/w/x", want: "wild"},
		"an unknown method":                 {method: "FOO", path: "/p", want: "405 GET HEAD POST PUT"},
		"an unknown method on a star":       {method: "FOO", path: "/w/x", want: "405 CONNECT DELETE GET HEAD OPTIONS PATCH POST PUT TRACE"},
		"the method is part of the tree":    {method: "PUT", path: "/a/b", want: "put"},
		"the star of OPTIONS is not a path": {method: "OPTIONS", path: "*", want: "404"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := ""
			m, err := n.router.match(testRequest(t, cmpOr(tt.method, "GET"), tt.path))
			var se *StatusError
			switch {
			case err == nil:
				got = m.Plan.route.Name
			case errors.As(err, &se):
				got = strings.TrimSpace(fmt.Sprint(se.Status, " ", strings.Join(se.Allow, " ")))
			default:
				t.Fatal(err)
			}
			if got != tt.want {
				t.Errorf("%s: %s, want %s (%v)", tt.path, got, tt.want, err)
			}
		})
	}
}

// testRequest makes a request as a server would have it.
func testRequest(t testing.TB, method, target string) *http.Request {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Method = method
	u, err := url.ParseRequestURI(target)
	if err != nil {
		t.Fatal(err)
	}
	r.URL = u
	return r
}

// What upstreams get for a pattern and a request, by the path of the service and by stripPath. A
// column that is empty is equal to the one on its left.
func TestUpstreamURL(t *testing.T) {
	services := []string{"", "/v1", "/v1/", "", "/", "/v1", "/v1/"} // the last four are stripped
	tests := []struct {
		pattern, request string
		want             string // one URL per service
	}{
		{"/", "/", "/ /v1 /v1/ / / /v1 /v1/"},
		{"/", "/?a=1", "/?a=1 /v1?a=1 /v1/?a=1 /?a=1 /?a=1 /v1?a=1 /v1/?a=1"},
		{"/p", "/p", "/p /v1/p /v1/p / / /v1 /v1/"},
		{"/q/", "/q/", "/q/ /v1/q/ /v1/q/ / / /v1 /v1/"},
		{"/w/*", "/w/", "/w/ /v1/w/ /v1/w/ / / /v1 /v1/"},
		{"/w/*", "/w/abc", "/w/abc /v1/w/abc /v1/w/abc /abc /abc /v1/abc /v1/abc"},
		{"/w/*", "/w/abc/", "/w/abc/ /v1/w/abc/ /v1/w/abc/ /abc/ /abc/ /v1/abc/ /v1/abc/"},
		{"/w/*", "/w/a/b/c?k=v", "/w/a/b/c?k=v /v1/w/a/b/c?k=v /v1/w/a/b/c?k=v /a/b/c?k=v /a/b/c?k=v /v1/a/b/c?k=v /v1/a/b/c?k=v"},
		{"/w/*", "/w/a//b", "/w/a/b /v1/w/a/b /v1/w/a/b /a/b /a/b /v1/a/b /v1/a/b"},
		{"/w/*", "/w/a/../b", "/w/b /v1/w/b /v1/w/b /b /b /v1/b /v1/b"},
		{"/w/*", "/w/a/../../w/b", "/w/b /v1/w/b /v1/w/b /b /b /v1/b /v1/b"},
		{"/w/*", "/w/%2Fa%20b", "/w/%2Fa%20b /v1/w/%2Fa%20b /v1/w/%2Fa%20b /%2Fa%20b /%2Fa%20b /v1/%2Fa%20b /v1/%2Fa%20b"},
		{"/w/*", "/w/a%3Fb", "/w/a%3Fb /v1/w/a%3Fb /v1/w/a%3Fb /a%3Fb /a%3Fb /v1/a%3Fb /v1/a%3Fb"},
		{"/w/*", "/w/%252e%252e/b", "/w/%252e%252e/b /v1/w/%252e%252e/b /v1/w/%252e%252e/b /%252e%252e/b /%252e%252e/b /v1/%252e%252e/b /v1/%252e%252e/b"},
		{"/w/*", "/w/%2e%2e/w/b", "/w/b /v1/w/b /v1/w/b /b /b /v1/b /v1/b"},
		{"/w/*", "/w/%C3%A9", "/w/%C3%A9 /v1/w/%C3%A9 /v1/w/%C3%A9 /%C3%A9 /%C3%A9 /v1/%C3%A9 /v1/%C3%A9"},
		{"/i/{id}", "/i/42", "/i/42 /v1/i/42 /v1/i/42 / / /v1 /v1/"},
		{"/i/{id}", "/i/a%2Fb", "/i/a%2Fb /v1/i/a%2Fb /v1/i/a%2Fb / / /v1 /v1/"},
		{"/i/{id}/x", "/i/42/x", "/i/42/x /v1/i/42/x /v1/i/42/x / / /v1 /v1/"},
		{"/n/{id:[0-9]+}", "/n/12", "/n/12 /v1/n/12 /v1/n/12 / / /v1 /v1/"},
		{"/d/{a}-{b}", "/d/10-2020", "/d/10-2020 /v1/d/10-2020 /v1/d/10-2020 / / /v1 /v1/"},
		{"/m/{id}/*", "/m/7/rest/of", "/m/7/rest/of /v1/m/7/rest/of /v1/m/7/rest/of /rest/of /rest/of /v1/rest/of /v1/rest/of"},
		{"/m/{id}/*", "/m/7/", "/m/7/ /v1/m/7/ /v1/m/7/ / / /v1 /v1/"},
		{"/deep/a/b/*", "/deep/a/b/c/d", "/deep/a/b/c/d /v1/deep/a/b/c/d /v1/deep/a/b/c/d /c/d /c/d /v1/c/d /v1/c/d"},
	}
	for _, tt := range tests {
		t.Run(tt.pattern+" "+tt.request, func(t *testing.T) {
			var got []string
			for i, path := range services {
				got = append(got, upstreamURL(t, &resource.Route{
					Paths: []string{tt.pattern}, Methods: []string{"GET"}, StripPath: i >= 3,
				}, resource.Service{URLs: []string{"http://up" + path}}, tt.request))
			}
			if diff := cmp.Diff(strings.Fields(tt.want), got); diff != "" {
				t.Errorf("URLs (-want +got):\n%s", diff)
			}
		})
	}
}

// upstreamURL is the request URI that the first upstream of svc gets.
func upstreamURL(t *testing.T, route *resource.Route, svc resource.Service, request string) string {
	t.Helper()
	n := testNamespace(t, route)
	r := testRequest(t, "GET", request)
	m, err := n.router.match(r)
	if err != nil {
		t.Fatal(err)
	}
	svc.Name = "s"
	if m.Plan.service, err = compileService(&svc, nil); err != nil {
		t.Fatal(err)
	}
	x := New(js.Options{}, Options{Logger: zap.NewNop()}).exchange(m, new(Trace))
	x.Next(t.Context())
	return x.Direct(r).URL.RequestURI()
}

func TestUpstreamQuery(t *testing.T) {
	tests := map[string]struct {
		service string
		drop    bool
		request string
		want    string
	}{
		"the client's":            {service: "http://up/v1", request: "/p?a=1;b&c=%zz", want: "/v1/p?a=1;b&c=%zz"},
		"the service's":           {service: "http://up/v1?x=1", request: "/p", want: "/v1/p?x=1"},
		"both":                    {service: "http://up/v1?x=1", request: "/p?a=2", want: "/v1/p?x=1&a=2"},
		"the client's is dropped": {service: "http://up/v1?x=1", drop: true, request: "/p?a=2", want: "/v1/p?x=1"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			route := &resource.Route{Paths: []string{"/p"}, Methods: []string{"GET"}}
			got := upstreamURL(t, route, resource.Service{URLs: []string{tt.service}, DisableQueryParams: tt.drop}, tt.request)
			if got != tt.want {
				t.Errorf("URL = %s, want %s", got, tt.want)
			}
		})
	}
}
