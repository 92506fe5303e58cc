package js

import (
	"os"
	"slices"
	"strings"

	"github.com/dop251/goja"
)

// builtinGlobals are the globals of the engine itself. Those of Options with
// the same name replace them.
var builtinGlobals []Export

func init() {
	builtinGlobals = []Export{
		{"globalThis", newGlobalThis},
		{"self", newGlobalThis},
		{"global", newGlobalThis},
		{"console", newConsole},
		{"process", newProcess},
		{"DataView", newDataView},
		{"JSON", newJSON},
		{"Reflect", newReflect},
		{"RegExp", newRegExp},
		{"queueMicrotask", newQueueMicrotask},
		{"setTimeout", newTimer("setTimeout", true, false)},
		{"setInterval", newTimer("setInterval", true, true)},
		{"setImmediate", newTimer("setImmediate", false, false)},
		{"clearTimeout", newClearTimer("clearTimeout")},
		{"clearInterval", newClearTimer("clearInterval")},
		{"clearImmediate", newClearTimer("clearImmediate")},
	}
	for _, name := range [...]string{"encodeURI", "encodeURIComponent", "escape"} {
		builtinGlobals = append(builtinGlobals, Export{name, newEncode(name)})
	}
	for _, name := range bufferNames {
		builtinGlobals = append(builtinGlobals, Export{name, newBuffer(name)})
	}
}

// globalNames is the prototype of the global object. What is asked of it is
// made, or taken from the global object that goja made, and then defined on the
// global object itself, so that it is asked once. Thus nothing that a script
// does not use costs anything, and goja's own global object is out of reach.
type globalNames struct {
	vm       *VM
	original *goja.Object
}

func (g globalNames) Get(key string) goja.Value {
	if unsupported(key) {
		return nil
	}
	var v goja.Value
	if x := g.vm.engine.globals[key]; x != nil {
		v = x.New(g.vm)
	} else {
		v = g.original.Get(key)
	}
	if v == nil {
		return nil
	}
	changeable := goja.FLAG_TRUE
	if key == "undefined" || key == "NaN" || key == "Infinity" {
		changeable = goja.FLAG_FALSE
	}
	_ = g.vm.rt.GlobalObject().DefineDataProperty(key, v, changeable, changeable, goja.FLAG_FALSE)
	return v
}

// Set is called when a script assigns to a global that is not made yet.
func (g globalNames) Set(key string, v goja.Value) bool {
	return g.vm.rt.GlobalObject().DefineDataProperty(key, v, goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_TRUE) == nil
}

// Has does not ask the original for its value, which would make it.
func (g globalNames) Has(key string) bool {
	return g.vm.engine.globals[key] != nil || !unsupported(key) && slices.Contains(g.original.GetOwnPropertyNames(), key)
}

func (g globalNames) Delete(string) bool { return true }
func (g globalNames) Keys() []string     { return nil }

// installGlobals prepares the global scope.
func (vm *VM) installGlobals() error {
	original := vm.rt.GlobalObject()
	vm.original = original
	names := vm.rt.NewDynamicObject(globalNames{vm, original})
	g := vm.rt.CreateObject(names)
	vm.rt.SetGlobalObject(g)
	if err := vm.installCaps(); err != nil {
		return err
	}
	return vm.installPolyfills()
}

// builtin returns one of goja's own globals, whatever the script has put in its place.
func (vm *VM) builtin(name string) *goja.Object {
	obj, _ := vm.original.Get(name).(*goja.Object)
	return obj
}

func newGlobalThis(vm *VM) goja.Value { return vm.rt.GlobalObject() }

// newJSON makes JSON, with another parse and stringify.
func newJSON(vm *VM) goja.Value {
	obj := vm.builtin("JSON")
	original, _ := goja.AssertFunction(obj.Get("parse"))
	_ = obj.DefineDataProperty("parse", vm.newJSONParse(original), goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_FALSE)
	_ = obj.DefineDataProperty("stringify", vm.newJSONStringify(), goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_FALSE)
	return obj
}

// unsupported reports whether a global of goja's is kept from scripts: those of
// BigInt, which bundle refuses the literals of.
func unsupported(name string) bool { return strings.HasPrefix(name, "Big") }

// newDataView makes DataView, without what reads BigInt.
func newDataView(vm *VM) goja.Value {
	obj := vm.builtin("DataView")
	if proto, ok := obj.Get("prototype").(*goja.Object); ok {
		for _, name := range [...]string{"getBigInt64", "getBigUint64", "setBigInt64", "setBigUint64"} {
			_ = proto.Delete(name)
		}
	}
	return obj
}

// newProcess makes process, which has nothing but env and host.
func newProcess(vm *VM) goja.Value {
	p := vm.rt.NewObject()
	env := vm.rt.NewObject()
	if vm.engine.env != nil {
		for name, value := range vm.engine.env(vm.ctx) {
			_ = env.Set(name, value)
		}
	}
	_ = p.Set("env", env)
	if name, err := os.Hostname(); err == nil {
		_ = p.Set("host", name)
	}
	return p
}

// newQueueMicrotask makes queueMicrotask.
func newQueueMicrotask(vm *VM) goja.Value {
	return vm.Func("queueMicrotask", 1, func(call goja.FunctionCall) goja.Value {
		fn, ok := goja.AssertFunction(call.Argument(0))
		if !ok {
			vm.ThrowType("queueMicrotask: the callback must be a function")
		}
		p, resolve, _ := vm.NewPromise()
		then, _ := goja.AssertFunction(p.(*goja.Object).Get("then"))
		must(then(p, vm.rt.ToValue(func(goja.FunctionCall) goja.Value {
			must(fn(goja.Undefined()))
			return goja.Undefined()
		})))
		resolve(goja.Undefined())
		return goja.Undefined()
	})
}
