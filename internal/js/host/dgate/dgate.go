// Package dgate is the module "dgate": fail, sleep, asyncSleep and retry. The other
// modules "dgate/…" also appear on it, as dgate.http and so on; they are packages
// of their own.
package dgate

import (
	"context"
	"math"
	"strings"
	"time"

	"github.com/dop251/goja"

	"github.com/dgate-io/caddy-dgate/internal/js"
	"github.com/dgate-io/caddy-dgate/internal/js/host/native"
)

// Module returns the module. Each of others whose name is "dgate/x" becomes an export x.
func Module(others []js.Module) js.Module {
	exports := []js.Export{
		native.Function("fail", 1, fail),
		native.Function("sleep", 1, sleep),
		native.Function("asyncSleep", 1, asyncSleep),
		native.Function("retry", 2, retry),
	}
	for _, m := range others {
		if name, ok := strings.CutPrefix(m.Name, "dgate/"); ok {
			exports = append(exports, js.Export{Name: name, New: func(vm *js.VM) goja.Value { return namespace(vm, m) }})
		}
	}
	return js.Module{Name: "dgate", Exports: exports}
}

// failure is an error that scripts see as a GoError, which is what fail has always
// thrown; the name is goja's, for errors that come from Go.
type failure string

func (f failure) Error() string { return string(f) }

// Object returns a new GoError.
func (f failure) Object(vm *js.VM) *goja.Object {
	obj, err := vm.Runtime().New(vm.Runtime().Get("GoError"), vm.Runtime().ToValue(string(f)))
	if err != nil {
		vm.Throw(err)
	}
	return obj
}

// fail throws a GoError with the message.
func fail(vm *js.VM, call goja.FunctionCall) goja.Value {
	message := native.Text(call.Argument(0))
	if message == "" {
		message = "failed"
	}
	vm.Throw(failure(message))
	return nil
}

// duration reads a time: a number of seconds or the text of a Go duration.
func duration(vm *js.VM, what string, v goja.Value) time.Duration {
	switch {
	case goja.IsNumber(v):
		seconds := v.ToFloat()
		if math.IsNaN(seconds) {
			vm.ThrowType("%s() requires a number of seconds or a duration like \"200ms\", got NaN", what)
		}
		return time.Duration(min(max(seconds, 0), math.MaxInt32) * float64(time.Second))
	case goja.IsString(v):
		d, err := time.ParseDuration(v.String())
		if err != nil {
			vm.ThrowType("%s(): %q is not a duration, expected one like \"200ms\" or a number of seconds", what, v.String())
		}
		return d
	}
	vm.ThrowType("%s() requires a number or string as a first argument, got %s", what, native.TypeName(v))
	return 0
}

// pause waits, or fails when ctx ends before.
func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// sleep waits, and the script with it.
func sleep(vm *js.VM, call goja.FunctionCall) goja.Value {
	d := duration(vm, "sleep", call.Argument(0))
	ctx := vm.Context()
	var err error
	vm.Blocking(func() { err = pause(ctx, d) })
	if err != nil {
		vm.Throw(err)
	}
	return goja.Undefined()
}

// asyncSleep returns a promise that is fulfilled after the time.
func asyncSleep(vm *js.VM, call goja.FunctionCall) goja.Value {
	d := duration(vm, "asyncSleep", call.Argument(0))
	return js.Async(vm,
		func(ctx context.Context) (struct{}, error) { return struct{}{}, pause(ctx, d) },
		func(*js.VM, struct{}) goja.Value { return goja.Undefined() })
}

// namespace is another module as a property of this one.
func namespace(vm *js.VM, m js.Module) goja.Value { return vm.Lazy(m.Exports) }
