package gateway

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dgate-io/caddy-dgate/internal/change"
	"github.com/dgate-io/caddy-dgate/internal/hook"
	"github.com/dgate-io/caddy-dgate/internal/js"
	"github.com/dgate-io/caddy-dgate/internal/resource"
	"github.com/dgate-io/caddy-dgate/internal/state"
)

// Check implements [change.Code]: modules must work by themselves, and the modules of each route
// that the changes touch must work together. All mistakes are reported. There are warnings about
// domains too.
func (g *Gateway) Check(ctx context.Context, db *state.DB, changes []change.Change) (warnings []string, err error) {
	c := &checker{gateway: g, several: len(changes) > 1, modules: map[resource.Key]*resource.Module{}, routes: map[resource.Key]*resource.Route{}}
	if err := db.View(func(r *state.Reader) error { return c.gather(r, changes) }); err != nil {
		return nil, err
	}
	warnings, err = c.compile(ctx)
	var stored *domains
	if table := g.table.Load(); table != nil {
		stored = table.domains
	}
	warnings = append(warnings, domainWarnings(changes, stored)...)
	more, wrong := checkDates(db, changes, time.Now())
	return append(warnings, more...), errors.Join(err, wrong)
}

// checker collects, in one look at the store, what has to be compiled for some changes.
type checker struct {
	gateway *Gateway
	proxies []*resource.Service // services that change and have an object `proxy`
	put     []*resource.Module  // modules that change
	touched []*resource.Route   // routes that change, or list a module that does
	modules map[resource.Key]*resource.Module
	routes  map[resource.Key]*resource.Route // nil for those that go
	changed map[resource.Key]bool            // routes that the changes put themselves
	several bool                             // whether a mistake must say which change it is in
}

// gather reads what the changes leave of the modules and routes that they touch.
func (c *checker) gather(r *state.Reader, changes []change.Change) error {
	c.changed = map[resource.Key]bool{}
	for _, ch := range changes {
		switch obj := ch.Object.(type) {
		case *resource.Module:
			c.put = append(c.put, obj)
			c.modules[obj.Key()] = obj
		case *resource.Service:
			if obj.Validate() == nil && obj.Proxy != nil {
				c.proxies = append(c.proxies, obj)
			}
		case *resource.Route:
			c.routes[obj.Key()] = obj
			c.changed[obj.Key()] = true
		case nil:
			if ch.Key.Kind == "route" {
				c.routes[ch.Key] = nil
			}
		}
	}
	for _, m := range c.put {
		for source, err := range r.Referrers(m.Key()) {
			if err != nil {
				return err
			}
			if _, known := c.routes[source]; known || source.Kind != "route" {
				continue
			}
			route, err := read[*resource.Route](r, source)
			if err != nil {
				return err
			}
			c.routes[source] = route
		}
	}
	for _, route := range c.routes {
		if route == nil || len(route.Modules) == 0 || route.Validate() != nil {
			continue
		}
		c.touched = append(c.touched, route)
		for _, name := range route.Modules {
			key := resource.Key{Kind: "module", Namespace: route.Namespace, Name: name}
			if c.modules[key] != nil {
				continue
			}
			m, err := read[*resource.Module](r, key)
			if resource.CodeOf(err) == resource.NotFound {
				continue // a mistake that is found elsewhere
			}
			if err != nil {
				return err
			}
			c.modules[key] = m
		}
	}
	return nil
}

// read gets one resource.
func read[T resource.Object](r *state.Reader, key resource.Key) (T, error) {
	var none T
	rec, ok, err := r.Get(key)
	if err != nil {
		return none, err
	}
	if !ok {
		return none, resource.Errorf(resource.NotFound, "%s not found: %s", key.Kind, key.Name)
	}
	obj, err := rec.Object()
	if err != nil {
		return none, err
	}
	return obj.(T), nil
}

// compile compiles what was gathered.
func (c *checker) compile(ctx context.Context) (warnings []string, _ error) {
	limits := c.gateway.options.Load().Limits
	errs := c.tryProxies()
	bad := map[resource.Key]bool{}
	for _, m := range c.put {
		if m.Validate() != nil {
			bad[m.Key()] = true // said already
			continue
		}
		if err := c.gateway.engine.Check(ctx, source(m), limits); err != nil {
			bad[m.Key()] = true
			errs = append(errs, c.refusals(m.Key(), "payload", "", err)...)
		}
	}
	for _, route := range c.touched {
		modules := make([]*resource.Module, len(route.Modules))
		skip := false
		for i, name := range route.Modules {
			modules[i] = c.modules[resource.Key{Kind: "module", Namespace: route.Namespace, Name: name}]
			skip = skip || modules[i] == nil || bad[modules[i].Key()] // said already
		}
		if skip {
			continue
		}
		prog, err := c.gateway.engine.Compile(ctx, sources(modules), limits)
		switch {
		case err != nil && c.changed[route.Key()]:
			errs = append(errs, c.refusals(route.Key(), "modules", "", err)...)
		case err != nil:
			errs = append(errs, c.refusals(c.culprit(route), "payload", fmt.Sprintf("breaks route %s: ", route.Name), err)...)
		case c.changed[route.Key()] && !hasHooks(prog):
			warnings = append(warnings, fmt.Sprintf("route %s: module %s has none of the hooks %s", route.Name, prog.Entry(), strings.Join(hook.Names(), ", ")))
		case c.changed[route.Key()] && route.Service != "" && prog.Has(hook.RequestHandler):
			warnings = append(warnings, fmt.Sprintf("route %s has a service, so requestHandler of module %s will not be called", route.Name, prog.Entry()))
		}
	}
	return warnings, errors.Join(errs...)
}

// tryProxies makes the proxies of services, and lets them go again.
func (c *checker) tryProxies() (errs []error) {
	proxies := c.gateway.options.Load().Proxies
	if proxies == nil {
		return nil
	}
	for _, res := range c.proxies {
		s, err := compileService(res, nil)
		if err == nil {
			err = proxies.Try(s.proxied)
		}
		fields := resource.FieldErrors(err)
		if err != nil && len(fields) == 0 {
			errs = append(errs, err)
		}
		for _, fe := range fields {
			if c.several {
				fe.Sentence = res.Key().String() + ": " + fe.Error()
			}
			errs = append(errs, fe)
		}
	}
	return errs
}

func hasHooks(p *js.Program) bool {
	for i := range hook.Hooks {
		if p.Has(i) {
			return true
		}
	}
	return false
}

// culprit is the module whose change touches a route.
func (c *checker) culprit(route *resource.Route) resource.Key {
	for _, m := range c.put {
		if m.Namespace == route.Namespace && slices.Contains(route.Modules, m.Name) {
			return m.Key()
		}
	}
	return route.Key()
}

// refusals turns the errors of the engine into mistakes of a field of a resource.
func (c *checker) refusals(key resource.Key, field, prefix string, err error) []error {
	found := js.Errors(err)
	if len(found) == 0 {
		return []error{err} // not about the code: the caller's context, or ours
	}
	errs := make([]error, len(found))
	for i, e := range found {
		fe := resource.Invalid(field, "", "%s%s", prefix, e.Error())
		fe.Sentence = field + ": " + fe.Problem
		if c.several {
			fe.Sentence, fe.Of = key.String()+": "+fe.Sentence, key
		}
		errs[i] = fe
	}
	return errs
}

var _ change.Code = (*Gateway)(nil)
