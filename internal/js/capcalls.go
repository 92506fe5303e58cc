package js

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/dop251/goja"
)

// maxArguments is how many arguments a function can be given as an array.
const maxArguments = 1_000_000

// arrayMethods are those that look at every index below the length of what they
// are called on, be it an array or not. On arrays, holes stop them.
var arrayMethods = map[string]bool{
	"concat": true, "copyWithin": true, "every": true, "fill": true, "filter": true, "find": true, "findIndex": true,
	"findLast": true, "findLastIndex": true, "flatMap": true, "forEach": true, "includes": true, "indexOf": true,
	"lastIndexOf": true, "map": true, "reduce": true, "reduceRight": true, "reverse": true, "shift": true,
	"slice": true, "some": true, "splice": true, "toLocaleString": true, "unshift": true,
	"entries": true, "keys": true, "values": true,
}

// detachedMethod finds such methods where they are taken from an array rather than
// called on it: they can become methods of something else. "keys" and the like
// are mostly properties of other things, and cost little.
var detachedMethod = regexp.MustCompile(`\.(` + strings.Join(slices.Sorted(maps.Keys(arrayMethods)), "|") + `)\s*[^\w\s(?.$:]`)

// detached returns the names of those that a script takes from an array.
func detached(code []byte) []string {
	var names []string
	for _, m := range detachedMethod.FindAllSubmatch(code, -1) {
		if name := string(m[1]); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// capDetached limits what such methods can be called on.
func (vm *VM) capDetached(array *goja.Object) error {
	return vm.limitAll(array, func(name string, call *goja.FunctionCall) {
		if obj, ok := call.This.(*goja.Object); ok && obj.ClassName() != "Array" {
			vm.capLength(name, obj)
		}
	}, vm.prog.features.detached...)
}

// capCalls limits what functions can be called on and with by way of
// Function.prototype.
func (vm *VM) capCalls() error {
	proto := vm.rt.ToValue(vm.flat).(*goja.Object).Prototype()
	receiver := func(_ string, call *goja.FunctionCall) { vm.checkReceiver(call.This, call.Argument(0)) }
	return errors.Join(
		vm.limitDepth(proto, "call", receiver),
		vm.limitDepth(proto, "apply", func(name string, call *goja.FunctionCall) {
			receiver(name, call)
			vm.checkArguments(call.Argument(1))
		}),
		vm.limit(proto, "bind", receiver))
}

// newReflect makes Reflect, which can do the same.
func newReflect(vm *VM) goja.Value {
	obj := vm.builtin("Reflect")
	_ = vm.limitDepth(obj, "apply", func(_ string, call *goja.FunctionCall) {
		vm.checkReceiver(call.Argument(0), call.Argument(1))
		vm.checkArguments(call.Argument(2))
	})
	_ = vm.limit(obj, "setPrototypeOf", func(_ string, call *goja.FunctionCall) { vm.checkPrototype(call.Argument(1)) })
	_ = vm.limit(obj, "ownKeys", vm.checkText)
	_ = vm.limit(obj, "construct", func(_ string, call *goja.FunctionCall) { vm.checkArguments(call.Argument(1)) })
	return obj
}

// checkArguments refuses lists of arguments that are too long.
func (vm *VM) checkArguments(list goja.Value) {
	if obj, ok := list.(*goja.Object); ok {
		if n := obj.Get("length"); n != nil && n.ToFloat() > maxArguments {
			vm.Throw(&RangeError{fmt.Sprintf("more than %d arguments", maxArguments)})
		}
	}
}

// checkReceiver refuses to call a method of arrays on something that is no array
// and says that it has too many elements.
func (vm *VM) checkReceiver(fn, this goja.Value) {
	obj, ok := this.(*goja.Object)
	if !ok || obj.ClassName() == "Array" {
		return
	}
	if f, ok := fn.(*goja.Object); ok {
		if name := f.Get("name"); name != nil && arrayMethods[name.String()] {
			vm.capLength(name.String(), obj)
		}
	}
}

// capPrototypes keeps proxies out of the prototypes of objects that exist
// already. A proxy whose target or handler inherits from it would look up a
// property without end, and without any script in between.
func (vm *VM) capPrototypes() error {
	object := vm.builtin("Object")
	proto := object.Get("prototype").(*goja.Object)
	describe := native(object.Get("getOwnPropertyDescriptor"))
	accessor := describe(goja.FunctionCall{Arguments: []goja.Value{proto, vm.rt.ToValue("__proto__")}}).(*goja.Object)
	if err := vm.limit(accessor, "set", func(_ string, call *goja.FunctionCall) { vm.checkPrototype(call.Argument(0)) }); err != nil {
		return err
	}
	if err := proto.DefineAccessorProperty("__proto__", accessor.Get("get"), accessor.Get("set"), goja.FLAG_TRUE, goja.FLAG_FALSE); err != nil {
		return err
	}
	return vm.limit(object, "setPrototypeOf", func(_ string, call *goja.FunctionCall) { vm.checkPrototype(call.Argument(1)) })
}

// checkPrototype refuses prototypes that are proxies or inherit from one.
func (vm *VM) checkPrototype(v goja.Value) {
	for obj, _ := v.(*goja.Object); obj != nil; obj = obj.Prototype() {
		if obj.ExportType() == proxyType {
			vm.ThrowType("a proxy cannot be made the prototype of an object that exists already")
		}
	}
}
