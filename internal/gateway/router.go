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
	rt := &router{plans: make(map[string][]*Plan, len(plans)), groups: map[string]*chi.Mux{}}
	touched := func(string) bool { return true }
	if prev != nil {
		changed := changedGroups(plans, prev.plans)
		touched = func(group string) bool { return changed[group] }
		rt.groups = maps.Clone(prev.router.groups)
		maps.DeleteFunc(rt.groups, func(group string, _ *chi.Mux) bool { return changed[group] })
	}
	for _, p := range plans {
		for _, pattern := range p.route.Paths {
			rt.plans[pattern] = append(rt.plans[pattern], p)
			if group, ok := groupOf(pattern); ok && touched(group) {
				rt.add(group, pattern, p.route)
			}
		}
	}
	for group := range rt.groups {
		rt.longest = max(rt.longest, len(group))
	}
	return rt
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

// changedGroups are the groups with patterns of routes that come, go or change.
func changedGroups(after, before map[string]*Plan) map[string]bool {
	changed := map[string]bool{}
	mark := func(p *Plan) {
		for _, pattern := range p.route.Paths {
			if group, ok := groupOf(pattern); ok {
				changed[group] = true
			}
		}
	}
	for name, p := range after {
		if old := before[name]; old == nil {
			mark(p)
		} else if old.route != p.route && !sameClaims(old.route, p.route) {
			mark(old)
			mark(p)
		}
	}
	for name, p := range before {
		if after[name] == nil {
			mark(p)
		}
	}
	return changed
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
