// Package abort has the web's AbortController and AbortSignal, and as much of Event
// and EventTarget as these need: events do not bubble. They are written in
// JavaScript, which a VM runs when it first needs one; Go code can listen to signals.
package abort

import (
	"context"
	_ "embed" // for the source
	"sync"

	"github.com/dop251/goja"

	"github.com/dgate-io/caddy-dgate/internal/js"
	"github.com/dgate-io/caddy-dgate/internal/js/host/domexception"
	"github.com/dgate-io/caddy-dgate/internal/js/host/native"
)

//go:embed abort.js
var code string

var program = sync.OnceValue(func() *goja.Program { return goja.MustCompile("AbortSignal", code, true) })

// Globals are the classes.
func Globals() []js.Global {
	var globals []js.Global
	for _, name := range []string{"AbortController", "AbortSignal", "Event", "EventTarget"} {
		globals = append(globals, js.Global{Name: name, New: func(vm *js.VM) goja.Value { return classesOf(vm).get().Get(name) }})
	}
	return globals
}

// classes are those of one VM.
type classes struct {
	vm   *js.VM
	made *goja.Object // nil until one is needed
}

type classesKey struct{}

func classesOf(vm *js.VM) *classes {
	return vm.Value(classesKey{}, func(vm *js.VM) any { return &classes{vm: vm} }).(*classes)
}

func (c *classes) get() *goja.Object {
	if c.made == nil {
		host := c.vm.Lazy([]js.Export{
			{Name: "setTimeout", New: func(vm *js.VM) goja.Value { return vm.Runtime().Get("setTimeout") }},
			native.Function("exception", 2, func(vm *js.VM, call goja.FunctionCall) goja.Value {
				return domexception.New(vm, call.Argument(0).String(), call.Argument(1).String())
			}),
			native.Function("call", 0, func(vm *js.VM, _ goja.FunctionCall) goja.Value { return vm.Runtime().ToValue(vm.Call()) }),
		})
		fn := native.Callback(c.vm, "AbortSignal", native.Eval(c.vm, program()))
		c.made = native.Invoke(fn, goja.Undefined(), host).ToObject(c.vm.Runtime())
	}
	return c.made
}

func (c *classes) call(name string, args ...goja.Value) goja.Value {
	return native.Invoke(native.Callback(c.vm, name, c.get().Get(name)), goja.Undefined(), args...)
}

// New returns a signal that only Abort aborts.
func New(vm *js.VM) *goja.Object { return classesOf(vm).call("create").ToObject(vm.Runtime()) }

// Abort aborts a signal with an AbortError as the reason.
func Abort(vm *js.VM, signal *goja.Object) { classesOf(vm).call("abort", signal) }

// Signal is the AbortSignal that v is; anything else throws. what stands in front of
// the message.
func Signal(vm *js.VM, what string, v goja.Value) *goja.Object {
	c := classesOf(vm)
	if obj, ok := v.(*goja.Object); ok && c.made != nil && c.call("is", obj).ToBoolean() {
		return obj
	}
	vm.ThrowType("%s: signal must be an AbortSignal, got %s", what, native.TypeName(v))
	return nil
}

// Aborted tells whether a signal has been aborted, and why.
func Aborted(signal *goja.Object) (reason goja.Value, aborted bool) {
	if !native.Truthy(signal.Get("aborted")) {
		return nil, false
	}
	return signal.Get("reason"), true
}

// Listen has fn called, on the goroutine of the VM, when the running call aborts a
// signal, unless ctx is done by then. What is left of ended ones is dropped when
// others listen.
func Listen(ctx context.Context, vm *js.VM, signal *goja.Object, fn func(reason goja.Value)) {
	run := vm.Func("abort", 1, func(call goja.FunctionCall) goja.Value {
		fn(call.Argument(0))
		return goja.Undefined()
	})
	over := vm.Func("over", 0, func(goja.FunctionCall) goja.Value { return vm.Runtime().ToValue(ctx.Err() != nil) })
	classesOf(vm).call("listen", signal, run, over)
}
