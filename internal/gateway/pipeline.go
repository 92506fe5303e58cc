package gateway

import (
	"cmp"
	"context"
	"errors"
	"net/http"

	oteltrace "go.opentelemetry.io/otel/trace"
	"go.uber.org/zap/zapcore"

	"github.com/dgate-io/caddy-dgate/internal/hook"
	"github.com/dgate-io/caddy-dgate/internal/js"
)

// Forwarder proxies requests. The exchange of a request, found with [ExchangeFrom] in its
// context, says where to.
type Forwarder interface {
	// Forward sends r to an upstream and the answer to w. An error means that nothing was
	// written to w.
	Forward(w http.ResponseWriter, r *http.Request) error
}

// Serve answers a request as its plan says, and notes in trace what it does. client is the client's
// IP address. An error is a *StatusError, and nothing has been written then.
func (g *Gateway) Serve(w http.ResponseWriter, r *http.Request, m Match, client string, trace *Trace, fw Forwarder) (err error) {
	p := m.Plan
	trace.Names = p.names
	recorded := traced(r.Context())
	if recorded {
		ctx, span := startSpan(r.Context(), "dgate.route", oteltrace.SpanKindInternal, p.names.attributes()...)
		defer func() { endSpan(span, err) }()
		r = r.WithContext(ctx)
	}
	if p.code == nil {
		if p.service == nil {
			return fail(http.StatusNotImplemented, "route %s has neither a service nor a module", p.route.Name)
		}
		x := g.exchange(m, trace)
		x.traced = recorded
		return p.forward(w, r, x, fw)
	}
	u, err := p.code.load(r.Context())
	if err != nil {
		g.logFailure(zapcore.ErrorLevel, unloaded, p.names, "", err)
		return hookFailure(r.Context(), err)
	}
	s := &session{match: m, trace: trace, runner: g.newRunner(w, r, u, p.names, hook.Info{
		RemoteAddr: client, Params: m.params, MaxBody: cmp.Or(u.limits.Body, js.DefaultBody),
		Service: p.serviceView(), Route: p.view, Namespace: p.namespace,
	})}
	s.traced = recorded
	defer s.finish()
	for _, name := range ownHeaders {
		delete(r.Header, name) // those of the client are not ours
	}
	if p.service == nil {
		err = s.answer()
	} else {
		err = s.proxy(fw)
	}
	if err == nil {
		return nil
	}
	return s.rescue(err)
}

// exchange readies a request for the service of its plan.
func (g *Gateway) exchange(m Match, trace *Trace) *Exchange {
	svc := m.Plan.service
	return &Exchange{plan: m.Plan, match: m, trace: trace, tags: g.options.Load().tags, targets: svc.targets, first: svc.first()}
}

// forward proxies a request and gives a failure its status.
func (p *Plan) forward(w http.ResponseWriter, r *http.Request, x *Exchange, fw Forwarder) error {
	defer x.cancelAttempt()
	err := fw.Forward(w, r.WithContext(context.WithValue(r.Context(), exchangeKey{}, x)))
	switch {
	case err == nil:
		return nil
	case errors.Is(x.hookErr, hook.ErrBodyTooLarge): // it was the upstream's body
		return &StatusError{Status: http.StatusInternalServerError, Err: x.hookErr}
	case errors.Is(x.hookErr, hook.ErrUpstreamBody) && r.Context().Err() == nil:
		return upstreamFailure(r.Context(), x.hookErr)
	case x.hookErr != nil:
		return hookFailure(r.Context(), x.hookErr)
	case x.err != nil:
		return upstreamFailure(r.Context(), x.err)
	}
	return upstreamFailure(r.Context(), err)
}

// serviceView is what scripts see of the service, if there is one.
func (p *Plan) serviceView() *hook.Service {
	if p.service == nil {
		return nil
	}
	return p.service.view
}

// session is one request on a route with modules.
type session struct {
	runner
	match Match
	trace *Trace
}

// answer lets the modules answer, on a route without a service.
func (s *session) answer() error {
	if answered, err := s.modifyRequest(); answered || err != nil {
		return err
	}
	if !s.prog.Has(hook.RequestHandler) {
		return fail(http.StatusNotImplemented, "route %s has no service, and module %s has no requestHandler",
			s.match.Plan.route.Name, s.prog.Entry())
	}
	return s.run(hook.RequestHandler, s.scope.RequestHandler)
}

// proxy runs the hooks around the upstream.
func (s *session) proxy(fw Forwarder) error {
	p := s.match.Plan
	x := s.gateway.exchange(s.match, s.trace)
	x.traced = s.traced
	if s.prog.Has(hook.FetchUpstream) {
		if err := s.chooseUpstream(x); err != nil {
			return err
		}
		if s.scope.Answered() {
			return nil
		}
	}
	x.answer = s.w.Header()
	if answered, err := s.modifyRequest(); answered || err != nil {
		return err
	}
	for _, name := range hook.Framing {
		delete(x.answer, name)
	}
	for name := range x.answer {
		if _, there := s.before[name]; !there {
			x.preset = append(x.preset, name)
		}
	}
	x.rewritten = s.scope.PathChanged()
	if s.scope.HostChanged() {
		x.host = s.r.Host
	}
	if s.prog.Has(hook.ResponseModifier) {
		x.modify = s.modifyResponse
		if s.whole {
			askWhole(s.r.Header)
		}
	} else {
		s.release()
	}
	return p.forward(s.w, s.r, x, fw)
}

// chooseUpstream runs fetchUpstream: its URL takes the place of the service's.
func (s *session) chooseUpstream(x *Exchange) error {
	return s.run(hook.FetchUpstream, func(vm *js.VM) error {
		u, err := s.scope.FetchUpstream(vm)
		if err != nil || s.scope.Answered() {
			return err
		}
		t, err := s.match.Plan.service.target(u)
		if err != nil {
			return err
		}
		t.Transport.Scripted = !s.match.Plan.service.owns(t)
		x.targets, x.first, x.scripted = []*Target{t}, 0, true
		return nil
	})
}

// modifyResponse runs responseModifier. The VM is not needed for what follows, the body.
func (s *session) modifyResponse(res *http.Response) error {
	err := s.run(hook.ResponseModifier, func(vm *js.VM) error { return s.scope.ResponseModifier(vm, res) })
	if err == nil {
		s.release()
	}
	return err
}
