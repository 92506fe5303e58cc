package js

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/dop251/goja"
)

var errTimers = errors.New("too many timers")

// maxAsync is how many operations a call may wait for at a time. Each has a goroutine.
const maxAsync = 1000

var errAsync = &RangeError{fmt.Sprintf("more than %d operations at a time: await some of them first", maxAsync)}

// Async runs work on a goroutine of its own, under the context of the call,
// and returns a promise. When work returns, the promise is fulfilled on the
// loop with convert(v), or rejected with the error; a panic in work rejects
// it too. If the call ends before, the context is cancelled and the result
// dropped. The position of what it was rejected with is that of the call of Async.
// A call that waits for too many operations already gets a rejected promise.
func Async[T any](vm *VM, work func(context.Context) (T, error), convert func(*VM, T) goja.Value) goja.Value {
	p, resolve, reject := vm.NewPromise()
	if vm.loop.pending >= maxAsync {
		reject(vm.Error(errAsync))
		return p
	}
	caller := vm.caller()
	settle := vm.Pending()
	ctx := vm.Context()
	go func() {
		v, err := recovered(ctx, work)
		settle(func() {
			if err != nil {
				obj := vm.Error(err)
				vm.calledAt(obj, caller)
				reject(obj)
				return
			}
			var out goja.Value
			if ex := vm.rt.Try(func() { out = convert(vm, v) }); ex != nil {
				reject(ex.Value())
				return
			}
			resolve(out)
		})
	}()
	return p
}

// recovered calls work; a panic becomes an error.
func recovered[T any](ctx context.Context, work func(context.Context) (T, error)) (v T, err error) {
	defer func() {
		if x := recover(); x != nil {
			err = &goError{x, debug.Stack()}
		}
	}()
	return work(ctx)
}

// NewPromise returns a promise and the functions that settle it, which must be
// called on the loop and with a value, not nil. Unlike those of
// goja.Runtime.NewPromise they return no error to check: a script that is
// interrupted in a reaction fails the call.
func (vm *VM) NewPromise() (promise goja.Value, resolve, reject func(goja.Value)) {
	p, res, rej := vm.rt.NewPromise()
	return vm.rt.ToValue(p), vm.settler(res), vm.settler(rej)
}

func (vm *VM) settler(settle func(any) error) func(goja.Value) {
	return func(v goja.Value) {
		if v == nil {
			v = goja.Undefined()
		}
		if err := settle(v); err != nil {
			vm.run.fail(vm.failure(err, Throw))
		}
	}
}

// Blocking calls fn, a Go function that takes time, on this goroutine, without
// counting that time as computing. fn must not use the VM. It should return
// when VM.Context ends.
func (vm *VM) Blocking(fn func()) {
	if vm.slot.since.Load() == 0 { // not called by a script
		fn()
		return
	}
	used, _ := vm.slot.leave()
	before := vm.slot.dog.wallNow.Load()
	defer func() {
		if vm.slot.dog.wallNow.Load()-before > 1 {
			used = 0 // the script has really waited
		}
		vm.slot.enter(used)
	}()
	fn()
}

// minWork is from how many bytes on Go work is told from computing.
const minWork = 32 << 10

// Work calls fn, which goes through size bytes for the script and does not run
// any script, on this goroutine. If that is 32 KiB or more, the time does not count as
// computing; the time limit, the heap and the caller's context are watched as
// always. Unlike that of Blocking, fn may use the VM, and may throw. What takes more than
// a few microseconds per KiB does not belong here, but in Async.
func (vm *VM) Work(size int, fn func()) {
	if size < minWork || vm.slot.working || vm.slot.since.Load() == 0 {
		fn()
		return
	}
	vm.slot.work(fn)
}

// protect calls fn; what it panics with becomes an error.
func (vm *VM) protect(fn func()) (err error) {
	defer func() {
		if x := recover(); x != nil { // interrupts and overflows pass through Try
			err = panicError(x)
		}
	}()
	if ex := vm.rt.Try(fn); ex != nil {
		return ex
	}
	return nil
}

// Error returns err as a JavaScript error object: a TypeError, SyntaxError
// or RangeError for errors of those types, what was thrown for an exception of this VM, what
// its method Object(*VM) *goja.Object returns for an error that has one, else
// an Error. If err has a method Name() string, that is the object's name.
// Where such an object comes out of the call again, its cause is err.
func (vm *VM) Error(err error) *goja.Object {
	var (
		te    *TypeError
		se    *SyntaxError
		re    *RangeError
		ex    *goja.Exception
		named interface{ Name() string }
		own   interface{ Object(*VM) *goja.Object }
		obj   *goja.Object
	)
	switch {
	case errors.As(err, &ex):
		if thrown, ok := ex.Value().(*goja.Object); ok {
			return thrown
		}
		obj = vm.newError("Error", ex.Value().String())
	case errors.As(err, &own):
		obj = own.Object(vm)
		vm.remember(obj, err)
		return obj
	case errors.As(err, &te):
		obj = vm.newError("TypeError", err.Error())
	case errors.As(err, &se):
		obj = vm.newError("SyntaxError", err.Error())
	case errors.As(err, &re):
		obj = vm.newError("RangeError", err.Error())
	default:
		obj = vm.newError("Error", err.Error())
	}
	if errors.As(err, &named) {
		_ = obj.DefineDataProperty("name", vm.rt.ToValue(named.Name()), goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_FALSE)
	}
	vm.remember(obj, err)
	return obj
}

// newError constructs one of the built-in errors, even if the script has put
// something else in its place.
func (vm *VM) newError(class, message string) *goja.Object {
	if class == "TypeError" {
		return vm.rt.NewTypeError("%s", message)
	}
	obj, err := vm.rt.New(vm.builtin(class), vm.rt.ToValue(message))
	if err != nil {
		return vm.rt.NewTypeError("%s", message)
	}
	return obj
}

// Throw throws err into the script; see Error for what the script sees. It
// does not return.
func (vm *VM) Throw(err error) { panic(vm.Error(err)) }

// ThrowType throws a TypeError. It does not return.
func (vm *VM) ThrowType(format string, args ...any) {
	panic(vm.rt.NewTypeError("%s", fmt.Sprintf(format, args...)))
}
