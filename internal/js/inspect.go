package js

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/dop251/goja"
)

const (
	maxLine  = 16 << 10 // bytes of a console line
	maxDepth = 4        // of objects printed
	maxItems = 100      // of each array, object, Map and Set
	maxText  = 4 << 10  // bytes of a string inside of something
	maxBytes = 50       // of a Buffer
)

// Inspected is a [goja.DynamicObject] that is printed as the value that its method
// returns, behind the name of its class.
type Inspected interface{ Inspect() goja.Value }

// Inspect writes a value so that a person can read it, much as Node's console
// does: objects with their properties, down to a depth of 4 and at most 100 of
// each, errors with their stack. It never fails.
func (vm *VM) Inspect(v goja.Value) string { return vm.InspectDepth(v, maxDepth) }

// InspectDepth is Inspect down to another depth, of at most 100.
func (vm *VM) InspectDepth(v goja.Value, depth int) string {
	in := inspector{vm: vm, depth: min(max(depth, 0), 100)}
	in.value(v, 0)
	return truncate(in.String(), maxLine)
}

func truncate(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "… (truncated)"
}

// What goja exports objects of some classes as, which it does not tell otherwise.
var (
	mapType = reflect.TypeFor[[][2]any]()
	setType = reflect.TypeFor[[]any]() // and arrays
)

var inspectedType = reflect.TypeFor[Inspected]()

type inspector struct {
	strings.Builder
	vm    *VM
	depth int
	stack []*goja.Object // objects that are being written
}

func (in *inspector) value(v goja.Value, depth int) {
	if in.Len() > maxLine {
		return
	}
	switch v := v.(type) {
	case nil:
		in.WriteString("undefined")
	case *goja.Object:
		if ex := in.vm.rt.Try(func() { in.object(v, depth) }); ex != nil {
			in.WriteString("[" + v.ClassName() + "]")
		}
	case goja.String:
		if depth == 0 {
			in.WriteString(v.String())
		} else {
			in.WriteString(quote(truncate(v.String(), maxText)))
		}
	case *goja.Symbol:
		in.WriteString("Symbol(" + v.String() + ")")
	default:
		in.WriteString(v.String())
	}
}

// quote quotes a string in a structure.
func quote(s string) string {
	if strings.ContainsAny(s, "'\n\r\t\\") {
		return strconv.Quote(s)
	}
	return "'" + s + "'"
}

func (in *inspector) object(o *goja.Object, depth int) {
	for _, p := range in.stack {
		if p.SameAs(o) {
			in.WriteString("[Circular]")
			return
		}
	}
	in.stack = append(in.stack, o)
	defer func() { in.stack = in.stack[:len(in.stack)-1] }()
	if _, ok := goja.AssertFunction(o); ok {
		in.function(o)
		return
	}
	t := o.ExportType()
	if t != nil && t.Implements(inspectedType) {
		in.WriteString(className(o) + " ")
		in.value(o.Export().(Inspected).Inspect(), depth)
		return
	}
	switch t {
	case promiseType:
		in.promise(promiseOf(o), depth)
		return
	case arrayBufferType:
		fmt.Fprintf(in, "ArrayBuffer { byteLength: %d }", integer(o.Get("byteLength")))
		return
	case mapType:
		in.collection(o, "Map", depth)
		return
	case setType:
		if o.ClassName() != "Array" {
			in.collection(o, "Set", depth)
			return
		}
	}
	switch class := o.ClassName(); class {
	case "Error":
		in.error(o, depth)
	case "Array":
		in.list("[", "]", depth, integer(o.Get("length")), func(i int64) {
			in.value(o.Get(strconv.FormatInt(i, 10)), depth+1)
		})
	case "Date":
		in.WriteString(in.call(o, "toISOString"))
	case "RegExp":
		in.WriteString(in.call(o, "toString"))
	case "String", "Number", "Boolean", "Symbol":
		in.WriteString("[" + class + ": " + o.String() + "]")
	default:
		if n := o.Get("byteLength"); n != nil && o.Get("BYTES_PER_ELEMENT") != nil {
			in.typedArray(o, depth)
			return
		}
		in.plain(o, depth)
	}
}

func (in *inspector) function(o *goja.Object) {
	kind := "Function"
	if strings.HasPrefix(o.String(), "class") {
		kind = "class"
	}
	if name := o.Get("name"); name != nil && name.String() != "" {
		in.WriteString("[" + kind + ": " + truncate(name.String(), maxText) + "]")
		return
	}
	in.WriteString("[" + kind + " (anonymous)]")
}

// error writes the stack, and the cause.
func (in *inspector) error(o *goja.Object, depth int) {
	stack := o.Get("stack")
	if s, ok := stack.(goja.String); ok && depth < in.depth && s.Length() > 0 {
		in.WriteString(strings.TrimRight(cleanStack(s.String()), "\n"))
	} else {
		in.WriteString("[" + o.String() + "]")
	}
	if keys := extra(o); len(keys) > 0 && depth < in.depth {
		in.WriteByte(' ')
		in.properties(o, keys, depth)
	}
	for _, name := range [...]string{"cause", "errors"} { // the latter of an AggregateError
		if v := o.Get(name); v != nil && !goja.IsUndefined(v) && depth < in.depth {
			in.WriteString("\n[" + name + "]: ")
			in.value(v, depth+1)
		}
	}
}

// extra is the properties of an error that it has of its own.
func extra(o *goja.Object) []string {
	return slices.DeleteFunc(o.Keys(), func(key string) bool {
		return slices.Contains([]string{"stack", "message", "name", "cause", "errors"}, key)
	})
}

func (in *inspector) call(o *goja.Object, method string) string {
	fn, ok := goja.AssertFunction(o.Get(method))
	if !ok {
		return "[" + o.ClassName() + "]"
	}
	v, err := fn(o)
	if err != nil {
		return "[Invalid " + o.ClassName() + "]"
	}
	return v.String()
}

// list writes n items between brackets.
func (in *inspector) list(open, end string, depth int, n int64, item func(int64)) {
	if n <= 0 {
		in.WriteString(open + end)
		return
	}
	if depth >= in.depth {
		in.WriteString(open + "…" + end)
		return
	}
	in.WriteString(open + " ")
	for i := range n {
		if i > 0 {
			in.WriteString(", ")
		}
		if i == maxItems || in.Len() > maxLine {
			fmt.Fprintf(in, "… %d more", n-i)
			break
		}
		item(i)
	}
	in.WriteString(" " + end)
}

// className is the name of the class of an object; "" if that says nothing.
func className(o *goja.Object) string {
	if ctor, _ := o.Get("constructor").(*goja.Object); ctor != nil {
		if name := ctor.Get("name"); name != nil && name.String() != "Object" {
			return truncate(name.String(), maxText)
		}
	}
	return ""
}

func (in *inspector) plain(o *goja.Object, depth int) {
	if name := className(o); name != "" {
		in.WriteString(name + " ")
	}
	in.properties(o, o.Keys(), depth)
}

func (in *inspector) properties(o *goja.Object, keys []string, depth int) {
	in.list("{", "}", depth, int64(len(keys)), func(i int64) {
		if isIdentifier(keys[i]) {
			in.WriteString(keys[i] + ": ")
		} else {
			in.WriteString(quote(truncate(keys[i], maxText)) + ": ")
		}
		in.property(o, keys[i], depth)
	})
}

// property writes one property; reading it may run a getter, which may throw.
func (in *inspector) property(o *goja.Object, key string, depth int) {
	var v goja.Value
	if ex := in.vm.rt.Try(func() { v = o.Get(key) }); ex != nil {
		in.WriteString("[throws]")
		return
	}
	in.value(v, depth+1)
}

func isIdentifier(s string) bool {
	for i, r := range s {
		if r != '_' && r != '$' && (r|0x20 < 'a' || r|0x20 > 'z') && (i == 0 || r < '0' || r > '9') {
			return false
		}
	}
	return s != ""
}

func (in *inspector) collection(o *goja.Object, class string, depth int) {
	n := integer(o.Get("size"))
	in.WriteString(class + "(" + strconv.FormatInt(n, 10) + ") ")
	var items []goja.Value
	in.vm.rt.ForOf(o, func(v goja.Value) bool {
		items = append(items, v)
		return len(items) < maxItems
	})
	in.list("{", "}", depth, n, func(i int64) {
		if i >= int64(len(items)) {
			return
		}
		pair, ok := items[i].(*goja.Object)
		if class == "Set" || !ok {
			in.value(items[i], depth+1)
			return
		}
		in.value(pair.Get("0"), depth+1)
		in.WriteString(" => ")
		in.value(pair.Get("1"), depth+1)
	})
}

func (in *inspector) promise(p *goja.Promise, depth int) {
	switch p.State() {
	case goja.PromiseStatePending:
		in.WriteString("Promise { <pending> }")
	case goja.PromiseStateRejected:
		in.WriteString("Promise { <rejected> ")
		in.value(p.Result(), depth+1)
		in.WriteString(" }")
	default:
		in.WriteString("Promise { ")
		in.value(p.Result(), depth+1)
		in.WriteString(" }")
	}
}

func (in *inspector) typedArray(o *goja.Object, depth int) {
	name := className(o)
	if data, ok := in.vm.Bytes(o); ok && name == "Buffer" {
		in.WriteString("<Buffer")
		for _, b := range data[:min(len(data), maxBytes)] {
			fmt.Fprintf(in, " %02x", b)
		}
		if more := len(data) - maxBytes; more > 0 {
			fmt.Fprintf(in, " … %d more", more)
		}
		in.WriteString(">")
		return
	}
	n := integer(o.Get("length"))
	in.WriteString(name + "(" + strconv.FormatInt(n, 10) + ") ")
	in.list("[", "]", depth, n, func(i int64) { in.value(o.Get(strconv.FormatInt(i, 10)), depth+1) })
}
