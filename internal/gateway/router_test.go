package gateway

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"

	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// testPlans makes plans of patterns, with methods by turns. What cannot be stored is left out.
func testPlans(patterns []string) map[string]*Plan {
	plans, claimed := map[string]*Plan{}, map[string]bool{}
	for i, pattern := range patterns {
		r := &resource.Route{
			Name: fmt.Sprintf("r%d", i), Namespace: "default", Paths: []string{pattern},
			Methods: [][]string{{"GET"}, {"*"}, {"POST", "GET"}}[i%3],
		}
		claims := r.Claims()
		if r.Validate() != nil || slices.ContainsFunc(claims, func(c resource.Claim) bool { return claimed[c.Token] }) {
			continue
		}
		for _, c := range claims {
			claimed[c.Token] = true
		}
		plans[r.Name] = &Plan{route: r}
	}
	return plans
}

// FuzzRouter compares the router, made at once and by changes, with one tree of chi for all patterns.
func FuzzRouter(f *testing.F) {
	f.Add("/a/{x}\n/a/b\n/a/*\n/{y}/b\n/*", "/a/b")
	f.Add("/a/b{x}\n/a/bc/{y}\n/a/bc\n/a/{z:[a-c]+}/d", "/a/bc/d")
	f.Add("/v{n}/a\n/v1/{a}\n/v1/*\n/v*", "/v1/a")
	f.Add("/{a}-{b}/c\n/x-y/{c}\n/x-y/c/", "/x-y/c")
	f.Add("//\n//{a}\n/{a}//\n/a}b", "///")
	f.Add("/{a}", "/{a}")
	f.Fuzz(func(t *testing.T, text, path string) {
		if len(text) > 200 || !strings.HasPrefix(path, "/") {
			t.Skip()
		}
		patterns := strings.Split(text, "\n")
		plans := testPlans(patterns)
		tree := chi.NewRouter()
		for _, p := range plans {
			for _, method := range p.route.EachMethod() {
				tree.Method(method, p.route.Paths[0], http.NotFoundHandler())
			}
		}
		from := func(patterns []string) *namespace {
			before := testPlans(patterns)
			return &namespace{plans: before, router: newRouter(before, nil)}
		}
		routers := map[string]*router{
			"made at once":                        newRouter(plans, nil),
			"changed from half of them":           newRouter(plans, from(patterns[:len(patterns)/2])),
			"changed from what has other methods": newRouter(plans, from(append([]string{"/x"}, patterns...))),
		}
		for _, method := range []string{"GET", "POST", "DELETE"} {
			rctx := chi.NewRouteContext()
			want := tree.Find(rctx, method, path)
			for name, rt := range routers {
				got := chi.NewRouteContext()
				if plan, pattern := rt.find(got, method, path); pattern != want || (plan == nil) != (want == "") {
					t.Errorf("%s: %s %s: found %q, want %q", name, method, path, pattern, want)
				}
				if diff := slices.Compare(got.URLParams.Values, rctx.URLParams.Values); diff != 0 {
					t.Errorf("%s: %s %s: parameters %q, want %q", name, method, path, got.URLParams.Values, rctx.URLParams.Values)
				}
			}
		}
	})
}

// A change makes only the groups that it touches anew.
func TestRouterKeepsGroups(t *testing.T) {
	patterns := []string{"/a/{x}", "/a/b/{x}", "/c/*", "/d"}
	before := &namespace{plans: testPlans(patterns)}
	before.router = newRouter(before.plans, nil)
	for name, tt := range map[string]struct {
		patterns []string
		want     string // groups that are new
	}{
		"nothing":                {patterns, ""},
		"a fixed pattern":        {append(slices.Clone(patterns), "/e"), ""},
		"a pattern of a group":   {append(slices.Clone(patterns), "/a/{x}/y"), "/a/"},
		"a group more":           {append(slices.Clone(patterns), "/f/{x}"), "/f/"},
		"one that is gone":       {[]string{"/a/{x}", "/a/b/{x}"}, ""},
		"one for another":        {[]string{"/a/{y}", "/a/b/{x}", "/c/*", "/d"}, "/a/"},
		"one that becomes fixed": {[]string{"/a/{x}", "/a/b/c", "/c/*", "/d"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			rt := newRouter(testPlans(tt.patterns), before)
			var anew []string
			for group, mux := range rt.groups {
				if before.router.groups[group] != mux {
					anew = append(anew, group)
				}
			}
			if got := strings.Join(anew, " "); got != tt.want {
				t.Errorf("new groups: %q, want %q", got, tt.want)
			}
		})
	}
}
