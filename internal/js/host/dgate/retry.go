package dgate

import (
	"errors"

	"github.com/dop251/goja"

	"github.com/dgate-io/caddy-dgate/internal/js"
	"github.com/dgate-io/caddy-dgate/internal/js/host/native"
)

// maxRetries bounds how often one retry calls its function.
const maxRetries = 10000

// retrier is one call of retry(n, fn): fn(0), fn(1), … until a result is truthy.
// It is done with the first such result, with null when there was none, or with
// what the last call has thrown. If fn is asynchronous, so is the whole.
type retrier struct {
	vm   *js.VM
	n    int
	fn   goja.Callable
	last goja.Value // what the last call has thrown, or nil
}

func retry(vm *js.VM, call goja.FunctionCall) goja.Value {
	n := call.Argument(0).ToFloat()
	if n != float64(int(n)) || n < 1 || n > maxRetries {
		vm.ThrowType("retry: expected how often to try, from 1 to %d, got %s", maxRetries, call.Argument(0))
	}
	r := &retrier{vm: vm, n: int(n), fn: native.Callback(vm, "retry", call.Argument(1))}
	for i := range r.n {
		v := r.try(i)
		if promise := asPromise(v); promise != nil {
			return r.async(promise, i)
		}
		if v != nil && v.ToBoolean() {
			return v
		}
	}
	if r.last != nil {
		panic(r.last)
	}
	return goja.Null()
}

// try calls fn; nil means that it has thrown.
func (r *retrier) try(i int) goja.Value {
	v, err := r.fn(goja.Undefined(), r.vm.Runtime().ToValue(i))
	r.last = nil
	if err == nil {
		return v
	}
	var thrown *goja.Exception
	if !errors.As(err, &thrown) {
		panic(err) // interrupted: not for retry to catch
	}
	r.last = thrown.Value()
	return nil
}

// async goes on from attempt i, which has returned a promise.
func (r *retrier) async(first *goja.Object, i int) goja.Value {
	promise, resolve, reject := r.vm.NewPromise()
	var step func(p *goja.Object)
	next := func() {
		for i++; i < r.n; i++ {
			v := r.try(i)
			if p := asPromise(v); p != nil {
				step(p)
				return
			}
			if v != nil && v.ToBoolean() {
				resolve(v)
				return
			}
		}
		if r.last != nil {
			reject(r.last)
			return
		}
		resolve(goja.Null())
	}
	fulfilled := r.vm.Func("", 1, func(call goja.FunctionCall) goja.Value {
		if v := call.Argument(0); v.ToBoolean() {
			resolve(v)
		} else {
			r.last = nil
			next()
		}
		return goja.Undefined()
	})
	rejected := r.vm.Func("", 1, func(call goja.FunctionCall) goja.Value {
		r.last = call.Argument(0)
		next()
		return goja.Undefined()
	})
	step = func(p *goja.Object) {
		native.Invoke(native.Callback(r.vm, "retry", p.Get("then")), p, fulfilled, rejected)
	}
	step(first)
	return promise
}

// asPromise is v if it is a promise, else nil.
func asPromise(v goja.Value) *goja.Object {
	if !native.IsPromise(v) {
		return nil
	}
	return v.(*goja.Object)
}
