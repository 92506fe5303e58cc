package state

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/dop251/goja"

	"github.com/dgate-io/caddy-dgate/internal/js"
	"github.com/dgate-io/caddy-dgate/internal/js/host/native"
)

// maxInteger is the largest integer that numbers of the language hold exactly.
const maxInteger = 1<<53 - 1

// arguments are those of one call of a function. Its methods throw what is wrong.
type arguments struct {
	vm        *js.VM
	what      string // the name of the function
	namespace string // that the script belongs to
	call      goja.FunctionCall
}

// name is an argument that is a string.
func (a *arguments) name(i int, expected string) string {
	v := a.call.Argument(i)
	if !goja.IsString(v) {
		a.vm.ThrowType("%s: expected the %s, a string, got %s", a.what, expected, native.TypeName(v))
	}
	return a.wellFormed(expected, v)
}

// wellFormed is the text of a string. One with half a character in it has no text: with a
// replacement there, it would be the name of something else.
func (a *arguments) wellFormed(name string, v goja.Value) string {
	text := v.String()
	if strings.ContainsRune(text, utf8.RuneError) && !native.WellFormed(v) {
		a.vm.ThrowType("%s: the %s has half of a surrogate pair in it, which is no character", a.what, name)
	}
	return text
}

// object is an argument that is an object.
func (a *arguments) object(i int, expected string) properties {
	obj, ok := a.call.Argument(i).(*goja.Object)
	if !ok {
		a.vm.ThrowType("%s: expected an object like %s, got %s", a.what, expected, native.TypeName(a.call.Argument(i)))
	}
	return properties{a, obj}
}

// options is an argument that is an object or missing.
func (a *arguments) options(i int) properties {
	if native.Missing(a.call.Argument(i)) {
		return properties{a, nil}
	}
	return a.object(i, "{ option: value }")
}

// properties are those of an object that a script has handed in. Without an object all are missing.
type properties struct {
	*arguments
	obj *goja.Object
}

// get is a property, nil if it is missing, undefined or null.
func (p properties) get(name string) goja.Value {
	if p.obj == nil {
		return nil
	}
	if v := p.obj.Get(name); !native.Missing(v) {
		return v
	}
	return nil
}

// text is a property that is a string, or without one something else.
func (p properties) text(name, without string) string {
	v := p.get(name)
	if v == nil {
		return without
	}
	if !goja.IsString(v) {
		p.vm.ThrowType("%s: expected %s to be a string, got %s", p.what, name, native.TypeName(v))
	}
	return p.wellFormed(name, v)
}

// required is a property that is a string and must be there.
func (p properties) required(name string) string {
	text := p.text(name, "")
	if text == "" {
		if name == "collection" {
			name = "collection name"
		}
		p.vm.ThrowType("%s is required", name)
	}
	return text
}

// texts is a property that is an array of strings.
func (p properties) texts(name string) []string {
	v := p.get(name)
	if v == nil {
		return nil
	}
	list, ok := v.(*goja.Object)
	if !ok || list.ClassName() != "Array" {
		p.vm.ThrowType("%s: expected %s to be an array of strings, got %s", p.what, name, native.TypeName(v))
	}
	var texts []string
	p.vm.Runtime().ForOf(list, func(item goja.Value) bool {
		if !goja.IsString(item) {
			p.vm.ThrowType("%s: expected %s to be an array of strings, got one with %s", p.what, name, native.TypeName(item))
		}
		texts = append(texts, item.String())
		return true
	})
	return texts
}

// integer is a property that is an integer from 0, or without one something else.
func (p properties) integer(name string, without, most int) int {
	v := p.get(name)
	if v == nil {
		return without
	}
	if f := v.ToFloat(); goja.IsNumber(v) && f >= 0 && f <= float64(most) && f == float64(int(f)) {
		return int(f)
	}
	got := native.TypeName(v)
	if goja.IsNumber(v) {
		got = v.String()
	}
	p.vm.Throw(&js.RangeError{Message: fmt.Sprintf("%s: expected %s to be an integer from 0 to %d, got %s", p.what, name, most, got)})
	return 0
}

// json is a property as JSON, nil if it is undefined.
func (p properties) json(name string) []byte {
	v := p.obj.Get(name)
	data, err := p.vm.Stringify(v)
	if err != nil {
		panic(err)
	}
	if data == nil && v != nil && !goja.IsUndefined(v) {
		p.vm.ThrowType("%s: %s cannot be stored: it is %s, which is not JSON", p.what, name, native.TypeName(v))
	}
	return data
}

// condition is the option ifVersion.
func (p properties) condition() *Condition {
	if p.get("ifVersion") == nil {
		return nil
	}
	return &Condition{Version: uint64(p.integer("ifVersion", 0, maxInteger))}
}

// own refuses an object that names another namespace than the module's.
func (p properties) own(namespace string) {
	if named := p.text("namespace", ""); named != "" && named != namespace {
		p.vm.ThrowType("%s: a module of namespace %s cannot write to namespace %s", p.what, namespace, named)
	}
}

// key is what names a document of the module's namespace.
func (p properties) key(namespace string) Key {
	p.own(namespace)
	return Key{Namespace: namespace, Collection: p.required("collection"), ID: p.required("id")}
}
