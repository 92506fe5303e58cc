package hook

import (
	"context"
	"net/http"
	"sync/atomic"

	"github.com/dop251/goja"
	"go.uber.org/zap"

	"github.com/dgate-io/caddy-dgate/internal/js"
	"github.com/dgate-io/caddy-dgate/internal/js/host/fetch"
	"github.com/dgate-io/caddy-dgate/internal/js/host/native"
)

// worker runs the method fetch(request, env, ctx) of a default export, the form
// that Workers have, in place of requestHandler.
func (s *Scope) worker(vm *js.VM) error {
	f := s.bind(vm)
	// What it asks for with waitUntil is done even when the client has gone by then,
	// so the call does not run under the context of the request.
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(s.r.Context()))
	l := &late{f: f, cancel: cancel}
	answered := context.AfterFunc(s.r.Context(), func() {
		if !l.watched.Load() { // else the script is told, and ends by itself
			cancel(context.Cause(s.r.Context()))
		}
	})
	f.late = l
	f.hook, f.unsent = RequestHandler, false
	run := vm.StartWith(ctx, RequestHandler, f, func() []goja.Value {
		return []goja.Value{f.webRequest(), f.c.environment(), f.context()}
	})
	err := f.finish(run, (*frame).workerAnswer)
	answered()
	l.unwatch()
	if s.late == nil {
		f.late = nil
		cancel(nil)
	}
	return err
}

// webRequest is the argument request: the request in its present state.
func (f *frame) webRequest() *goja.Object {
	r := f.s.r
	u := *r.URL
	u.Scheme, u.Host = "http", r.Host
	if r.TLS != nil {
		u.Scheme = "https"
	}
	init := fetch.RequestInit{
		Method: r.Method, URL: &u, Header: r.Header, Host: r.Host, Size: r.ContentLength,
		TooLarge: tooLarge("request", f.s.info.MaxBody), Leaves: f.late.whenGone,
	}
	if r.Body != nil && r.Body != http.NoBody {
		init.Body = clientBody{r.Body}
	}
	return fetch.NewRequest(f.vm, init)
}

// workerAnswer answers with what fetch has returned. Nothing is no answer, unless
// the script has answered through ctx.
func (f *frame) workerAnswer(v goja.Value) error {
	if native.Missing(v) && (f.s.wrote || f.s.status != 0) {
		return nil
	}
	answered := f.s.wrote
	if err := f.respond(v); err != nil {
		return err
	}
	if f.s.wrote == answered && f.pumped == nil {
		return &js.TypeError{Message: "fetch returned " + native.TypeName(v) + ", expected a Response"}
	}
	return nil
}

// environment is the argument env: what process.env holds.
func (c *vmCache) environment() goja.Value {
	if process, ok := c.rt.GlobalObject().Get("process").(*goja.Object); ok {
		if env := process.Get("env"); env != nil {
			return env
		}
	}
	return c.rt.NewObject()
}

// waitUntil is ctx.waitUntil(promise).
func waitUntil(c *vmCache, call goja.FunctionCall) goja.Value {
	f, ok := c.vm.Scope().(*frame)
	switch {
	case !ok:
		c.vm.ThrowType("request is finished")
	case f.late == nil:
		c.vm.ThrowType("ctx.waitUntil is for the method fetch of a default export; await the promise in other hooks")
	}
	f.late.promises = append(f.late.promises, call.Argument(0))
	return goja.Undefined()
}

// late is what a Worker has left to be done after its answer.
type late struct {
	f        *frame
	run      *js.Run // nil as long as there is no answer
	promises []goja.Value
	cancel   context.CancelCauseFunc

	watched atomic.Bool   // the script wants to know when the client leaves
	watches []func() bool // what ends that
}

// whenGone calls fn when the client leaves before it has its answer.
func (l *late) whenGone(fn func()) {
	if l.begun() {
		return
	}
	l.watched.Store(true)
	l.watches = append(l.watches, context.AfterFunc(l.f.s.r.Context(), fn))
}

// unwatch ends the watches: the client may leave.
func (l *late) unwatch() {
	for _, stop := range l.watches {
		stop()
	}
	l.watches = nil
}

// wanted tells whether there is anything.
func (l *late) wanted() bool { return l != nil && len(l.promises) > 0 }

// begun tells whether the answer has been given, so that nothing of the request is there any more.
func (l *late) begun() bool { return l != nil && l.run != nil }

// Linger calls done when the VM that the hooks ran on may be given back. That is at
// once, except after a Worker that has something to do after its answer: then it is
// when that is done, on a goroutine of its own, at the latest when the time of the
// call is up. The Scope must not be used any more.
func (s *Scope) Linger(done func()) {
	l := s.late
	if l == nil {
		done()
		return
	}
	s.late = nil
	go func() {
		l.finish()
		done()
	}()
}

// finish waits for the promises, those included that are added meanwhile, until the
// time of the call is up.
func (l *late) finish() {
	defer l.cancel(nil)
	vm, failures := l.f.vm, 0
	for i := 0; i < len(l.promises) && vm.Context().Err() == nil; i++ {
		if _, err := l.run.Await(l.promises[i]); err != nil {
			if failures++; failures <= maxLogged {
				vm.Logger().Error("a promise of ctx.waitUntil has failed", zap.Error(err))
			}
		}
	}
	_ = l.f.end(l.run, nil)
}

// maxLogged is of how many failed promises of one answer the log tells.
const maxLogged = 10
