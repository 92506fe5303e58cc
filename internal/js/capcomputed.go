package js

import (
	"bytes"
	"regexp"
	"slices"

	"github.com/dop251/goja"
)

// unnamed are the methods of arrays that a script may come by without naming them,
// by reading a property whose name it has computed, and that end the process on an
// array with a length of billions. Reading array[i] is so common that their
// limitations must cost next to nothing: they are made when they are asked for.
var unnamed = []string{"concat", "fill", "flat", "join", "map", "sort", "toReversed", "toSorted", "toSpliced", "with"}

// unnamedMethod is one of them.
type unnamedMethod struct {
	name     string
	original func(goja.FunctionCall) goja.Value
}

var (
	computedMember = regexp.MustCompile(`[^\s(\[{,=:;!&|?+*/%<>~^-]\[|\?\.\[|\]:`)
	literalMember  = regexp.MustCompile(`^(\d+|"[^"\\]*"|'[^'\\]*')\]`)
)

// computedRead reports whether the code may read a property whose name it has computed.
func computedRead(code []byte) bool {
	for _, m := range computedMember.FindAllIndex(code, -1) {
		if code[m[1]-1] == ':' || !literalMember.Match(code[m[1]:]) {
			return true
		}
	}
	return false
}

// unnamedIn returns those of unnamed that the code, which computes names, does not
// contain. The others have their limitation.
func unnamedIn(code []byte) []string {
	var names []string
	for _, name := range unnamed {
		if !bytes.Contains(code, []byte(name)) {
			names = append(names, name)
		}
	}
	return names
}

// hideUnnamed takes such methods from Array.prototype, so that holes is asked for them.
func (vm *VM) hideUnnamed(array *goja.Object) error {
	for _, name := range vm.prog.features.unnamed {
		vm.unnamed = append(vm.unnamed, unnamedMethod{name, native(array.Get(name))})
		if err := array.Delete(name); err != nil {
			return err
		}
	}
	return nil
}

// hidden reports whether that is one of them which was not asked for yet.
func (vm *VM) hidden(name string) bool {
	return len(vm.unnamed) > 0 && slices.ContainsFunc(vm.unnamed, func(m unnamedMethod) bool { return m.name == name })
}

// reveal puts one back to where it was, with its limitation; nil if it is none.
func (vm *VM) reveal(name string) goja.Value {
	if !vm.hidden(name) {
		return nil
	}
	array, err := vm.prototype("Array")
	if err != nil {
		return nil
	}
	i := slices.IndexFunc(vm.unnamed, func(m unnamedMethod) bool { return m.name == name })
	m := vm.unnamed[i]
	vm.unnamed = slices.Delete(vm.unnamed, i, i+1)
	switch name {
	case "flat":
		err = vm.method(array, name, 0, vm.flat)
	case "join":
		err = vm.capJoin(array)
	case "concat":
		err = vm.limited(array, name, 1, m.original, vm.checkConcat)
	default:
		err = vm.limited(array, name, unnamedArity[name], m.original, vm.checkElements)
	}
	if err != nil {
		return nil
	}
	return array.Get(name)
}

// unnamedArity is the length of each that is not 0.
var unnamedArity = map[string]int{"fill": 1, "map": 1, "sort": 1, "toSorted": 1, "toSpliced": 2, "with": 2}
