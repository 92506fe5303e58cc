package js

import (
	"context"
	"errors"
	"reflect"
	"runtime/debug"

	"github.com/dop251/goja"
)

// Run is a call that has been started. It belongs to the goroutine of its VM,
// and must not be used after End: the next call on the VM reuses it.
type Run struct {
	vm      *VM
	hook    string
	used    int64 // ticks of the present stretch
	done    bool
	promise *goja.Promise // what the hook returned, while that is pending
	value   goja.Value
	err     *Error
}

// Start calls the hook with that number (its place in Options.Hooks) and runs
// the script until the hook has settled or waits for something. scope is what
// VM.Scope returns during the call. It does not block, other than by
// computing within the limits.
//
// The hook's this is the default export if the hook is a member of that, else
// undefined. A hook that the program does not have fails with kind NotFunction.
func (vm *VM) Start(ctx context.Context, hook int, scope any, args ...goja.Value) *Run {
	r := vm.begin(ctx, vm.engine.hooks[hook].name, scope)
	if vm.hooks[hook] == nil {
		return r.fail(vm.missing(hook))
	}
	var argv []goja.Value
	if len(args) <= len(vm.args) { // the usual case; args then stays on the caller's stack
		argv = vm.args[:copy(vm.args[:], args)]
	} else {
		argv = append(argv, args...)
	}
	return r.start(vm.hooks[hook], argv)
}

// StartWith is [VM.Start] for a hook whose arguments can only be made in the call:
// args is called as a part of it, on this goroutine.
func (vm *VM) StartWith(ctx context.Context, hook int, scope any, args func() []goja.Value) *Run {
	r := vm.begin(ctx, vm.engine.hooks[hook].name, scope)
	fn := vm.hooks[hook]
	if fn == nil {
		return r.fail(vm.missing(hook))
	}
	return r.start(func(this goja.Value, _ ...goja.Value) (goja.Value, error) { return fn(this, args()...) }, nil)
}

// missing is the error for a hook that the program does not have.
func (vm *VM) missing(hook int) *Error {
	return &Error{Kind: NotFunction, Message: vm.engine.hooks[hook].name + " is not exported"}
}

// begin binds the VM to a call.
func (vm *VM) begin(ctx context.Context, hook string, scope any) *Run {
	if vm.active {
		panic("js: Start before the End of the previous call")
	}
	vm.ctx, vm.scope, vm.active = ctx, scope, true
	vm.call++
	vm.slot.ctx, vm.slot.base, vm.slot.began = ctx, 0, vm.slot.dog.wallNow.Load()
	vm.run = Run{vm: vm, hook: hook}
	return &vm.run
}

// start makes the first call into the script.
func (r *Run) start(fn goja.Callable, args []goja.Value) *Run {
	vm := r.vm
	if vm.dead {
		return r.fail(&Error{Kind: Panic, Message: "the VM has been interrupted before and cannot run any more"})
	}
	if vm.ctx.Err() != nil {
		return r.fail(vm.contextError(vm.ctx))
	}
	vm.slot.enter(0)
	r.first(fn, args)
	r.leave()
	return r
}

// first calls fn, and runs what is ready afterwards. The slot is entered.
func (r *Run) first(fn goja.Callable, args []goja.Value) {
	defer r.catch()
	v, err := fn(goja.Undefined(), args...)
	switch {
	case err != nil:
		r.fail(r.vm.failure(err, Throw))
	case !r.done: // it has not failed inside of a native function
		r.returned(v)
		r.turn()
	}
}

// again runs what has become ready. The slot is entered.
func (r *Run) again() {
	defer r.catch()
	r.turn()
}

// catch is deferred around everything that may run script. It fails the run
// with whatever has come through as a panic.
func (r *Run) catch() {
	if x := recover(); x != nil {
		r.fail(r.vm.worst(x))
	}
}

// panicError turns a recovered panic into an error.
func panicError(x any) error {
	switch x := x.(type) {
	case *goja.InterruptedError:
		return x
	case *goja.StackOverflowError:
		return x
	case *goja.Exception:
		return x
	case *stopped:
		return x
	}
	return &goError{x, debug.Stack()}
}

// worst is failure for a panic. It runs no script.
func (vm *VM) worst(x any) *Error {
	err := panicError(x)
	if ex, ok := errors.AsType[*goja.Exception](err); ok {
		e := &Error{Kind: Throw, Message: "exception", Value: ex.Value()}
		vm.locate(e, ex.Stack())
		return e
	}
	return vm.failure(err, Throw)
}

// invoke calls fn; a Go panic becomes an error.
func (vm *VM) invoke(fn goja.Callable, args []goja.Value) (v goja.Value, err error) {
	defer func() {
		if x := recover(); x != nil {
			v, err = nil, panicError(x)
		}
	}()
	return fn(goja.Undefined(), args...)
}

// leave ends a stretch of script, and fails the run if it was interrupted
// after all script had been left.
func (r *Run) leave() {
	var fired Kind
	if r.used, fired = r.vm.slot.leave(); fired != 0 && !r.vm.dead {
		r.fail(r.vm.interrupted(fired, nil))
	}
}

// returned takes what the hook has returned.
func (r *Run) returned(v goja.Value) {
	if obj, ok := v.(*goja.Object); ok {
		if r.promise = promiseOf(obj); r.promise != nil {
			return
		}
	}
	r.value, r.done = v, true
}

var promiseType = reflect.TypeFor[*goja.Promise]()

// promiseOf returns the promise that obj is, or nil. It does not run script.
func promiseOf(obj *goja.Object) *goja.Promise {
	if obj.ExportType() != promiseType {
		return nil
	}
	p, _ := obj.Export().(*goja.Promise)
	return p
}

// settle looks whether the promise that the run waits for has settled.
func (r *Run) settle() {
	switch p := r.promise; p.State() {
	case goja.PromiseStateFulfilled:
		r.value, r.done = p.Result(), true
	case goja.PromiseStateRejected:
		r.vm.handled(p)
		r.fail(r.vm.thrown(p.Result(), nil, Reject))
	}
}

// turn runs what is ready until the run is done or has to wait. The slot is
// entered.
func (r *Run) turn() {
	vm := r.vm
	for !r.done {
		if r.settle(); r.done {
			return
		}
		if vm.loop.next(vm) {
			continue
		}
		if !vm.loop.outstanding() && !r.done {
			r.fail(&Error{Kind: NeverSettles, Message: "waits for a promise that can never settle"})
		}
		return
	}
}

// Done reports whether the call has settled, failed or been interrupted.
func (r *Run) Done() bool { return r.done }

// Resume runs what has become ready since, without blocking, and returns Done.
func (r *Run) Resume() bool {
	if r.done {
		return true
	}
	if vm := r.vm; vm.Context().Err() != nil {
		r.fail(vm.contextError(vm.own))
	} else if vm.loop.ready() {
		vm.slot.ctx = vm.own
		vm.slot.enter(r.used)
		r.again()
		r.leave()
	}
	return r.done
}

// Wait runs the call until it has settled, its time is up or the caller's
// context ends, and returns what it has settled with. The error is an *Error.
func (r *Run) Wait() (goja.Value, error) { return r.WaitEach(nil) }

// WaitEach is Wait that calls before, if it is not nil, each time it is about to block.
func (r *Run) WaitEach(before func()) (goja.Value, error) {
	for !r.Resume() {
		if before != nil {
			before()
		}
		r.vm.loop.wait(r.vm.own)
		r.used = 0
	}
	if r.err != nil {
		return nil, r.err
	}
	return r.value, nil
}

// End ends the call. It must be called once, when the result is no longer
// needed. What the call is still waiting for is given up: its context is
// cancelled, and completions that come later are dropped.
func (r *Run) End() {
	vm := r.vm
	if !vm.active {
		return
	}
	if r.err != nil && !r.err.touched {
		vm.engine.failed(r.hook, r.err.Kind)
	}
	vm.active, vm.scope, vm.token = false, nil, nil
	if len(vm.rejected) > 0 {
		vm.slot.enter(0)
		vm.logRejected() // which recovers by itself
		if _, fired := vm.slot.leave(); fired != 0 {
			vm.dead = true
		}
	}
	if vm.cancel != nil {
		vm.cancel()
	}
	vm.own, vm.cancel, vm.ctx, vm.slot.ctx = nil, nil, nil, nil
	vm.loop.reset()
	clear(vm.args[:])
	if len(vm.causes) > 0 {
		clear(vm.causes)
		vm.causes = vm.causes[:0]
	}
	r.value, r.promise, r.done = nil, nil, true
	vm.uses++
}
