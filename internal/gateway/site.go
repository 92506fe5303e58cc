package gateway

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"net/http"
	"sync"
	"sync/atomic"

	"go.uber.org/zap/zapcore"

	"github.com/dgate-io/caddy-dgate/internal/hook"
	"github.com/dgate-io/caddy-dgate/internal/js"
	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// Site is modules that run on a site around whatever answers there. It needs neither a table nor
// a store. Its methods may be called from any goroutine.
type Site struct {
	gateway   *Gateway
	limits    js.Limits
	namespace string
	view      *hook.Namespace

	code     atomic.Pointer[code]
	changing sync.Mutex // of those who change code
	closed   bool
}

// SiteOptions are what a site runs.
type SiteOptions struct {
	// Modules are the entry and what it may import, in this order. Their namespace is that of the site.
	Modules []*resource.Module
	// Namespace is where the modules keep their data. Default: "default".
	Namespace string
	// Limits bound the modules. A zero field means its default, whatever the options of the gateway say.
	Limits js.Limits
}

// NewSite compiles and checks modules as if they were put. ctx bounds that and nothing else. Close
// must be called.
func (g *Gateway) NewSite(ctx context.Context, opts SiteOptions) (*Site, error) {
	namespace := cmp.Or(opts.Namespace, resource.DefaultNamespace)
	s := &Site{gateway: g, limits: opts.Limits, namespace: namespace, view: &hook.Namespace{Name: namespace}}
	if err := s.Replace(ctx, opts.Modules); err != nil {
		return nil, err
	}
	return s, nil
}

// Replace runs other modules from the next request on. If they do not work, the error says why,
// and the site goes on with what it has.
func (s *Site) Replace(ctx context.Context, modules []*resource.Module) error {
	for _, m := range modules {
		m.Namespace = s.namespace
	}
	next := s.gateway.newCode(modules, &s.limits)
	if err := next.check(ctx); err != nil {
		next.close()
		return err
	}
	s.changing.Lock()
	defer s.changing.Unlock()
	if before := s.code.Swap(next); before != nil {
		before.close()
	}
	if s.closed {
		next.close()
	}
	return nil
}

// check compiles the modules of a site and says what cannot work there.
func (c *code) check(ctx context.Context) error {
	u, err := c.load(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, m := range c.modules[1:] { // the entry has been compiled, and what it imports
		errs = append(errs, c.gateway.engine.Check(ctx, source(m), *c.own))
	}
	switch prog := u.prog; {
	case !hasHooks(prog):
		errs = append(errs, unfit(prog, "has none of the hooks requestModifier, requestHandler, responseModifier and errorHandler, so nothing would run it"))
	case prog.Has(hook.FetchUpstream):
		errs = append(errs, unfit(prog, "fetchUpstream: there is no service here to choose an upstream for; use dynamic upstreams in reverse_proxy, or requestHandler"))
	}
	return errors.Join(errs...)
}

// unfit is why a program that works is of no use on a site.
func unfit(prog *js.Program, why string) error {
	return &js.Error{Kind: js.NotFunction, Module: prog.Entry(), File: prog.Entry(), Message: why}
}

// Close lets idle VMs go. Requests in flight finish on what they have.
func (s *Site) Close() {
	s.changing.Lock()
	defer s.changing.Unlock()
	s.closed = true
	if c := s.code.Load(); c != nil {
		c.close()
	}
}

// Next answers what a site's modules do not answer themselves. An error that is a *StatusError
// says what the client gets for it.
type Next func(http.ResponseWriter, *http.Request) error

// Serve runs the modules around next. client is the client's IP address. The error is a
// *StatusError, or one that next has returned; then nothing has been written, unless it was by next.
func (s *Site) Serve(w http.ResponseWriter, r *http.Request, client string, trace *Trace, next Next) error {
	c := s.code.Load()
	u, err := c.load(r.Context())
	if err != nil {
		s.gateway.logFailure(zapcore.ErrorLevel, unloaded, c.name(), "", err)
		return hookFailure(r.Context(), err)
	}
	trace.Names = Names{Namespace: s.namespace, Module: u.prog.Entry()}
	maxBody := cmp.Or(u.limits.Body, js.DefaultBody)
	v := &visit{maxBody: maxBody, runner: s.gateway.newRunner(w, r, u, trace.Names, hook.Info{
		RemoteAddr: client, MaxBody: maxBody, Namespace: s.view,
	})}
	v.traced = traced(r.Context())
	defer v.finish()
	answered, err := v.modifyRequest()
	switch {
	case answered, err != nil:
	case u.prog.Has(hook.RequestHandler):
		err = v.run(hook.RequestHandler, v.scope.RequestHandler)
	default:
		return v.pass(next)
	}
	if err == nil {
		return nil
	}
	return v.rescue(err)
}

// visit is one request on a site with modules.
type visit struct {
	runner
	maxBody int64
}

// pass lets next answer, and the hooks that there are see its answer or its error.
func (v *visit) pass(next Next) error {
	modifies := v.prog.Has(hook.ResponseModifier)
	if v.whole {
		askWhole(v.r.Header)
	}
	switch {
	case modifies:
		askReadable(v.r.Header)
	case v.prog.Has(hook.ErrorHandler):
		v.release()
	default:
		v.release()
		return next(v.w, v.r)
	}
	w := &siteWriter{visit: v, w: v.w, modifies: modifies}
	err := w.answer(next)
	switch {
	case err == nil || w.begun():
		return err
	case w.state == untouched:
		v.before = maps.Clone(v.w.Header()) // what next says beside its error is for the client
	}
	return v.rescue(err)
}
