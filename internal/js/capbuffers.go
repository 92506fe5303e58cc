package js

import (
	"fmt"

	"github.com/dop251/goja"
)

// bufferNames are the constructors that allocate what they are told to.
var bufferNames = []string{
	"ArrayBuffer", "Int8Array", "Uint8Array", "Uint8ClampedArray", "Int16Array", "Uint16Array",
	"Int32Array", "Uint32Array", "Float32Array", "Float64Array",
}

// newBuffer returns a function that makes one of them, with a bound on the size.
func newBuffer(name string) func(*VM) goja.Value {
	return func(vm *VM) goja.Value { return vm.capBuffer(name) }
}

func (vm *VM) capBuffer(name string) goja.Value {
	width := 1.0
	if w := vm.builtin(name).Get("BYTES_PER_ELEMENT"); w != nil {
		width = w.ToFloat()
		vm.capTypedArrays(vm.builtin(name))
	}
	return vm.capConstructor(name, func(call goja.ConstructorCall) {
		n := requested(call.Argument(0))
		if n*width > float64(vm.limits.Heap) {
			vm.Throw(&RangeError{fmt.Sprintf("%s: more than %d bytes", name, vm.limits.Heap)})
		}
		if n > maxElements {
			vm.Throw(&RangeError{fmt.Sprintf("%s: more than %d elements", name, maxElements)})
		}
	})
}

// maxElements is how many elements a typed array may be made with. Several
// built-ins make a key or a value of each.
const maxElements = 32 << 20

// capTypedArrays limits what all typed arrays have in common, which they inherit
// from an object that has no name.
func (vm *VM) capTypedArrays(one *goja.Object) {
	common := one.Get("prototype").(*goja.Object).Prototype()
	if vm.typed {
		return
	}
	vm.typed = true
	_ = vm.capJoin(common)
}

// capConstructor replaces a class by one that lets check look at the arguments first.
func (vm *VM) capConstructor(name string, check func(goja.ConstructorCall)) *goja.Object {
	original := vm.builtin(name)
	construct, _ := goja.AssertConstructor(original)
	capped := vm.rt.ToValue(func(call goja.ConstructorCall) *goja.Object {
		check(call)
		obj, err := construct(call.NewTarget, call.Arguments...)
		if err != nil {
			panic(err)
		}
		return obj
	}).(*goja.Object)
	// Errors cannot happen: the objects are ordinary ones.
	_ = capped.SetPrototype(original.Prototype()) // not original, which would be within reach
	for _, static := range original.GetOwnPropertyNames() {
		if static != "length" {
			_ = capped.DefineDataProperty(static, original.Get(static), goja.FLAG_FALSE, goja.FLAG_FALSE, goja.FLAG_FALSE)
		}
	}
	species := vm.rt.ToValue(func(call goja.FunctionCall) goja.Value { return call.This })
	_ = capped.DefineAccessorPropertySymbol(goja.SymSpecies, species, nil, goja.FLAG_TRUE, goja.FLAG_FALSE)
	proto := original.Get("prototype").(*goja.Object)
	_ = proto.DefineDataProperty("constructor", capped, goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_FALSE)
	return capped
}

// requested returns how many elements a buffer is asked to have.
func requested(v goja.Value) float64 {
	obj, ok := v.(*goja.Object)
	if !ok {
		return v.ToFloat()
	}
	if length := obj.Get("length"); length != nil {
		return length.ToFloat()
	}
	return 0
}
