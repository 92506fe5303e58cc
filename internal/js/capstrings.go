package js

import (
	"fmt"
	"math"
	"strings"

	"github.com/dop251/goja"
)

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
		if isObject(call.Argument(1)) {
			vm.checkLength(name, s, maxArray) // all matches are found before the function is called
		}
		if vm.replacedLength(s, call) > maxString {
			vm.Throw(tooLong(name, maxString))
		}
		return must(original(s, call.Arguments...))
	})
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

// subject replaces what a method of strings is called on by its text, and
// returns that; nil if it has none, which the method will complain about.
func (vm *VM) subject(call *goja.FunctionCall) goja.String {
	if call.This == nil || goja.IsUndefined(call.This) || goja.IsNull(call.This) {
		return nil
	}
	s := vm.text(call.This)
	call.This = s
	return s
}

// checkLength refuses strings that are longer than most.
func (vm *VM) checkLength(name string, s goja.String, most int) {
	vm.checkpoint()
	if s != nil && s.Length() > most {
		vm.Throw(&RangeError{fmt.Sprintf("%s: the string is longer than %d", name, most)})
	}
}

// checkNormalized is for methods that bring a string into a normal form first.
func (vm *VM) checkNormalized(name string, call *goja.FunctionCall) {
	vm.checkLength(name, vm.subject(call), maxNormalized)
}

// checkSearch is for methods that take a regular expression, or make one of a string.
func (vm *VM) checkSearch(name string, call *goja.FunctionCall) {
	vm.checkLength(name, vm.subject(call), maxArray) // there may be a match for every character
	if pattern := call.Argument(0); !goja.IsUndefined(pattern) && !isObject(pattern) {
		vm.checkPattern(pattern)
	}
}

// checkSplit counts the parts where they may be many.
func (vm *VM) checkSplit(name string, call *goja.FunctionCall) {
	s := vm.subject(call)
	if s == nil || s.Length() <= maxArray {
		return
	}
	separator := call.Argument(0)
	if isObject(separator) {
		vm.checkLength(name, s, maxArray)
	}
	if !goja.IsUndefined(separator) && goja.IsUndefined(call.Argument(1)) && strings.Count(s.String(), separator.String()) > maxArray {
		vm.Throw(&RangeError{fmt.Sprintf("split: more than %d parts", maxArray)})
	}
}

func isObject(v goja.Value) bool {
	_, ok := v.(*goja.Object)
	return ok
}

// checkText refuses strings where their characters would become properties.
func (vm *VM) checkText(name string, call *goja.FunctionCall) {
	for _, v := range call.Arguments {
		if obj, ok := v.(*goja.Object); ok && obj.ClassName() == "String" {
			v = vm.text(obj)
		}
		if s, ok := v.(goja.String); ok && s.Length() > maxArray {
			vm.Throw(&RangeError{name + ": the string is too long"})
		}
	}
}

// newEncode returns a function that makes one of the functions that write most
// characters as several.
func newEncode(name string) func(*VM) goja.Value {
	return func(vm *VM) goja.Value {
		original := native(vm.builtin(name))
		return vm.Func(name, 1, func(call goja.FunctionCall) goja.Value {
			text := vm.text(call.Argument(0))
			if text.Length() > maxString {
				vm.Throw(&RangeError{name + ": the string is too long"})
			}
			return original(goja.FunctionCall{Arguments: []goja.Value{text}})
		})
	}
}
