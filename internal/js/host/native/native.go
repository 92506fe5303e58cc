// Package native has what host packages share to show Go data to scripts without
// reflection: tables of methods whose functions are made on first use, once per
// VM, and small conversions. It knows no module and keeps no state of its own.
package native

import (
	"reflect"

	"github.com/dop251/goja"

	"github.com/dgate-io/caddy-dgate/internal/js"
)

// Method is a function that objects of one kind have. C is what the package keeps per VM.
type Method[C any] struct {
	// Arity is the length that the function shows.
	Arity int
	// Call is the function. It throws by panicking, as goja's natives do.
	Call func(c C, call goja.FunctionCall) goja.Value
}

// Members are the methods of one kind of object on one VM.
type Members[C any] struct {
	// Table are the methods by name, the same on all VMs.
	Table map[string]Method[C]
	made  map[string]*goja.Object
}

// Has tells whether there is a method called name.
func (m *Members[C]) Has(name string) bool {
	_, ok := m.Table[name]
	return ok
}

// Get returns the function called name, or nil if there is none.
func (m *Members[C]) Get(vm *js.VM, c C, name string) goja.Value {
	if fn, ok := m.made[name]; ok {
		return fn
	}
	def, ok := m.Table[name]
	if !ok {
		return nil
	}
	fn := vm.Func(name, def.Arity, func(call goja.FunctionCall) goja.Value { return def.Call(c, call) })
	if m.made == nil {
		m.made = make(map[string]*goja.Object, 4)
	}
	m.made[name] = fn
	return fn
}

// Function is an export of a module, or a global, that is a function.
func Function(name string, arity int, fn func(*js.VM, goja.FunctionCall) goja.Value) js.Export {
	return js.Export{Name: name, New: func(vm *js.VM) goja.Value {
		return vm.Func(name, arity, func(call goja.FunctionCall) goja.Value { return fn(vm, call) })
	}}
}

// Callback is the function that a script gave; anything else throws.
func Callback(vm *js.VM, what string, v goja.Value) goja.Callable {
	fn, ok := goja.AssertFunction(v)
	if !ok {
		vm.ThrowType("%s: expected a function, got %s", what, TypeName(v))
	}
	return fn
}

// Invoke calls back into the script. What the script throws passes through.
func Invoke(fn goja.Callable, this goja.Value, args ...goja.Value) goja.Value {
	v, err := fn(this, args...)
	if err != nil {
		panic(err)
	}
	return v
}

// Construct calls one of the constructors of the global scope.
func Construct(vm *js.VM, name string, args ...goja.Value) goja.Value {
	obj, err := vm.Runtime().New(vm.Runtime().GlobalObject().Get(name), args...)
	if err != nil {
		panic(err)
	}
	return obj
}

// Iterator makes a function for Symbol.iterator out of one that returns an array.
func Iterator(vm *js.VM, entries func(goja.FunctionCall) goja.Value) *goja.Object {
	return vm.Func("[Symbol.iterator]", 0, func(call goja.FunctionCall) goja.Value {
		list, ok := entries(call).(*goja.Object)
		if !ok {
			return goja.Undefined()
		}
		return Iterate(vm, list)
	})
}

// Iterate returns an iterator over an array.
func Iterate(vm *js.VM, list *goja.Object) goja.Value {
	return Invoke(Callback(vm, "Array.prototype.values", list.Get("values")), list)
}

// Strings is an array of strings.
func Strings(vm *js.VM, list []string) goja.Value {
	items := make([]any, len(list))
	for i, s := range list {
		items[i] = s
	}
	return vm.Runtime().NewArray(items...)
}

// Missing tells whether v is undefined, null or absent.
func Missing(v goja.Value) bool {
	return v == nil || goja.IsUndefined(v) || goja.IsNull(v)
}

// Text is v as a string, empty for undefined and null.
func Text(v goja.Value) string {
	if Missing(v) {
		return ""
	}
	return v.String()
}

// IsPromise tells whether v is a promise of the language.
func IsPromise(v goja.Value) bool {
	obj, ok := v.(*goja.Object)
	return ok && obj.ExportType() == reflect.TypeFor[*goja.Promise]()
}

// Catch has fn called with what a promise of the language is rejected with.
func Catch(vm *js.VM, promise goja.Value, fn func(reason goja.Value)) {
	obj, _ := promise.(*goja.Object)
	Invoke(Callback(vm, "Promise.prototype.catch", obj.Get("catch")), obj, vm.Func("catch", 1, func(call goja.FunctionCall) goja.Value {
		fn(call.Argument(0))
		return goja.Undefined()
	}))
}

// class names what kind of object obj is.
func class(obj *goja.Object) string {
	name := obj.ClassName()
	if name == "Object" { // which goja also says of everything newer than ES5
		if tag := obj.GetSymbol(goja.SymToStringTag); goja.IsString(tag) {
			return tag.String()
		}
	}
	return name
}

// TypeName names the type of v for messages: the class of an object, else what
// typeof says.
func TypeName(v goja.Value) string {
	switch x := v.(type) {
	case nil:
		return "undefined"
	case *goja.Object:
		return class(x)
	case *goja.Symbol:
		return "symbol"
	}
	switch {
	case goja.IsUndefined(v):
		return "undefined"
	case goja.IsNull(v):
		return "null"
	case goja.IsString(v):
		return "string"
	case goja.IsNumber(v):
		return "number"
	}
	return "boolean"
}
