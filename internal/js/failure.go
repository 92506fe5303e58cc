package js

import (
	"context"
	"errors"
	"fmt"

	"github.com/dop251/goja"
	"go.uber.org/zap"
)

// fail ends the run with e.
func (r *Run) fail(e *Error) *Run {
	if e.Module == "" {
		e.Module = r.vm.prog.entry
	}
	e.Hook = r.hook
	r.value, r.err, r.done = nil, e, true
	return r
}

// goError is a Go panic as an error.
type goError struct {
	value any
	stack []byte
}

func (p *goError) Error() string { return fmt.Sprint("panic: ", p.value) }

// failure turns an error out of goja into ours. Where the script can no longer
// be trusted to run, the VM is marked.
func (vm *VM) failure(err error, kind Kind) *Error {
	var (
		own         *Error
		gopanic     *goError
		interrupted *goja.InterruptedError
		halted      *stopped
		overflow    *goja.StackOverflowError
		exception   *goja.Exception
	)
	switch {
	case errors.As(err, &interrupted):
		_, fired := vm.slot.leave()
		vm.slot.enter(0)
		return vm.interrupted(fired, interrupted.Stack())
	case errors.As(err, &halted):
		_, fired := vm.slot.leave()
		vm.slot.enter(0)
		return vm.interrupted(fired, halted.stack)
	case errors.As(err, &overflow):
		vm.dead = true
		e := &Error{Kind: Stack, Message: fmt.Sprintf("calls nest deeper than %d", vm.limits.Stack)}
		vm.locate(e, overflow.Stack())
		return e
	case errors.As(err, &gopanic):
		vm.dead = true
		cause, _ := gopanic.value.(error)
		return &Error{Kind: Panic, Message: gopanic.Error(), Stack: string(gopanic.stack), Err: cause}
	case errors.As(err, &exception):
		return vm.thrown(exception.Value(), exception.Stack(), kind)
	case errors.As(err, &own):
		return own
	}
	return &Error{Kind: kind, Message: err.Error(), Err: err}
}

// interrupted returns the error for a limit that was broken.
func (vm *VM) interrupted(kind Kind, stack []goja.StackFrame) *Error {
	vm.dead = true
	e := &Error{Kind: kind}
	switch kind {
	case CPU:
		e.Message = fmt.Sprintf("computed for longer than %s", vm.limits.CPU)
		if vm.outOfTime {
			e.Message = fmt.Sprintf("a regular expression was matched for longer than %s", matchLimit)
		}
	case Heap:
		e.Message = fmt.Sprintf("memory grew by more than %d MiB", vm.limits.Heap>>20)
	case Timeout:
		e.Message = vm.tookLonger()
	case Cancelled:
		e.Message, e.Err = "the caller has gone", context.Canceled
	default:
		e.Kind, e.Message = Cancelled, "interrupted"
	}
	vm.locate(e, stack)
	return e
}

// contextKind tells a time limit from a caller that has gone.
func contextKind(ctx context.Context) Kind {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return Timeout
	}
	return Cancelled
}

// contextError returns the error for a context of the call that is done.
func (vm *VM) contextError(ctx context.Context) *Error {
	e := contextError(ctx)
	if e.Kind == Timeout && ctx == vm.own && vm.ctx.Err() == nil { // the limit is ours, not the caller's
		e.Message = vm.tookLonger()
	}
	return e
}

func (vm *VM) tookLonger() string { return fmt.Sprintf("took longer than %s", vm.limits.Timeout) }

// contextError returns the error for a context that is done.
func contextError(ctx context.Context) *Error {
	if contextKind(ctx) == Timeout {
		return &Error{Kind: Timeout, Message: "took longer than allowed", Err: context.Cause(ctx)}
	}
	return &Error{Kind: Cancelled, Message: "the caller has gone", Err: context.Cause(ctx)}
}

// rejection is goja's promise rejection tracker.
func (vm *VM) rejection(p *goja.Promise, op goja.PromiseRejectionOperation) {
	if op == goja.PromiseRejectionReject {
		vm.rejected = append(vm.rejected, p)
		return
	}
	vm.handled(p)
}

// handled forgets a rejected promise.
func (vm *VM) handled(p *goja.Promise) {
	for i, q := range vm.rejected {
		if p == q {
			vm.rejected = append(vm.rejected[:i], vm.rejected[i+1:]...)
			return
		}
	}
}

// logRejected reports the promises that were rejected in this call and that
// nothing has handled.
func (vm *VM) logRejected() {
	for i, p := range vm.rejected {
		if i == 10 || vm.dead {
			break
		}
		e := vm.thrown(p.Result(), nil, Reject)
		vm.log.Error("unhandled promise rejection",
			zap.String("hook", vm.run.hook), zap.String("error", e.Message), zap.String("stack", e.Stack))
	}
	clear(vm.rejected)
	vm.rejected = vm.rejected[:0]
}
