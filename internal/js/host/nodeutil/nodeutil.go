// Package nodeutil is the module "util": the functions of Node's util that programs
// use most. Those that are about streams, callbacks, the command line and
// deprecation are not here.
package nodeutil

import (
	_ "embed"
	"math"
	"reflect"
	"strings"
	"sync"

	"github.com/dop251/goja"

	"github.com/dgate-io/caddy-dgate/internal/js"
	"github.com/dgate-io/caddy-dgate/internal/js/host/native"
)

// maxText is how long a text of format may get, in bytes.
const maxText = 32 << 20

// Module returns the module. Exports of others, such as TextEncoder, are its own as well.
func Module(others ...js.Export) js.Module {
	return js.Module{Name: "util", Exports: append([]js.Export{
		native.Function("format", 1, func(vm *js.VM, call goja.FunctionCall) goja.Value {
			return vm.Runtime().ToValue(vm.FormatUpTo(call.Arguments, maxText))
		}),
		{Name: "inspect", New: newInspect},
		{Name: "types", New: func(vm *js.VM) goja.Value { return vm.Lazy(types()) }},
		{Name: "promisify", New: script("promisify")},
		{Name: "inherits", New: script("inherits")},
	}, others...)}
}

//go:embed nodeutil.js
var source string

var program = sync.OnceValue(func() *goja.Program { return goja.MustCompile("util", source, true) })

type scriptKey struct{}

// script makes one of the functions that are written in JavaScript.
func script(name string) func(*js.VM) goja.Value {
	return func(vm *js.VM) goja.Value {
		all := vm.Value(scriptKey{}, func(vm *js.VM) any { return native.Eval(vm, program()) }).(*goja.Object)
		return all.Get(name)
	}
}

// newInspect makes inspect(value, options), of which the option depth counts, and
// inspect(value, showHidden, depth).
func newInspect(vm *js.VM) goja.Value {
	fn := vm.Func("inspect", 2, func(call goja.FunctionCall) goja.Value {
		depth := call.Argument(2)
		if options, ok := call.Argument(1).(*goja.Object); ok {
			depth = options.Get("depth")
		}
		return vm.Runtime().ToValue(inspect(vm, call.Argument(0), depth))
	})
	native.Define(vm, fn, "custom", script("custom")(vm))
	return fn
}

func inspect(vm *js.VM, v, depth goja.Value) string {
	switch {
	case goja.IsString(v): // quoted, as inside of something
		return strings.TrimSuffix(strings.TrimPrefix(vm.Inspect(vm.Runtime().NewArray(v)), "[ "), " ]")
	case depth == nil || goja.IsUndefined(depth):
		return vm.Inspect(v)
	case goja.IsNull(depth):
		return vm.InspectDepth(v, math.MaxInt)
	}
	return vm.InspectDepth(v, int(min(depth.ToFloat(), math.MaxInt32)))
}

// types are the tests of util.types.
func types() []js.Export {
	tests := []struct {
		name string
		is   func(obj *goja.Object, t reflect.Type) bool
	}{
		{"isArrayBuffer", func(_ *goja.Object, t reflect.Type) bool { return t == reflect.TypeFor[goja.ArrayBuffer]() }},
		{"isDate", func(obj *goja.Object, _ reflect.Type) bool { return obj.ClassName() == "Date" }},
		{"isMap", func(_ *goja.Object, t reflect.Type) bool { return t == reflect.TypeFor[[][2]any]() }},
		{"isNativeError", func(obj *goja.Object, _ reflect.Type) bool { return obj.ClassName() == "Error" }},
		{"isPromise", func(_ *goja.Object, t reflect.Type) bool { return t == reflect.TypeFor[*goja.Promise]() }},
		{"isProxy", func(_ *goja.Object, t reflect.Type) bool { return t == reflect.TypeFor[goja.Proxy]() }},
		{"isRegExp", func(obj *goja.Object, _ reflect.Type) bool { return obj.ClassName() == "RegExp" }},
		{"isSet", func(obj *goja.Object, t reflect.Type) bool {
			return t == reflect.TypeFor[[]any]() && obj.ClassName() != "Array"
		}},
		{"isTypedArray", func(_ *goja.Object, t reflect.Type) bool { return isTyped(t) }},
		{"isUint8Array", func(obj *goja.Object, t reflect.Type) bool {
			return isTyped(t) && native.Text(obj.GetSymbol(goja.SymToStringTag)) == "Uint8Array"
		}},
	}
	exports := make([]js.Export, len(tests))
	for i, test := range tests {
		exports[i] = native.Function(test.name, 1, func(vm *js.VM, call goja.FunctionCall) goja.Value {
			obj, ok := call.Argument(0).(*goja.Object)
			return vm.Runtime().ToValue(ok && test.is(obj, obj.ExportType()))
		})
	}
	return exports
}

func isTyped(t reflect.Type) bool {
	return t != nil && t.Kind() == reflect.Slice && t.Elem().Kind() >= reflect.Int8 && t.Elem().Kind() <= reflect.Float64
}
