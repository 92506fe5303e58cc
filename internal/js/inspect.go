package js

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/dop251/goja"
)

const (
	maxLine  = 16 << 10 // bytes of a console line
	maxDepth = 4        // of objects printed
	maxItems = 100      // of each array, object, Map and Set
)

// Inspect writes a value so that a person can read it, much as Node's console
// does: objects with their properties, down to a depth of 4 and at most 100 of
// each, errors with their stack. It never fails.
func (vm *VM) Inspect(v goja.Value) string {
	in := inspector{vm: vm}
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

type inspector struct {
	strings.Builder
	vm    *VM
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
			in.WriteString(quote(v.String()))
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
	switch o.ExportType() {
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
	if name := o.Get("name"); name != nil && name.String() != "" {
		in.WriteString("[Function: " + name.String() + "]")
		return
	}
	in.WriteString("[Function (anonymous)]")
}

// error writes the stack, and the cause.
func (in *inspector) error(o *goja.Object, depth int) {
	stack := o.Get("stack")
	if s, ok := stack.(goja.String); ok && depth < maxDepth && s.Length() > 0 {
		in.WriteString(strings.TrimRight(cleanStack(s.String()), "\n"))
	} else {
		in.WriteString("[" + o.String() + "]")
	}
	if cause := o.Get("cause"); cause != nil && !goja.IsUndefined(cause) && depth < maxDepth {
		in.WriteString("\n[cause]: ")
		in.value(cause, depth+1)
	}
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
	if depth >= maxDepth {
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

func (in *inspector) plain(o *goja.Object, depth int) {
	if ctor, _ := o.Get("constructor").(*goja.Object); ctor != nil {
		if name := ctor.Get("name"); name != nil && name.String() != "Object" && name.String() != "" {
			in.WriteString(name.String() + " ")
		}
	}
	keys := o.Keys()
	in.list("{", "}", depth, int64(len(keys)), func(i int64) {
		if isIdentifier(keys[i]) {
			in.WriteString(keys[i] + ": ")
		} else {
			in.WriteString(quote(keys[i]) + ": ")
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
	n := integer(o.Get("length"))
	name := "TypedArray"
	if ctor, _ := o.Get("constructor").(*goja.Object); ctor != nil {
		name = ctor.Get("name").String()
	}
	in.WriteString(name + "(" + strconv.FormatInt(n, 10) + ") ")
	in.list("[", "]", depth, n, func(i int64) { in.value(o.Get(strconv.FormatInt(i, 10)), depth+1) })
}

// formatVerbs writes a format string, and returns the values it has not used.
func (vm *VM) formatVerbs(b *strings.Builder, format string, args []goja.Value) []goja.Value {
	for i := 0; i < len(format); i++ {
		if format[i] != '%' || i+1 == len(format) {
			b.WriteByte(format[i])
			continue
		}
		i++
		verb := format[i]
		if verb == '%' {
			b.WriteByte('%')
			continue
		}
		if len(args) == 0 || !strings.ContainsRune("sdifjoOc", rune(verb)) {
			b.WriteByte('%')
			b.WriteByte(verb)
			continue
		}
		b.WriteString(vm.formatVerb(verb, args[0]))
		args = args[1:]
	}
	return args
}

func (vm *VM) formatVerb(verb byte, v goja.Value) string {
	switch verb {
	case 's':
		if obj, ok := v.(*goja.Object); ok {
			return vm.Inspect(obj)
		}
		return v.String()
	case 'd', 'i', 'f':
		if _, ok := v.(*goja.Object); ok {
			return "NaN"
		}
		if _, ok := v.(*goja.Symbol); ok {
			return "NaN"
		}
		if verb == 'd' {
			return v.ToNumber().String()
		}
		f := v.ToFloat()
		if verb == 'i' && f == f {
			return strconv.FormatInt(int64(f), 10)
		}
		return vm.rt.ToValue(f).String()
	case 'j':
		data, err := vm.Stringify(v)
		switch {
		case err != nil:
			return "[Circular]"
		case data == nil:
			return "undefined"
		}
		return string(data)
	case 'c': // CSS in browsers
		return ""
	}
	return vm.Inspect(v)
}
