package gateway

import (
	"fmt"
	"net/http"

	"github.com/dgate-io/caddy-dgate/internal/hook"
	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// Table is what requests are routed by. It never changes.
type Table struct {
	// Index is the revision of the store that the table shows.
	Index uint64

	namespaces map[string]*namespace
	domains    *domains
}

// namespace is one compiled namespace.
type namespace struct {
	res      *resource.Namespace
	view     *hook.Namespace
	router   *router
	services map[string]*service
	plans    map[string]*Plan // by route
}

// Plan is what to do with the requests of one route.
type Plan struct {
	namespace *hook.Namespace
	route     *resource.Route
	service   *service // nil: modules answer
	code      *code    // nil: no modules
	modules   []*resource.Module
	headers   planHeaders
	names     Names
	view      *hook.Route
	stats     *RouteStats
}

// planHeaders are the values of the X-DGate-* headers, made once.
type planHeaders struct{ namespace, route, service []string }

// Names are the resources behind a plan, for logs and placeholders.
type Names struct{ Namespace, Route, Service, Module string }

// Trace tells what became of a request, while it runs and afterwards.
type Trace struct {
	Names
	// Upstream is the address of the upstream that was tried last, or "".
	Upstream string
}

// Match finds the plan of a request in a namespace; an empty one means that of the request's host.
// There must be a table. The error is a *StatusError: 404 if there is no namespace or no route for
// the request, 403 if its host is not allowed, 421 if it came over TLS for a host that a certificate
// was there for only because of a domain that is gone, and what else the router finds.
func (g *Gateway) Match(ns string, r *http.Request) (Match, error) {
	t := g.table.Load()
	if r.TLS != nil && g.hosts != nil && g.hosts.Misdirected(resource.CanonicalHost(r.Host)) {
		return Match{}, fail(http.StatusMisdirectedRequest, "no domain wants certificates for %s any more", r.Host)
	}
	if ns != "" {
		n := t.namespaces[ns]
		if n == nil {
			return Match{}, fail(http.StatusNotFound, "namespace not found: %s", ns)
		}
		return n.router.match(r)
	}
	opts, host := g.options.Load(), resource.CanonicalHost(r.Host)
	n := t.namespaceOf(host, !opts.NoDefault)
	if n == nil {
		return Match{}, fail(http.StatusNotFound, "no namespace for %s", r.Host)
	}
	if opts.allowed != nil {
		if _, ok := opts.allowed.Find(host); !ok {
			return Match{}, fail(http.StatusForbidden, "domain not allowed: %s", r.Host)
		}
	}
	return n.router.match(r)
}

// namespaceOf finds the namespace of a canonical host, or nil. What no domain has belongs to the
// default namespace, unless that has a domain of its own; or to the only namespace there is, as
// long as there are no domains.
func (t *Table) namespaceOf(host string, withDefault bool) *namespace {
	if d := t.domains.find(host); d != nil {
		return t.namespaces[d.res.Namespace]
	}
	if n := t.namespaces[resource.DefaultNamespace]; n != nil && withDefault && !t.domains.owners[resource.DefaultNamespace] {
		return n
	}
	if len(t.namespaces) == 1 && len(t.domains.ranked) == 0 {
		for _, n := range t.namespaces {
			return n
		}
	}
	return nil
}

// objects are the stored resources of one namespace.
type objects struct {
	namespace *resource.Namespace
	services  map[string]*resource.Service
	modules   map[string]*resource.Module
	routes    map[string]*resource.Route
}

// compile turns the resources of a namespace into a router. prev is the namespace as it was, or
// nil; what has not changed is taken from there. unit finds or makes the bundle of a list of modules.
func compile(objs *objects, prev *namespace, unit func([]*resource.Module) *code) (_ *namespace, err error) {
	defer func() { // chi reports what it does not like by panicking
		if r := recover(); r != nil {
			err = fmt.Errorf("namespace %s: %v", objs.namespace.Name, r)
		}
	}()
	n := &namespace{
		res: objs.namespace, services: make(map[string]*service, len(objs.services)), plans: make(map[string]*Plan, len(objs.routes)),
	}
	if prev != nil && prev.res == n.res {
		n.view = prev.view
	} else {
		n.view = &hook.Namespace{Name: n.res.Name, Tags: n.res.Tags}
	}
	for name, res := range objs.services {
		var before *service
		if prev != nil {
			before = prev.services[name]
		}
		if before != nil && before.res == res {
			n.services[name] = before
			continue
		}
		if n.services[name], err = compileService(res, before); err != nil {
			return nil, err
		}
	}
	for name, route := range objs.routes {
		before := prev.planOf(name)
		if before.holds(route, n, objs) {
			n.plans[name] = before
			continue
		}
		plan, err := n.plan(route, objs, unit)
		if err != nil {
			return nil, err
		}
		plan.stats = new(RouteStats)
		if before != nil {
			plan.stats = before.stats
		}
		n.plans[name] = plan
	}
	n.router = newRouter(n.plans, prev)
	return n, nil
}

// planOf is the plan of a route, or nil. The namespace can be nil.
func (n *namespace) planOf(route string) *Plan {
	if n == nil {
		return nil
	}
	return n.plans[route]
}

// holds tells that a plan, which can be nil, is the one that would be made of a route.
func (p *Plan) holds(route *resource.Route, n *namespace, objs *objects) bool {
	if p == nil || p.route != route || p.namespace != n.view || p.service != n.services[route.Service] {
		return false
	}
	for _, m := range p.modules {
		if m != objs.modules[m.Name] {
			return false
		}
	}
	return true
}

// plan compiles one route.
func (n *namespace) plan(route *resource.Route, objs *objects, unit func([]*resource.Module) *code) (*Plan, error) {
	p := &Plan{namespace: n.view, route: route, view: routeView(route)}
	p.names = Names{Namespace: route.Namespace, Route: route.Name, Service: route.Service}
	p.headers = planHeaders{namespace: []string{route.Namespace}, route: []string{route.Name}}
	if route.Service != "" {
		if p.service = n.services[route.Service]; p.service == nil {
			return nil, fmt.Errorf("route %s: service not found: %s", route.Name, route.Service)
		}
		p.headers.service = []string{route.Service}
	}
	if len(route.Modules) > 0 {
		modules := make([]*resource.Module, len(route.Modules))
		for i, name := range route.Modules {
			if modules[i] = objs.modules[name]; modules[i] == nil {
				return nil, fmt.Errorf("route %s: module not found: %s", route.Name, name)
			}
		}
		p.code, p.modules = unit(modules), modules
		p.names.Module = route.Modules[0]
	}
	return p, nil
}

func routeView(r *resource.Route) *hook.Route {
	return &hook.Route{
		Name: r.Name, Namespace: r.Namespace, Service: r.Service, Paths: r.Paths, Methods: r.Methods,
		Modules: r.Modules, Tags: r.Tags, PreserveHost: r.PreserveHost, StripPath: r.StripPath,
	}
}
