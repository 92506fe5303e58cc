package js

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/dop251/goja"
)

const (
	// maxString is how long a string may get in one call of a built-in, in UTF-16 units.
	maxString = 32 << 20
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

// replacedLength bounds the length of s.replace(pattern, replacement). Where
// the replacement is computed by a function the script can be interrupted.
func (vm *VM) replacedLength(s goja.String, call goja.FunctionCall) float64 {
	with, ok := call.Argument(1).(goja.String)
	if !ok {
		return 0
	}
	length := float64(s.Length())
	each := float64(with.Length())
	if dollars := strings.Count(with.String(), "$"); dollars > 0 {
		each += float64(dollars) * length
	}
	if (length+1)*each+length <= maxString {
		return 0 // even if every place matched
	}
	matches := 1.0
	switch pattern := call.Argument(0).(type) {
	case goja.String:
		if n := pattern.Length(); n > 0 {
			matches = float64(strings.Count(s.String(), pattern.String()))
		} else {
			matches = length + 1
		}
	case *goja.Object:
		matches = vm.countMatches(s, pattern)
	}
	return length + matches*each
}

// countMatches returns how often a regular expression matches.
func (vm *VM) countMatches(s goja.String, pattern *goja.Object) float64 {
	match, ok := goja.AssertFunction(vm.rt.ToValue(s).ToObject(vm.rt).Get("match"))
	if !ok {
		return 1
	}
	found, err := match(s, pattern)
	if err != nil {
		panic(err)
	}
	if list, ok := found.(*goja.Object); ok {
		return list.Get("length").ToFloat()
	}
	return 0
}

// installCaps replaces the built-ins that can make something huge of something
// small in a single call, which nothing interrupts and which ends the process
// where memory runs out. Each costs 0.75 KiB, and twice that if it calls the
// original; those are left out if the script does not name them and has no
// means of calling a function under a computed name.
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
		vm.method(str, "repeat", 1, vm.repeat),
		vm.method(str, "padStart", 1, func(call goja.FunctionCall) goja.Value { return vm.pad("padStart", call, true) }),
		vm.method(str, "padEnd", 1, func(call goja.FunctionCall) goja.Value { return vm.pad("padEnd", call, false) }),
		vm.method(arr, "join", 1, func(call goja.FunctionCall) goja.Value { return vm.join(call.This.ToObject(vm.rt), call.Argument(0)) }),
	}
	f := vm.prog.features
	if f.replace {
		errs = append(errs, vm.capReplace(str, "replace"), vm.capReplace(str, "replaceAll"))
	}
	if f.fill {
		errs = append(errs, vm.capElements(arr, "fill", func(call goja.FunctionCall) goja.Value { return call.This }))
	}
	if f.from {
		errs = append(errs, vm.capElements(vm.builtin("Array"), "from", func(call goja.FunctionCall) goja.Value { return call.Argument(0) }))
	}
	return errors.Join(errs...)
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

// repeat is String.prototype.repeat.
func (vm *VM) repeat(call goja.FunctionCall) goja.Value {
	s := vm.thisString("repeat", call)
	count := math.Trunc(call.Argument(0).ToFloat())
	if count != count {
		count = 0
	}
	if count < 0 || math.IsInf(count, 1) {
		vm.Throw(&RangeError{"Invalid count value"})
	}
	if count == 0 || s.Length() == 0 {
		return vm.rt.ToValue("")
	}
	if count*float64(s.Length()) > maxString {
		vm.Throw(tooLong("repeat", maxString))
	}
	return vm.repeated(s, int(count))
}

// repeated returns s, n times.
func (vm *VM) repeated(s goja.String, n int) goja.String {
	if text := s.String(); len(text) == s.Length() { // ASCII
		return vm.rt.ToValue(strings.Repeat(text, n)).(goja.String)
	}
	var b goja.StringBuilder
	b.Grow(s.Length() * n)
	for range n {
		b.WriteString(s)
	}
	return b.String()
}

// pad is String.prototype.padStart and padEnd.
func (vm *VM) pad(method string, call goja.FunctionCall, start bool) goja.Value {
	s := vm.thisString(method, call)
	length := call.Argument(0).ToFloat()
	if !(length >= float64(s.Length()+1)) {
		return s
	}
	filler := vm.rt.ToValue(" ").(goja.String)
	if v := call.Argument(1); !goja.IsUndefined(v) {
		filler = vm.text(v)
	}
	if filler.Length() == 0 {
		return s
	}
	if length > maxString {
		vm.Throw(tooLong(method, maxString))
	}
	n := int(length) - s.Length()
	fill := vm.repeated(filler, n/filler.Length()+1).Substring(0, n)
	if start {
		return fill.Concat(s)
	}
	return s.Concat(fill)
}

// capReplace puts a bound on the result of replace or replaceAll.
func (vm *VM) capReplace(proto *goja.Object, name string) error {
	original, _ := goja.AssertFunction(proto.Get(name))
	return vm.method(proto, name, 2, func(call goja.FunctionCall) goja.Value {
		s := vm.thisString(name, call)
		if vm.replacedLength(s, call) > maxString {
			vm.Throw(tooLong(name, maxString))
		}
		return must(original(s, call.Arguments...))
	})
}

// capElements puts a bound on how many elements of the array that list returns
// a method touches.
func (vm *VM) capElements(o *goja.Object, name string, list func(goja.FunctionCall) goja.Value) error {
	original, _ := goja.AssertFunction(o.Get(name))
	return vm.method(o, name, 1, func(call goja.FunctionCall) goja.Value {
		vm.capLength(name, list(call))
		return must(original(call.This, call.Arguments...))
	})
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

// join is Array.prototype.join with a bound on the result. Arrays inside of
// themselves read as "".
func (vm *VM) join(o *goja.Object, separator goja.Value) goja.Value {
	if slices.Contains(vm.joining, o) {
		return vm.rt.ToValue("")
	}
	if len(vm.joining) >= vm.limits.Stack {
		vm.Throw(&RangeError{"join: arrays nest too deep"})
	}
	vm.joining = append(vm.joining, o)
	defer func() { vm.joining = vm.joining[:len(vm.joining)-1] }()
	vm.capLength("join", o)
	n := int64(0)
	if length := o.Get("length"); length != nil {
		n = length.ToInteger()
	}
	sep := vm.rt.ToValue(",").(goja.String)
	if !goja.IsUndefined(separator) {
		sep = vm.text(separator)
	}
	var b goja.StringBuilder
	size := 0
	for i := range max(n, 0) {
		if i > 0 {
			b.WriteString(sep)
			size += sep.Length()
		}
		if v := o.Get(strconv.FormatInt(i, 10)); v != nil && !goja.IsUndefined(v) && !goja.IsNull(v) {
			s := vm.text(v)
			b.WriteString(s)
			size += s.Length()
		}
		if size > maxString {
			vm.Throw(tooLong("join", maxString))
		}
	}
	return b.String()
}

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
	original := vm.builtin(name)
	construct, _ := goja.AssertConstructor(original)
	width := 1.0
	if w := original.Get("BYTES_PER_ELEMENT"); w != nil {
		width = w.ToFloat()
	}
	capped := vm.rt.ToValue(func(call goja.ConstructorCall) *goja.Object {
		if n := requested(call.Argument(0)); n*width > float64(vm.limits.Heap) {
			vm.Throw(&RangeError{fmt.Sprintf("%s: more than %d bytes", name, vm.limits.Heap)})
		}
		obj, err := construct(call.NewTarget, call.Arguments...)
		if err != nil {
			panic(err)
		}
		return obj
	}).(*goja.Object)
	proto := original.Get("prototype")
	// Errors cannot happen: the objects are ordinary ones.
	_ = capped.SetPrototype(original) // for from, of, isView and the like
	_ = capped.DefineDataProperty("name", vm.rt.ToValue(name), goja.FLAG_FALSE, goja.FLAG_TRUE, goja.FLAG_FALSE)
	_ = capped.DefineDataProperty("prototype", proto, goja.FLAG_FALSE, goja.FLAG_FALSE, goja.FLAG_FALSE)
	_ = proto.(*goja.Object).DefineDataProperty("constructor", capped, goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_FALSE)
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
