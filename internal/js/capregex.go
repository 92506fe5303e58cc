package js

import "github.com/dop251/goja"

// maxPattern is how long a regular expression may be that a script makes of a string.
const maxPattern = 64 << 10

// checkPattern refuses patterns that regular expression compilers choke on, and
// those that goja takes for others.
func (vm *VM) checkPattern(v goja.Value) {
	s := v.String()
	if len(s) > maxPattern {
		vm.Throw(&RangeError{"RegExp: the pattern is too long"})
	}
	if deepGroup(s) >= 0 {
		vm.Throw(&RangeError{"RegExp: groups nest too deep"})
	}
	if propertyEscape(s) >= 0 {
		vm.Throw(&SyntaxError{Message: noProperties})
	}
}

// newRegExp makes RegExp, which checks its patterns.
func newRegExp(vm *VM) goja.Value {
	return vm.capConstructor("RegExp", func(call goja.ConstructorCall) {
		if pattern := call.Argument(0); !goja.IsUndefined(pattern) && !isObject(pattern) {
			vm.checkPattern(pattern)
		}
	})
}

func (vm *VM) regexPrototype() *goja.Object {
	return vm.builtin("RegExp").Get("prototype").(*goja.Object)
}

// installMatchIterator makes the iterators of String.prototype.matchAll come by
// a checkpoint at each step, which is a match.
func (vm *VM) installMatchIterator(str *goja.Object) error {
	iterator := native(str.Get("matchAll"))(goja.FunctionCall{This: vm.rt.ToValue("")}).(*goja.Object)
	proto := iterator.Prototype()
	return vm.method(proto, "next", 0, vm.matching(native(proto.Get("next"))))
}
