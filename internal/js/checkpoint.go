package js

import (
	"errors"

	"github.com/dop251/goja"
)

// goja looks for an interrupt between two instructions of a script, so a native
// function that loops is not interrupted: [].indexOf on an array whose length is
// four billion looks at every element. What such loops have in common is that
// they ask for elements that are not there or that they draw from an iterator,
// and both can be made to come by here.

// stopped is what a native panics with if its script was interrupted.
type stopped struct{ stack []goja.StackFrame }

func (*stopped) Error() string { return "interrupted" }

// checkpoint stops the script if the watchdog has interrupted it. Natives that
// may go on for long call it. It is one read.
func (vm *VM) checkpoint() {
	if vm.halt.Load() {
		panic(&stopped{vm.rt.CaptureCallStack(0, nil)})
	}
}

// holes is between Array.prototype and Object.prototype. It has nothing, and is
// asked for all that an array does not have, every hole among it. All it has are the
// methods that were hidden, until they are asked for.
type holes struct{ vm *VM }

func (h holes) Get(name string) goja.Value  { h.vm.checkpoint(); return h.vm.reveal(name) }
func (h holes) Has(name string) bool        { h.vm.checkpoint(); return h.vm.hidden(name) }
func (h holes) Set(string, goja.Value) bool { return false }
func (h holes) Delete(string) bool          { return true }
func (h holes) Keys() []string              { return nil }

// installHoles puts holes into its place.
func (vm *VM) installHoles(array *goja.Object) error {
	return array.SetPrototype(vm.rt.NewDynamicObject(holes{vm}))
}

// installIterators makes the iterators of arrays and of strings come by a
// checkpoint at each step.
func (vm *VM) installIterators() error {
	var errs []error
	for _, v := range [...]goja.Value{vm.rt.NewArray(), vm.rt.ToValue("")} {
		values := v.ToObject(vm.rt).GetSymbol(goja.SymIterator)
		errs = append(errs, vm.installIterator(native(values)(goja.FunctionCall{This: v})))
	}
	return errors.Join(errs...)
}

// installIterator does so for the iterators that one belongs to.
func (vm *VM) installIterator(one goja.Value) error {
	return vm.limit(one.(*goja.Object).Prototype(), "next", func(string, *goja.FunctionCall) { vm.checkpoint() })
}

// native returns the Go function that one of goja's own functions is. It throws
// by panicking, as all natives do.
func native(v goja.Value) func(goja.FunctionCall) goja.Value {
	return v.Export().(func(goja.FunctionCall) goja.Value)
}
