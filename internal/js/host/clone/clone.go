// Package clone is the global structuredClone. It copies what the language itself
// has; objects of the host, such as requests and keys, cannot be cloned.
package clone

import (
	_ "embed"
	"reflect"
	"sync"

	"github.com/dop251/goja"

	"github.com/dgate-io/caddy-dgate/internal/js"
	"github.com/dgate-io/caddy-dgate/internal/js/host/domexception"
	"github.com/dgate-io/caddy-dgate/internal/js/host/native"
)

// Global returns the global.
func Global() js.Global { return js.Global{Name: "structuredClone", New: structuredClone} }

//go:embed clone.js
var source string

var program = sync.OnceValue(func() *goja.Program { return goja.MustCompile("structuredClone", source, true) })

func structuredClone(vm *js.VM) goja.Value {
	fn := func(name string, fn func(*js.VM, goja.Value) goja.Value) goja.Value {
		return vm.Func(name, 1, func(call goja.FunctionCall) goja.Value { return fn(vm, call.Argument(0)) })
	}
	install := native.Callback(vm, "structuredClone", native.Eval(vm, program()))
	return native.Invoke(install, goja.Undefined(), fn("classify", classify), fn("share", share), fn("detach", detach), fn("refuse", refuse))
}

// classify names what v is to be cloned as.
func classify(vm *js.VM, v goja.Value) goja.Value {
	if kind := kindOf(v); kind != "" {
		return vm.Runtime().ToValue(kind)
	}
	domexception.Throw(vm, "DataCloneError", "structuredClone: a %s cannot be cloned", native.TypeName(v))
	return nil
}

// kindOf is "" for what cannot be cloned.
func kindOf(v goja.Value) string {
	obj, ok := v.(*goja.Object)
	if !ok {
		return ""
	}
	if _, ok := goja.AssertFunction(obj); ok {
		return ""
	}
	class, tag := obj.ClassName(), native.Text(obj.GetSymbol(goja.SymToStringTag))
	switch t := obj.ExportType(); t {
	case reflect.TypeFor[goja.ArrayBuffer]():
		return "ArrayBuffer"
	case reflect.TypeFor[goja.Proxy]():
		return ""
	case reflect.TypeFor[[][2]any]():
		return "Map"
	case reflect.TypeFor[[]any]():
		if class != "Array" {
			return "Set"
		}
	case reflect.TypeFor[map[string]any]():
		switch {
		case tag == "WeakMap", tag == "WeakSet":
			return ""
		case tag == "DataView" && obj.Get("buffer") != nil:
			return tag
		case class == "Error", class == "RegExp", class == "String":
			return class
		}
		return "Object"
	default:
		if t.Kind() == reflect.Slice && t.Elem().Kind() != reflect.Interface {
			return tag // typed arrays
		}
	}
	switch class {
	case "Array", "Date", "RegExp", "Error", "Boolean", "Number", "String":
		return class
	}
	return ""
}

// share is another ArrayBuffer over the same memory.
func share(vm *js.VM, v goja.Value) goja.Value {
	b, ok := vm.Bytes(v)
	if !ok {
		refuse(vm, vm.Runtime().ToValue("an ArrayBuffer was transferred before"))
	}
	return vm.ArrayBuffer(b)
}

// detach takes its memory from an ArrayBuffer.
func detach(_ *js.VM, v goja.Value) goja.Value {
	if b, ok := v.Export().(goja.ArrayBuffer); ok {
		b.Detach()
	}
	return goja.Undefined()
}

func refuse(vm *js.VM, why goja.Value) goja.Value {
	domexception.Throw(vm, "DataCloneError", "structuredClone: %s", why)
	return nil
}
