package js

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/dop251/goja"
)

// capJoin puts a bound on the results of a join.
func (vm *VM) capJoin(o *goja.Object) error {
	return vm.method(o, "join", 1, func(call goja.FunctionCall) goja.Value {
		return vm.join(call.This.ToObject(vm.rt), call.Argument(0))
	})
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
		if vm.checkpoint(); i > 0 {
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

// checkElements refuses to go through too many elements.
func (vm *VM) checkElements(name string, call *goja.FunctionCall) { vm.capLength(name, call.This) }

// checkRaw refuses to go through too many parts of a template.
func (vm *VM) checkRaw(name string, call *goja.FunctionCall) {
	if template, ok := call.Argument(0).(*goja.Object); ok {
		vm.capLength(name, template.Get("raw"))
	}
}

// checkConcat bounds the result of the concat of arrays and of strings.
func (vm *VM) checkConcat(name string, call *goja.FunctionCall) {
	elements, units := 0.0, 0
	for _, v := range append([]goja.Value{call.This}, call.Arguments...) {
		switch v := v.(type) {
		case goja.String:
			units += v.Length()
		case *goja.Object:
			if n := v.Get("length"); n != nil {
				elements += n.ToFloat()
			}
		}
	}
	if units > 2*maxString {
		vm.Throw(tooLong(name, 2*maxString))
	}
	if elements > maxArray {
		vm.Throw(&RangeError{fmt.Sprintf("%s: more than %d elements", name, maxArray)})
	}
}

// flat is Array.prototype.flat. goja's does not end where an array is inside of
// itself, and then ends the process. The result is always a plain array.
func (vm *VM) flat(call goja.FunctionCall) goja.Value {
	depth := int64(1)
	if v := call.Argument(0); !goja.IsUndefined(v) {
		depth = v.ToInteger()
	}
	return vm.rt.NewArray(vm.flatten(nil, call.This.ToObject(vm.rt), depth, 0)...)
}

func (vm *VM) flatten(to []any, o *goja.Object, depth int64, level int) []any {
	if level > vm.limits.Stack {
		vm.Throw(&RangeError{"flat: arrays nest too deep"})
	}
	vm.capLength("flat", o)
	n := int64(0)
	if length := o.Get("length"); length != nil {
		n = length.ToInteger()
	}
	for i := range max(n, 0) {
		v := o.Get(strconv.FormatInt(i, 10))
		if v == nil {
			continue
		}
		if inner, ok := v.(*goja.Object); ok && depth > 0 && isArray(vm.rt, inner) {
			to = vm.flatten(to, inner, depth-1, level+1)
		} else {
			to = append(to, v)
		}
		if vm.checkpoint(); len(to) > maxArray {
			vm.Throw(&RangeError{fmt.Sprintf("flat: more than %d elements", maxArray)})
		}
	}
	return to
}
