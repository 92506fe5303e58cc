package js

import (
	"errors"
	"fmt"
	"slices"

	"github.com/dop251/goja"
)

const (
	// maxString is how long a string may get in one call of a built-in, in UTF-16 units. Those
	// that make a list of a string, or several strings, take none that is longer.
	maxString = 16 << 20
	// maxNormalized is how long a string may be that is brought into a Unicode normal form, which
	// takes a microsecond per character.
	maxNormalized = 1 << 20
	// maxArray is how many elements one call of a built-in may touch.
	maxArray = 5_000_000
)

// RangeError is an error that Throw turns into a JavaScript RangeError.
type RangeError struct{ Message string }

// Error returns the message.
func (e *RangeError) Error() string { return e.Message }

func tooLong(what string, n int) error {
	return &RangeError{fmt.Sprintf("%s: result is longer than %d", what, n)}
}

// limitation replaces built-ins that can make something huge of something small
// in a single call, which nothing interrupts and which ends the process where
// memory runs out. A function costs 0.75 KiB, and twice that if it calls the
// original, so a VM has only the limitations of what its script names, unless the
// script calls a function under a computed name right where it reads it. Where it
// only reads properties under computed names, which may be functions that it calls
// later, it also has those in capcomputed.go, which are made on first use.
type limitation struct {
	words   []string // one of which the script contains
	install func(vm *VM, string, array *goja.Object) error
	named   bool // whether it is left out unless the script contains one
}

var limitations = []limitation{
	{words: []string{"replace"}, install: func(vm *VM, s, _ *goja.Object) error {
		return errors.Join(vm.capReplace(s, "replace"), vm.capReplace(s, "replaceAll"))
	}},
	{words: []string{"split"}, install: func(vm *VM, s, _ *goja.Object) error { return vm.limit(s, "split", vm.checkSplit) }},
	{words: []string{"match", "search"}, install: func(vm *VM, s, _ *goja.Object) error {
		return vm.limitAll(s, vm.checkSearch, "match", "matchAll", "search")
	}},
	{words: []string{"matchAll"}, install: func(vm *VM, s, _ *goja.Object) error { return vm.installMatchIterator(s) }},
	{words: []string{"normalize", "localeCompare"}, install: func(vm *VM, s, _ *goja.Object) error {
		return vm.limitAll(s, vm.checkNormalized, "normalize", "localeCompare")
	}},
	{words: []string{"concat"}, install: func(vm *VM, s, a *goja.Object) error {
		return errors.Join(vm.limit(s, "concat", vm.checkConcat), vm.limit(a, "concat", vm.checkConcat))
	}},
	{words: []string{"raw"}, install: func(vm *VM, _, _ *goja.Object) error { return vm.limit(vm.builtin("String"), "raw", vm.checkRaw) }},
	{words: []string{"fill"}, install: func(vm *VM, _, a *goja.Object) error { return vm.limit(a, "fill", vm.checkElements) }},
	{words: []string{"map"}, install: func(vm *VM, _, a *goja.Object) error { return vm.limit(a, "map", vm.checkElements) }},
	{words: []string{"sort"}, install: func(vm *VM, _, a *goja.Object) error { return vm.limit(a, "sort", vm.checkElements) }},
	{words: []string{"toSorted", "toReversed", "toSpliced", "with("}, install: func(vm *VM, _, a *goja.Object) error {
		return vm.limitAll(a, vm.checkElements, "toSorted", "toReversed", "toSpliced", "with")
	}},
	{words: []string{"flat"}, install: func(vm *VM, _, a *goja.Object) error { return vm.method(a, "flat", 0, vm.flat) }},
	{words: []string{"from", "Array[", "= Array;", "= Array,"}, install: func(vm *VM, _, _ *goja.Object) error {
		return vm.limit(vm.builtin("Array"), "from", func(name string, call *goja.FunctionCall) { vm.capLength(name, call.Argument(0)) })
	}},
	{words: []string{"apply", "call", "bind"}, install: func(vm *VM, _, _ *goja.Object) error { return vm.capCalls() }},
	{words: []string{"...", " of ", "Set", "Map", "Promise", "from", "] ="}, install: func(vm *VM, _, _ *goja.Object) error { return vm.installIterators() }},
	{words: []string{"Proxy"}, install: func(vm *VM, _, _ *goja.Object) error { return vm.capPrototypes() }},
	{words: []string{"Object.keys", "Object.entries", "Object.values"}, install: func(vm *VM, _, _ *goja.Object) error {
		return vm.limitAll(vm.builtin("Object"), vm.checkText, "keys", "entries", "values")
	}, named: true},
	{words: []string{"Object.getOwn"}, install: func(vm *VM, _, _ *goja.Object) error {
		return vm.limitAll(vm.builtin("Object"), vm.checkText, "getOwnPropertyNames", "getOwnPropertyDescriptors")
	}, named: true},
	{words: []string{"Object.assign", "Object.freeze", "Object.seal"}, install: func(vm *VM, _, _ *goja.Object) error {
		return vm.limitAll(vm.builtin("Object"), vm.checkText, "assign", "freeze", "seal")
	}, named: true},
	{words: []string{"compile"}, install: func(vm *VM, _, _ *goja.Object) error { return vm.regexPrototype().Delete("compile") }},
	{words: []string{".constructor"}, install: func(vm *VM, _, _ *goja.Object) error { vm.rt.GlobalObject().Get("RegExp"); return nil }, named: true},
	// A test that is handed to another built-in, which calls it for each element.
	{words: []string{".test.", ".test,", ".test)"}, install: func(vm *VM, _, _ *goja.Object) error {
		return vm.limit(vm.regexPrototype(), "test", func(string, *goja.FunctionCall) { vm.checkpoint() })
	}, named: true},
	// A built-in that calls itself without any script in between, because the script has put it
	// where it looks for another.
	{words: []string{"join =", "join:"}, install: func(vm *VM, _, a *goja.Object) error { return vm.limitDepth(a, "toString", nil) }, named: true},
	{words: []string{"toLocaleString"}, install: func(vm *VM, _, a *goja.Object) error {
		return errors.Join(vm.limitDepth(a, "toLocaleString", nil), vm.limitDepth(vm.builtin("Object").Get("prototype").(*goja.Object), "toLocaleString", nil))
	}, named: true},
	{words: []string{"message =", "message:", "name =", "name:"}, install: func(vm *VM, _, _ *goja.Object) error {
		return vm.limitDepth(vm.builtin("Error").Get("prototype").(*goja.Object), "toString", nil)
	}, named: true},
}

// installCaps installs the limitations that the script needs, and those of what
// scripts may come by without naming it.
func (vm *VM) installCaps() error {
	str, err := vm.prototype("String")
	if err != nil {
		return err
	}
	arr, err := vm.prototype("Array")
	if err != nil {
		return err
	}
	errs := []error{
		vm.installHoles(arr),
		vm.method(str, "repeat", 1, vm.repeat),
		vm.method(str, "padStart", 1, func(call goja.FunctionCall) goja.Value { return vm.pad("padStart", call, true) }),
		vm.method(str, "padEnd", 1, func(call goja.FunctionCall) goja.Value { return vm.pad("padEnd", call, false) }),
	}
	if !slices.Contains(vm.prog.features.unnamed, "join") { // which every array is made a string with
		errs = append(errs, vm.capJoin(arr))
	}
	for _, l := range vm.prog.features.limitations {
		errs = append(errs, l.install(vm, str, arr))
	}
	errs = append(errs, vm.capDetached(arr), vm.installMatchers(), vm.hideUnnamed(arr))
	return errors.Join(errs...)
}

// limit has check look at the calls of a method first. It throws, and may change
// the call.
func (vm *VM) limit(o *goja.Object, name string, check func(name string, call *goja.FunctionCall)) error {
	fn := o.Get(name).(*goja.Object)
	return vm.limited(o, name, int(fn.Get("length").ToInteger()), native(fn), check)
}

// limited defines a method of which check looks at the calls first.
func (vm *VM) limited(o *goja.Object, name string, arity int, original func(goja.FunctionCall) goja.Value, check func(name string, call *goja.FunctionCall)) error {
	return vm.method(o, name, arity, func(call goja.FunctionCall) goja.Value {
		check(name, &call)
		return original(call)
	})
}

// limitAll is limit for several methods.
func (vm *VM) limitAll(o *goja.Object, check func(name string, call *goja.FunctionCall), names ...string) error {
	var errs []error
	for _, name := range names {
		errs = append(errs, vm.limit(o, name, check))
	}
	return errors.Join(errs...)
}

// limitDepth bounds how deep calls of such methods may nest, whatever is in
// between. goja only counts calls of functions of scripts. check is as for limit,
// and may be nil.
func (vm *VM) limitDepth(o *goja.Object, name string, check func(name string, call *goja.FunctionCall)) error {
	fn := o.Get(name).(*goja.Object)
	original := native(fn)
	return vm.method(o, name, int(fn.Get("length").ToInteger()), func(call goja.FunctionCall) goja.Value {
		if check != nil {
			check(name, &call)
		}
		if vm.nested >= vm.limits.Stack {
			vm.Throw(&RangeError{name + ": calls nest too deep"})
		}
		vm.nested++
		defer func() { vm.nested-- }()
		return original(call)
	})
}

// text is v as a string. goja's ToString leaves numbers and booleans as they are.
func (vm *VM) text(v goja.Value) goja.String {
	v = v.ToString()
	if s, ok := v.(goja.String); ok {
		return s
	}
	return vm.rt.ToValue(v.String()).(goja.String)
}

// thisString returns the string that a method of strings is called on.
func (vm *VM) thisString(method string, call goja.FunctionCall) goja.String {
	if call.This == nil || goja.IsUndefined(call.This) || goja.IsNull(call.This) {
		vm.ThrowType("String.prototype.%s called on null or undefined", method)
	}
	return vm.text(call.This)
}

// capLength throws if v says that it has too many elements.
func (vm *VM) capLength(what string, v goja.Value) {
	obj, ok := v.(*goja.Object)
	if !ok {
		return
	}
	if n := obj.Get("length"); n != nil && n.ToFloat() > maxArray {
		vm.Throw(&RangeError{fmt.Sprintf("%s: more than %d elements", what, maxArray)})
	}
}

// prototype returns the prototype of a built-in class.
func (vm *VM) prototype(class string) (*goja.Object, error) {
	if ctor := vm.builtin(class); ctor != nil {
		if proto, ok := ctor.Get("prototype").(*goja.Object); ok {
			return proto, nil
		}
	}
	return nil, fmt.Errorf("js: no %s.prototype", class)
}

// method defines a method as built-in ones are.
func (vm *VM) method(o *goja.Object, name string, arity int, fn func(goja.FunctionCall) goja.Value) error {
	return o.DefineDataProperty(name, vm.Func(name, arity, fn), goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_FALSE)
}

// must returns v, or throws err on.
func must(v goja.Value, err error) goja.Value {
	if err != nil {
		panic(err)
	}
	return v
}
