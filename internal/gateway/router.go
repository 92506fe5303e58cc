package gateway

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/go-chi/chi/v5"

	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// router finds the plan of a request in one namespace. Patterns are chi's. As adding one to a tree of
// chi costs as much as matching and none can be taken out, there is a tree for each group of patterns
// that begin with the same fixed segments, and a change makes anew those that it touches. Patterns
// without parameter or wildcard need no tree.
//
// What is found is what chi would find in one tree of all: it tries what is fixed before what is not,
// at each step of the path, and goes back; so a pattern that is fixed for longer comes first, and one
// that is fixed to its end before all.
type router struct {
	plans   map[string][]*Plan  // by pattern; several for different methods
	groups  map[string]*chi.Mux // by the fixed segments, with the slash at their end
	longest int                 // of the keys of groups, in bytes
}

// newRouter makes the router of some plans. prev is the namespace as it was, or nil.
func newRouter(plans map[string]*Plan, prev *namespace) *router {
	rt, before := &router{plans: map[string][]*Plan{}, groups: map[string]*chi.Mux{}}, map[string]*Plan(nil)
	if prev != nil {
		rt.plans, rt.groups, rt.longest = maps.Clone(prev.router.plans), maps.Clone(prev.router.groups), prev.router.longest
		before = prev.plans
	}
	touched := map[string]bool{} // groups that another set of patterns belongs to
	for name, old := range before {
		if p := plans[name]; p != old {
			rt.take(old)
			if p == nil || !sameClaims(p.route, old.route) {
				touch(touched, old)
			}
		}
	}
	for name, p := range plans {
		if old := before[name]; p != old {
			rt.put(p)
			if old == nil || !sameClaims(p.route, old.route) {
				touch(touched, p)
			}
		}
	}
	if len(touched) > 0 {
		rt.regroup(plans, touched)
	}
	return rt
}

// touch marks the groups that a plan has patterns in.
func touch(touched map[string]bool, p *Plan) {
	for _, pattern := range p.route.Paths {
		if group, ok := groupOf(pattern); ok {
			touched[group] = true
		}
	}
}

// put makes a plan the one of its patterns. The lists may be those of another router: they are copied.
func (rt *router) put(p *Plan) {
	for _, pattern := range p.route.Paths {
		rt.plans[pattern] = append(slices.Clip(rt.plans[pattern]), p)
	}
}

// take undoes put.
func (rt *router) take(p *Plan) {
	for _, pattern := range p.route.Paths {
		var others []*Plan
		for _, other := range rt.plans[pattern] {
			if other != p {
				others = append(others, other)
			}
		}
		if others == nil {
			delete(rt.plans, pattern)
		} else {
			rt.plans[pattern] = others
		}
	}
}

// regroup makes the trees of some groups anew.
func (rt *router) regroup(plans map[string]*Plan, touched map[string]bool) {
	maps.DeleteFunc(rt.groups, func(group string, _ *chi.Mux) bool { return touched[group] })
	for _, p := range plans {
		for _, pattern := range p.route.Paths {
			if group, ok := groupOf(pattern); ok && touched[group] {
				rt.add(group, pattern, p.route)
			}
		}
	}
	rt.longest = 0
	for group := range rt.groups {
		rt.longest = max(rt.longest, len(group))
	}
}

// add puts a pattern of a route into the tree of its group.
func (rt *router) add(group, pattern string, route *resource.Route) {
	mux := rt.groups[group]
	if mux == nil {
		mux = chi.NewRouter()
		rt.groups[group] = mux
	}
	for _, method := range route.EachMethod() {
		mux.Method(method, pattern, http.HandlerFunc(http.NotFound)) // never called: find asks for the pattern
	}
}

// sameClaims tells that two routes take the same requests.
func sameClaims(a, b *resource.Route) bool {
	return slices.Equal(a.Paths, b.Paths) && slices.Equal(a.Methods, b.Methods)
}

// groupOf is the part of a pattern that is fixed, up to a slash. There is none if all of it is fixed.
func groupOf(pattern string) (group string, ok bool) {
	end := strings.IndexAny(pattern, variable)
	if end < 0 {
		return "", false
	}
	return pattern[:strings.LastIndexByte(pattern[:end], '/')+1], true
}

// variable are the bytes that begin what is not fixed in a pattern.
const variable = "{*"

// find looks a path up; GET routes answer HEAD unless another route does.
func (rt *router) find(rctx *chi.Context, method, path string) (*Plan, string) {
	if plan, pattern := rt.findExactly(rctx, method, path); plan != nil {
		return plan, pattern
	}
	if method == http.MethodHead {
		return rt.findExactly(rctx, http.MethodGet, path)
	}
	return nil, ""
}

// findExactly looks a path up for one method. The parameters are in rctx.
func (rt *router) findExactly(rctx *chi.Context, method, path string) (*Plan, string) {
	rctx.Reset()
	if !strings.ContainsAny(path, variable) { // it could look like a pattern
		if plan := planFor(rt.plans[path], method); plan != nil {
			return plan, path
		}
	}
	for end := min(len(path), rt.longest); end > 0; end-- {
		if path[end-1] != '/' {
			continue
		}
		mux := rt.groups[path[:end]]
		if mux == nil {
			continue
		}
		rctx.Reset()
		if pattern := mux.Find(rctx, method, path); pattern != "" {
			return planFor(rt.plans[pattern], method), pattern
		}
	}
	return nil, ""
}

// planFor is the plan that has a method.
func planFor(plans []*Plan, method string) *Plan {
	for _, p := range plans {
		if slices.Contains(p.route.EachMethod(), method) {
			return p
		}
	}
	return nil
}
