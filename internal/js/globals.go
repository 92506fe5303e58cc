package js

import (
	"github.com/dop251/goja"
)

// builtinGlobals are the globals of the engine itself. Those of Options with
// the same name replace them.
var builtinGlobals []Export

func init() {
	builtinGlobals = []Export{
		{"console", newConsole},
		{"process", newProcess},
		{"self", global},
		{"global", global},
		{"queueMicrotask", newQueueMicrotask},
		{"setTimeout", newTimer("setTimeout", true, false)},
		{"setInterval", newTimer("setInterval", true, true)},
		{"setImmediate", newTimer("setImmediate", false, false)},
		{"clearTimeout", newClearTimer("clearTimeout")},
		{"clearInterval", newClearTimer("clearInterval")},
		{"clearImmediate", newClearTimer("clearImmediate")},
	}
}

// globalNames is the prototype of the global object. What is asked of it is
// made, and defined on the global object itself, so that it is asked once.
type globalNames struct{ vm *VM }

func (g globalNames) Get(key string) goja.Value {
	x := g.vm.engine.globals[key]
	if x == nil {
		return nil
	}
	v := x.New(g.vm)
	_ = g.vm.rt.GlobalObject().DefineDataProperty(key, v, goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_FALSE)
	return v
}

// Set is called when a script assigns to a global that is not made yet.
func (g globalNames) Set(key string, v goja.Value) bool {
	return g.vm.rt.GlobalObject().DefineDataProperty(key, v, goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_TRUE) == nil
}

func (g globalNames) Has(key string) bool { return g.vm.engine.globals[key] != nil }
func (g globalNames) Delete(string) bool  { return true }
func (g globalNames) Keys() []string      { return nil }

// installGlobals prepares the global scope.
func (vm *VM) installGlobals() error {
	g := vm.rt.GlobalObject()
	names := vm.rt.NewDynamicObject(globalNames{vm})
	if err := names.SetPrototype(g.Prototype()); err != nil {
		return err
	}
	if err := g.SetPrototype(names); err != nil {
		return err
	}
	if vm.prog.features.json {
		return vm.installJSON()
	}
	return nil
}

// installJSON replaces JSON.parse.
func (vm *VM) installJSON() error {
	obj := vm.rt.Get("JSON").(*goja.Object)
	original, _ := goja.AssertFunction(obj.Get("parse"))
	return obj.DefineDataProperty("parse", vm.newJSONParse(original), goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_FALSE)
}

func global(vm *VM) goja.Value { return vm.rt.GlobalObject() }

// newProcess makes process, which has nothing but env.
func newProcess(vm *VM) goja.Value {
	p := vm.rt.NewObject()
	env := vm.rt.NewObject()
	if vm.engine.env != nil {
		for name, value := range vm.engine.env() {
			_ = env.Set(name, value)
		}
	}
	_ = p.Set("env", env)
	return p
}

// newQueueMicrotask makes queueMicrotask.
func newQueueMicrotask(vm *VM) goja.Value {
	return vm.Func("queueMicrotask", 1, func(call goja.FunctionCall) goja.Value {
		fn, ok := goja.AssertFunction(call.Argument(0))
		if !ok {
			vm.ThrowType("queueMicrotask: the callback must be a function")
		}
		p, resolve, _ := vm.rt.NewPromise()
		obj := vm.rt.ToValue(p).(*goja.Object)
		then, _ := goja.AssertFunction(obj.Get("then"))
		run := func(goja.FunctionCall) goja.Value {
			if _, err := fn(goja.Undefined()); err != nil {
				panic(err)
			}
			return goja.Undefined()
		}
		if _, err := then(obj, vm.rt.ToValue(run)); err != nil {
			panic(err)
		}
		_ = resolve(goja.Undefined())
		return goja.Undefined()
	})
}
