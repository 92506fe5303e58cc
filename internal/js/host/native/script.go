package native

import (
	"github.com/dop251/goja"

	"github.com/dgate-io/caddy-dgate/internal/js"
)

// Eval runs a piece of JavaScript that a host package has compiled, once per
// process, and returns what it evaluates to.
func Eval(vm *js.VM, program *goja.Program) goja.Value {
	v, err := vm.Runtime().RunProgram(program)
	if err != nil {
		vm.Throw(err)
	}
	return v
}

// Define sets a property that is not enumerable, as those of classes are.
func Define(vm *js.VM, obj *goja.Object, name string, v goja.Value) {
	if err := obj.DefineDataProperty(name, v, goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_FALSE); err != nil {
		vm.Throw(err)
	}
}

// Truthy tells whether v counts as true; absent values do not.
func Truthy(v goja.Value) bool { return v != nil && v.ToBoolean() }

// Set sets a property as scripts do.
func Set(vm *js.VM, obj *goja.Object, name string, v goja.Value) {
	if err := obj.Set(name, v); err != nil {
		vm.Throw(err)
	}
}
