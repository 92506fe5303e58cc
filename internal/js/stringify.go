package js

import (
	"encoding/json"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/dop251/goja"
)

// Stringify returns v as JSON.stringify(v) writes it; nil where that gives
// undefined. Exceptions, for example of a cycle or a toJSON method, are returned.
func (vm *VM) Stringify(v goja.Value) (data []byte, err error) {
	w := jsonWriter{vm: vm}
	ex := vm.rt.Try(func() { data = w.text(v) })
	if ex != nil {
		return nil, ex
	}
	return data, nil
}

// newJSONStringify makes JSON.stringify. goja's own can neither be interrupted
// nor is there an end to what it writes, and takes longer.
func (vm *VM) newJSONStringify() goja.Value {
	return vm.Func("stringify", 3, func(call goja.FunctionCall) goja.Value {
		w := jsonWriter{vm: vm, gap: vm.jsonGap(call.Argument(2))}
		if replacer, ok := call.Argument(1).(*goja.Object); ok {
			if fn, ok := goja.AssertFunction(replacer); ok {
				w.replacer = fn
			} else if isArray(vm.rt, replacer) {
				w.selectKeys(replacer)
			}
		}
		data := w.text(call.Argument(0))
		if data == nil {
			return goja.Undefined()
		}
		return vm.rt.ToValue(string(data))
	})
}

// jsonWriter writes one JSON text. Its methods throw.
type jsonWriter struct {
	vm       *VM
	buf      []byte
	open     []*goja.Object // what is being written, outermost first
	replacer goja.Callable  // may be nil
	selected bool           // whether only keys are written
	keys     []string
	gap      string // what one level is indented by
	indent   string
}

// text returns the JSON text of v, or nil.
func (w *jsonWriter) text(v goja.Value) []byte {
	var holder *goja.Object
	if w.replacer != nil {
		holder = w.vm.rt.NewObject()
		_ = holder.Set("", v)
	}
	if !w.value(holder, "", v) {
		return nil
	}
	return w.buf
}

// value writes a value, and reports false if it is not written: undefined,
// symbols and functions. holder may be nil if there is no replacer.
func (w *jsonWriter) value(holder *goja.Object, key string, v goja.Value) bool {
	w.vm.checkpoint()
	if uint64(len(w.buf)) > w.vm.limits.Heap {
		w.vm.Throw(tooLong("JSON.stringify", int(w.vm.limits.Heap)))
	}
	obj, _ := v.(*goja.Object)
	if obj != nil {
		if toJSON, ok := goja.AssertFunction(obj.Get("toJSON")); ok {
			v = must(toJSON(obj, w.vm.rt.ToValue(key)))
		}
	}
	if w.replacer != nil {
		v = must(w.replacer(holder, w.vm.rt.ToValue(key), orUndefined(v)))
	}
	if obj, _ = v.(*goja.Object); obj != nil {
		return w.object(obj)
	}
	return w.primitive(v)
}

func orUndefined(v goja.Value) goja.Value {
	if v == nil {
		return goja.Undefined()
	}
	return v
}

func (w *jsonWriter) primitive(v goja.Value) bool {
	switch {
	case v == nil || goja.IsUndefined(v):
		return false
	case goja.IsNull(v):
		w.buf = append(w.buf, "null"...)
		return true
	}
	if s, ok := v.(goja.String); ok {
		w.string(s)
		return true
	}
	t := v.ExportType()
	if t == nil {
		return false
	}
	switch t.Kind() {
	case reflect.Int64:
		w.buf = strconv.AppendInt(w.buf, v.ToInteger(), 10)
	case reflect.Float64:
		if f := v.ToFloat(); math.IsNaN(f) || math.IsInf(f, 0) {
			w.buf = append(w.buf, "null"...)
		} else {
			w.buf = append(w.buf, v.String()...)
		}
	case reflect.Bool:
		w.buf = strconv.AppendBool(w.buf, v.ToBoolean())
	case reflect.Pointer: // the only primitive that is one
		w.vm.ThrowType("Do not know how to serialize a BigInt")
	default:
		return false // a symbol
	}
	return true
}

var marshaler = reflect.TypeFor[json.Marshaler]()

// object writes an object, or the primitive that it wraps.
func (w *jsonWriter) object(obj *goja.Object) bool {
	class := obj.ClassName()
	switch class {
	case "Number":
		return w.primitive(obj.ToNumber())
	case "String":
		return w.primitive(w.vm.text(obj))
	case "Boolean":
		return w.primitive(w.vm.rt.ToValue(obj.Export()))
	case "RawJSON":
		if raw := obj.Get("rawJSON"); raw != nil {
			w.buf = append(w.buf, raw.String()...)
			return true
		}
	case "Function":
		return false
	}
	if _, ok := goja.AssertFunction(obj); ok { // a proxy of one
		return false
	}
	if class != "Date" && obj.ExportType() != nil && obj.ExportType().Implements(marshaler) { // a Go value
		data, err := obj.Export().(json.Marshaler).MarshalJSON()
		if err != nil {
			w.vm.Throw(err)
		}
		w.buf = append(w.buf, data...)
		return true
	}
	if slices.Contains(w.open, obj) {
		w.vm.ThrowType("Converting circular structure to JSON")
	}
	if len(w.open) >= maxJSONDepth {
		w.vm.Throw(&RangeError{"JSON.stringify: nested too deep"})
	}
	w.open = append(w.open, obj)
	outer := w.indent
	w.indent += w.gap
	if isArray(w.vm.rt, obj) {
		w.elements(obj, outer)
	} else {
		w.properties(obj, outer)
	}
	w.indent = outer
	w.open = w.open[:len(w.open)-1]
	return true
}

func (w *jsonWriter) elements(obj *goja.Object, outer string) {
	w.buf = append(w.buf, '[')
	n := obj.Get("length").ToInteger()
	for i := range n {
		if i > 0 {
			w.buf = append(w.buf, ',')
		}
		w.newline(w.indent)
		key := strconv.FormatInt(i, 10)
		if !w.value(obj, key, obj.Get(key)) {
			w.buf = append(w.buf, "null"...)
		}
	}
	if n > 0 {
		w.newline(outer)
	}
	w.buf = append(w.buf, ']')
}

func (w *jsonWriter) properties(obj *goja.Object, outer string) {
	keys := w.keys
	if !w.selected {
		keys = obj.Keys()
	}
	w.buf = append(w.buf, '{')
	empty := true
	for _, key := range keys {
		before := len(w.buf)
		if !empty {
			w.buf = append(w.buf, ',')
		}
		w.newline(w.indent)
		w.quote(key)
		w.buf = append(w.buf, ':')
		if w.gap != "" {
			w.buf = append(w.buf, ' ')
		}
		if w.value(obj, key, obj.Get(key)) {
			empty = false
		} else {
			w.buf = w.buf[:before]
		}
	}
	if !empty {
		w.newline(outer)
	}
	w.buf = append(w.buf, '}')
}

// newline begins a new line if the text is indented.
func (w *jsonWriter) newline(indent string) {
	if w.gap != "" {
		w.buf = append(append(w.buf, '\n'), indent...)
	}
}

// string writes a string. Halves of surrogate pairs that stand alone, which a Go
// string cannot have, are escaped.
func (w *jsonWriter) string(s goja.String) {
	text := s.String()
	if !strings.ContainsRune(text, utf8.RuneError) {
		w.quote(text)
		return
	}
	w.buf = append(w.buf, '"')
	for i := 0; i < s.Length(); i++ {
		c := rune(s.CharAt(i))
		if utf16.IsSurrogate(c) {
			r := rune(utf8.RuneError)
			if i+1 < s.Length() {
				r = utf16.DecodeRune(c, rune(s.CharAt(i+1)))
			}
			if r == utf8.RuneError {
				w.escape(c)
			} else {
				w.buf = utf8.AppendRune(w.buf, r)
				i++
			}
			continue
		}
		w.char(c)
	}
	w.buf = append(w.buf, '"')
}

func (w *jsonWriter) quote(text string) {
	w.buf = append(w.buf, '"')
	start := 0
	for i := range len(text) {
		if c := text[i]; c < ' ' || c == '"' || c == '\\' {
			w.buf = append(w.buf, text[start:i]...)
			w.char(rune(c))
			start = i + 1
		}
	}
	w.buf = append(append(w.buf, text[start:]...), '"')
}

// char writes one character of a string.
func (w *jsonWriter) char(c rune) {
	switch c {
	case '"', '\\':
		w.buf = append(w.buf, '\\', byte(c))
	case '\b':
		w.buf = append(w.buf, `\b`...)
	case '\t':
		w.buf = append(w.buf, `\t`...)
	case '\n':
		w.buf = append(w.buf, `\n`...)
	case '\f':
		w.buf = append(w.buf, `\f`...)
	case '\r':
		w.buf = append(w.buf, `\r`...)
	default:
		if c < ' ' {
			w.escape(c)
		} else {
			w.buf = utf8.AppendRune(w.buf, c)
		}
	}
}

// escape writes a UTF-16 unit by its number.
func (w *jsonWriter) escape(c rune) {
	const hex = "0123456789abcdef"
	w.buf = append(w.buf, '\\', 'u', hex[c>>12&15], hex[c>>8&15], hex[c>>4&15], hex[c&15])
}

// selectKeys takes the keys to write from an array.
func (w *jsonWriter) selectKeys(list *goja.Object) {
	w.selected = true
	w.vm.capLength("JSON.stringify", list)
	seen := map[string]bool{}
	for i := range list.Get("length").ToInteger() {
		w.vm.checkpoint()
		v := list.Get(strconv.FormatInt(i, 10))
		if !isKey(v) || seen[v.String()] {
			continue
		}
		seen[v.String()] = true
		w.keys = append(w.keys, v.String())
	}
}

// isKey reports whether v names a property in a list of them: strings and numbers do.
func isKey(v goja.Value) bool {
	switch v := v.(type) {
	case nil:
		return false
	case goja.String:
		return true
	case *goja.Object:
		return v.ClassName() == "String" || v.ClassName() == "Number"
	}
	t := v.ExportType()
	return t != nil && (t.Kind() == reflect.Int64 || t.Kind() == reflect.Float64)
}

// maxJSONGap is how many characters one level may be indented by.
const maxJSONGap = 10

// jsonGap returns what the third argument of JSON.stringify means.
func (vm *VM) jsonGap(v goja.Value) string {
	if obj, ok := v.(*goja.Object); ok {
		switch obj.ClassName() {
		case "Number":
			v = obj.ToNumber()
		case "String":
			v = vm.text(obj)
		default:
			return ""
		}
	}
	if s, ok := v.(goja.String); ok {
		return s.Substring(0, min(s.Length(), maxJSONGap)).String()
	}
	if t := v.ExportType(); t == nil || t.Kind() != reflect.Int64 && t.Kind() != reflect.Float64 {
		return ""
	}
	return strings.Repeat(" ", int(max(0, min(v.ToInteger(), maxJSONGap))))
}

// isArray is Array.isArray.
func isArray(rt *goja.Runtime, obj *goja.Object) bool {
	for {
		p, ok := proxyOf(obj)
		if !ok {
			return obj.ClassName() == "Array"
		}
		if obj = p.Target(); obj == nil {
			panic(rt.NewTypeError("Cannot perform 'IsArray' on a proxy that has been revoked"))
		}
	}
}

var proxyType = reflect.TypeFor[goja.Proxy]()

func proxyOf(obj *goja.Object) (p goja.Proxy, ok bool) {
	if obj.ExportType() != proxyType {
		return p, false
	}
	p, ok = obj.Export().(goja.Proxy)
	return p, ok
}
