package js

import (
	"errors"
	"slices"
	"strings"

	"github.com/dop251/goja"
)

// matchers are the words that lead to a match of a regular expression: those of
// its methods, and those of the methods of strings that call them.
var matchers = []string{"exec", "test", "match", "search", "replace", "split"}

// installMatchers makes the built-ins that match an expression stop the script if
// one may have run out of time.
func (vm *VM) installMatchers() error {
	names := vm.prog.features.matchers
	if len(names) == 0 {
		return nil
	}
	proto := vm.regexPrototype()
	exec := native(proto.Get("exec"))
	symbols := map[string]*goja.Symbol{"match": goja.SymMatch, "search": goja.SymSearch, "replace": goja.SymReplace, "split": goja.SymSplit}
	var errs []error
	for _, name := range names {
		sym := symbols[name]
		if sym == nil {
			errs = append(errs, vm.method(proto, name, 1, vm.matching(native(proto.Get(name)))))
			continue
		}
		fn := proto.GetSymbol(sym).(*goja.Object)
		match := native(fn)
		switch {
		case name == "replace":
			match = vm.replacing(match)
		case name == "split" && slices.Contains(names, "exec"):
			match = func(call goja.FunctionCall) goja.Value { return vm.splitAt(exec, call) }
		}
		wrapper := vm.Func(fn.Get("name").String(), int(fn.Get("length").ToInteger()), vm.matching(match))
		errs = append(errs, proto.DefineDataPropertySymbol(sym, wrapper, goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_FALSE))
	}
	return errors.Join(errs...)
}

// matching returns a native that matches, under a sentry.
func (vm *VM) matching(match func(goja.FunctionCall) goja.Value) func(goja.FunctionCall) goja.Value {
	return func(call goja.FunctionCall) goja.Value {
		if vm.matches++; vm.matches > 1 { // inside of another one, whose deadline is about to be lost
			vm.checkMatch()
		}
		defer func() { vm.matches-- }()
		vm.sentry.start()
		v := match(call)
		vm.checkMatch()
		return v
	}
}

// checkMatch stops the script if an expression may have run out of time.
func (vm *VM) checkMatch() {
	if vm.sentry.late() {
		vm.outOfTime = vm.slot.interrupt(CPU)
	}
	vm.checkpoint()
}

// replacing does not count the time of the function that a replacement comes
// from, during which nothing is matched.
func (vm *VM) replacing(replace func(goja.FunctionCall) goja.Value) func(goja.FunctionCall) goja.Value {
	return func(call goja.FunctionCall) goja.Value {
		if with, ok := goja.AssertFunction(call.Argument(1)); ok {
			call.Arguments = slices.Clone(call.Arguments)
			call.Arguments[1] = vm.rt.ToValue(func(call goja.FunctionCall) goja.Value {
				vm.checkMatch()
				v := must(with(call.This, call.Arguments...))
				vm.sentry.start()
				return v
			})
		}
		return replace(call)
	}
}

// splitAt is RegExp.prototype[Symbol.split] for where exec is not goja's own any
// more. goja then tries every position, and decodes the whole string for each.
func (vm *VM) splitAt(exec func(goja.FunctionCall) goja.Value, call goja.FunctionCall) goja.Value {
	re, ok := call.This.(*goja.Object)
	if !ok {
		vm.ThrowType("RegExp.prototype[Symbol.split] called on something that is no object")
	}
	s := vm.text(call.Argument(0))
	flags := strings.NewReplacer("y", "", "g", "").Replace(re.Get("flags").String()) + "g"
	splitter, err := vm.rt.New(vm.builtin("RegExp"), re, vm.rt.ToValue(flags))
	if err != nil {
		panic(err)
	}
	limit := uint32(1<<32 - 1)
	if v := call.Argument(1); !goja.IsUndefined(v) {
		limit = uint32(v.ToInteger())
	}
	var parts []any
	from := 0
	for uint32(len(parts)) < limit {
		found, ok := exec(goja.FunctionCall{This: splitter, Arguments: []goja.Value{s}}).(*goja.Object)
		if !ok {
			break
		}
		at, end := int(found.Get("index").ToInteger()), int(splitter.Get("lastIndex").ToInteger())
		switch {
		case s.Length() == 0:
			return vm.rt.NewArray()
		case at < s.Length() && end == from: // empty, right after the last one
			if err := splitter.Set("lastIndex", nextIndex(s, end, strings.Contains(flags, "u"))); err != nil {
				panic(err)
			}
			continue
		case at < s.Length():
			parts = append(parts, s.Substring(from, at))
			for i := range found.Get("length").ToInteger() - 1 {
				parts = append(parts, found.Get(vm.rt.ToValue(i+1).String()))
			}
			from = end
			continue
		}
		break
	}
	if uint32(len(parts)) < limit {
		parts = append(parts, s.Substring(from, s.Length()))
	}
	return vm.rt.NewArray(parts[:min(len(parts), int(limit))]...)
}

// nextIndex returns the index of the character after the one at i.
func nextIndex(s goja.String, i int, unicode bool) int {
	high := func(c uint16) bool { return c&0xfc00 == 0xd800 }
	low := func(c uint16) bool { return c&0xfc00 == 0xdc00 }
	if unicode && i+1 < s.Length() && high(s.CharAt(i)) && low(s.CharAt(i+1)) {
		return i + 2
	}
	return i + 1
}
