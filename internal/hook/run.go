package hook

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/dop251/goja"

	"github.com/dgate-io/caddy-dgate/internal/js"
	"github.com/dgate-io/caddy-dgate/internal/js/host/headers"
	"github.com/dgate-io/caddy-dgate/internal/js/host/native"
)

// FetchUpstream runs the hook of that name and returns the URL it chose. When it
// has answered the request instead, there is no URL.
func (s *Scope) FetchUpstream(vm *js.VM) (*url.URL, error) {
	var target *url.URL
	err := s.call(vm, FetchUpstream, func(f *frame, v goja.Value) error {
		if err := f.respond(v); err != nil || s.wrote || s.status != 0 {
			return err
		}
		var err error
		target, err = f.target(v)
		return err
	})
	if err == nil {
		s.settle(0)
	}
	return target, err
}

// RequestModifier runs the hook of that name. When it has answered the request,
// the upstream must not be called.
func (s *Scope) RequestModifier(vm *js.VM) (answered bool, err error) {
	if err := s.call(vm, RequestModifier, (*frame).respond); err != nil {
		return s.wrote, err
	}
	return s.settle(0), nil
}

// RequestHandler runs the hook of that name. A handler that has written nothing
// has answered with 204, or with the status it chose.
func (s *Scope) RequestHandler(vm *js.VM) error {
	handle := func(vm *js.VM) error { return s.call(vm, RequestHandler, (*frame).respond) }
	if vm.Member(RequestHandler) {
		handle = s.worker
	}
	if err := handle(vm); err != nil {
		return err
	}
	s.settle(http.StatusNoContent)
	return nil
}

// ErrorHandler runs the hook of that name with the error that has ended the
// request: the value that was thrown if it lives on vm, else an Error that says
// the same.
func (s *Scope) ErrorHandler(vm *js.VM, cause error) (answered bool, err error) {
	f := s.bind(vm)
	if err := s.run(f, ErrorHandler, (*frame).respond, f.context(), f.causeValue(cause)); err != nil {
		return s.wrote, err
	}
	return s.settle(0), nil
}

// ResponseModifier runs the hook of that name over the answer of the upstream,
// which it changes in place. After an error resp still has a body to close.
func (s *Scope) ResponseModifier(vm *js.VM, resp *http.Response) error {
	return s.StartResponseModifier(vm, resp).Finish()
}

// settle tells whether the request has been answered. A status that was chosen is
// an answer without a body; fallback, if it is not 0, answers what is still open.
func (s *Scope) settle(fallback int) (answered bool) {
	switch {
	case s.wrote:
	case s.status != 0:
		s.writeHeader(s.status)
	case fallback != 0:
		s.writeHeader(fallback)
	}
	return s.wrote
}

// call runs a hook whose only argument is ctx.
func (s *Scope) call(vm *js.VM, hook int, result func(*frame, goja.Value) error) error {
	f := s.bind(vm)
	return s.run(f, hook, result, f.context())
}

// run runs a hook to its end. result gets what it has returned, if that can matter.
func (s *Scope) run(f *frame, hook int, result func(*frame, goja.Value) error, args ...goja.Value) error {
	f.hook, f.unsent = hook, false
	return f.finish(f.vm.Start(s.r.Context(), hook, f, args...), result)
}

// finish waits for a hook that has been started.
func (f *frame) finish(r *js.Run, result func(*frame, goja.Value) error) error {
	var before func()
	if !r.Done() {
		before = f.flush
	}
	v, err := r.WaitEach(before)
	if err == nil {
		_, object := v.(*goja.Object)
		if !object && f.hook != FetchUpstream && f.late == nil {
			result = nil
		}
		if result != nil || f.bagged() {
			err = r.Do(func() error {
				f.closeBags()
				if result != nil {
					if err := result(f, v); err != nil {
						f.vm.Throw(err) // so that the error says in which hook of which module
					}
				}
				return nil
			})
		}
	}
	if err == nil && f.pumped != nil {
		err = f.pump(r)
	}
	if err == nil && f.late.wanted() {
		f.late.run, f.s.late = r, f.late
		return nil
	}
	return f.end(r, err)
}

// flush sends what has been written so far, where that is possible. It is called
// when a hook waits: what is written last goes out with its length.
func (f *frame) flush() {
	if f.unsent {
		f.unsent = false
		_ = http.NewResponseController(f.s.w).Flush() // it says whether it is supported
	}
}

// end ends a call and remembers how it failed.
func (f *frame) end(r *js.Run, err error) error {
	if failed, ok := errors.AsType[*js.Error](err); ok {
		f.s.failed, f.s.failedOn = failed, f.vm
		f.dropBags()
		if !f.s.wrote {
			f.s.status = 0 // what it chose dies with it
		}
	}
	r.End()
	headers.Forget(f.vm)
	return err
}

// target reads what fetchUpstream has returned.
func (f *frame) target(v goja.Value) (*url.URL, error) {
	raw := ""
	switch obj, ok := v.(*goja.Object); {
	case v == nil || goja.IsUndefined(v) || goja.IsNull(v):
	case goja.IsString(v):
		raw = v.String()
	case ok && obj.Get("href") != nil:
		raw = obj.Get("href").String()
	default:
		return nil, errors.New("fetchUpstream returned " + native.TypeName(v) + ", expected a string or a URL")
	}
	raw = strings.TrimSpace(raw)
	if raw == "" {
		return nil, errors.New("fetchUpstream returned no URL")
	}
	if !strings.Contains(raw, "://") {
		raw = "http://" + raw
	}
	u, err := url.Parse(raw)
	if err != nil {
		return nil, err
	}
	switch u.Scheme {
	case "http", "https", "h2c", "ws", "wss":
	default:
		return nil, errors.New("fetchUpstream returned a URL with scheme " + u.Scheme + ", expected http, https, h2c, ws or wss")
	}
	if u.Host == "" {
		return nil, errors.New("fetchUpstream returned a URL without a host")
	}
	return u, nil
}
