package gateway

import (
	"errors"
	"maps"
	"net/http"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap/zapcore"

	"github.com/dgate-io/caddy-dgate/internal/hook"
	"github.com/dgate-io/caddy-dgate/internal/js"
)

// runner runs the hooks of one request. It borrows a VM when the first of them is due, and keeps
// it as long as hooks that follow can use it.
type runner struct {
	gateway *Gateway
	names   Names
	w       http.ResponseWriter
	r       *http.Request
	prog    *js.Program
	pool    *js.Pool
	whole   bool // answers must come as a whole
	scope   *hook.Scope
	vm      *js.VM      // borrowed, or nil
	before  http.Header // of the answer, as others have set it

	stats  *moduleStats
	traced bool
	hook   int // that runs, in hook.Hooks
	began  time.Time
	span   trace.Span

	failures []failure // that the log has not been told of
}

// newRunner readies the modules of u for a request. finish must be called.
func (g *Gateway) newRunner(w http.ResponseWriter, r *http.Request, u *unit, names Names, info hook.Info) runner {
	return runner{
		gateway: g, names: names, w: w, r: r, prog: u.prog, pool: u.pool, whole: u.whole,
		scope: hook.NewScope(w, r, info), before: maps.Clone(w.Header()),
		stats: u.stats,
	}
}

// modifyRequest runs requestModifier, if there is one.
func (s *runner) modifyRequest() (answered bool, err error) {
	if !s.prog.Has(hook.RequestModifier) {
		return false, nil
	}
	err = s.run(hook.RequestModifier, func(vm *js.VM) error {
		answered, err = s.scope.RequestModifier(vm)
		return err
	})
	return answered, err
}

// rescue lets errorHandler answer a request that has failed with cause. A *StatusError in the
// chain of cause says what the client gets if it does not.
func (s *runner) rescue(cause error) error {
	status := hookFailure(s.r.Context(), cause)
	upstream := len(s.failures) == 0 // or whatever else is no script
	if s.scope.Answered() {
		if upstream {
			s.logRequest(cause)
		}
		s.report(zapcore.ErrorLevel, tooLate)
		return nil
	}
	s.forget()
	if !s.prog.Has(hook.ErrorHandler) || status.Status == StatusClientClosed || status.Status == http.StatusNotImplemented {
		s.report(zapcore.ErrorLevel, unanswered)
		return status
	}
	var answered bool
	err := s.run(hook.ErrorHandler, func(vm *js.VM) (err error) {
		answered, err = s.scope.ErrorHandler(vm, status.cause())
		return err
	})
	switch {
	case answered:
		if upstream {
			s.logRequest(cause)
		}
		s.report(zapcore.WarnLevel, rescued)
		return nil
	case err != nil:
		status = hookFailure(s.r.Context(), errors.Join(err, cause))
	}
	s.report(zapcore.ErrorLevel, unanswered)
	s.forget()
	return status
}

// run runs a hook on the VM of the request.
func (s *runner) run(hook int, call func(*js.VM) error) error {
	if err := s.borrow(); err != nil {
		return err
	}
	s.begin(hook)
	return s.returned(call(s.vm))
}

// begin notes that a hook is about to run.
func (s *runner) begin(index int) {
	s.hook, s.began = index, time.Now()
	if s.traced {
		_, s.span = startSpan(s.r.Context(), "dgate.hook", trace.SpanKindInternal,
			attribute.String("dgate.hook", hook.Hooks[index].Name), attribute.String("dgate.module", s.names.Module))
	}
}

// ended counts the hook that has run.
func (s *runner) ended(err error) {
	stats := &s.stats.hooks[s.hook]
	stats.Took.Observe(time.Since(s.began))
	if err != nil && s.r.Context().Err() == nil {
		stats.Failures.Add(1)
	}
	endSpan(s.span, err)
	s.span = nil
}

// borrow sees to it that there is a VM.
func (s *runner) borrow() (err error) {
	if s.vm == nil {
		s.vm, err = s.pool.Get(s.r.Context())
	}
	return err
}

// returned takes the error of a hook. A VM that a hook has thrown on is kept for errorHandler,
// which can then see what was thrown. After other failures the VM may be of no use.
func (s *runner) returned(err error) error {
	s.ended(err)
	if err != nil {
		s.failed(err)
	}
	switch js.KindOf(err) {
	case 0, js.Throw, js.Reject:
	default:
		s.release()
	}
	return err
}

// release gives the VM back.
func (s *runner) release() {
	if vm := s.vm; vm != nil {
		s.vm = nil
		s.scope.Linger(func() { s.pool.Put(vm) })
	}
}

// finish gives the VM back, and sends what is left of an answer that needs none. An answer that
// breaks off must not look like a whole one.
func (s *runner) finish() {
	s.release()
	if err := s.scope.SendRest(); err != nil && s.r.Context().Err() == nil {
		s.logBroken(err)
		panic(http.ErrAbortHandler)
	}
}

// forget takes back the headers that scripts have set on an answer that will not be theirs.
func (s *runner) forget() {
	header := s.w.Header()
	clear(header)
	maps.Copy(header, s.before)
}
