package encoding

import (
	"encoding/binary"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/dop251/goja"
	"golang.org/x/text/encoding/charmap"

	"github.com/dgate-io/caddy-dgate/internal/js"
	"github.com/dgate-io/caddy-dgate/internal/js/host/native"
)

// charset is an encoding of text. decode returns the text of data, what is left of
// it as it may go on, unless this is the end, and whether all of it made sense.
type charset struct {
	name   string
	labels []string
	decode func(data []byte, end bool) (text string, rest []byte, ok bool)
	bom    bool // whether text may begin with a byte order mark
}

var charsets = []charset{
	{"utf-8", []string{"utf-8", "utf8", "unicode-1-1-utf-8", "unicode11utf8", "unicode20utf8", "x-unicode20utf8"}, decodeUTF8, true},
	{"utf-16le", []string{"utf-16le", "utf-16", "ucs-2", "unicode", "iso-10646-ucs-2", "csunicode", "unicodefeff"}, decodeUTF16(binary.LittleEndian), true},
	{"utf-16be", []string{"utf-16be", "unicodefffe"}, decodeUTF16(binary.BigEndian), true},
	{"windows-1252", []string{
		"windows-1252", "latin1", "iso-8859-1", "iso8859-1", "iso_8859-1", "ascii", "us-ascii", "ansi_x3.4-1968",
		"cp1252", "cp819", "csisolatin1", "ibm819", "iso-ir-100", "iso88591", "iso_8859-1:1987", "l1", "x-cp1252",
	}, decodeWindows1252, false},
}

func decodeUTF8(data []byte, end bool) (text string, rest []byte, ok bool) {
	if !end {
		for n := 1; n <= min(utf8.UTFMax-1, len(data)); n++ {
			if tail := data[len(data)-n:]; utf8.RuneStart(tail[0]) {
				if !utf8.FullRune(tail) {
					data, rest = data[:len(data)-n], tail
				}
				break
			}
		}
	}
	return native.UTF8(data), rest, utf8.Valid(data)
}

func decodeUTF16(order binary.ByteOrder) func(data []byte, end bool) (text string, rest []byte, ok bool) {
	return func(data []byte, end bool) (text string, rest []byte, ok bool) {
		units := make([]uint16, len(data)/2)
		for i := range units {
			units[i] = order.Uint16(data[2*i:])
		}
		whole := 2 * len(units)
		if n := len(units); !end && n > 0 && units[n-1]&0xfc00 == 0xd800 { // the first half of a pair
			units, whole = units[:n-1], whole-2
		}
		runes := utf16.Decode(units)
		ok = slices.Equal(utf16.Encode(runes), units)
		if rest = data[whole:]; end && len(rest) > 0 {
			return string(runes) + "\ufffd", nil, false
		}
		return string(runes), rest, ok
	}
}

func decodeWindows1252(data []byte, _ bool) (text string, rest []byte, ok bool) {
	var b strings.Builder
	for _, c := range data {
		r := charmap.Windows1252.DecodeByte(c)
		if r == utf8.RuneError { // to browsers the five that have no meaning mean themselves
			r = rune(c)
		}
		b.WriteRune(r)
	}
	return b.String(), nil, true
}

// decoder is an object of class TextDecoder.
type decoder struct {
	vm               *js.VM
	charset          *charset
	fatal, ignoreBOM bool

	rest    []byte // of the stream, not decoded yet
	started bool   // whether the stream has had its first character
}

var _ goja.DynamicObject = (*decoder)(nil)

// newTextDecoder makes the class TextDecoder.
func newTextDecoder(vm *js.VM) any {
	rt := vm.Runtime()
	class := rt.ToValue(func(call goja.ConstructorCall) *goja.Object {
		d := &decoder{vm: vm, charset: charsetOf(vm, call.Argument(0))}
		if options, ok := call.Argument(1).(*goja.Object); ok {
			d.fatal = native.Truthy(options.Get("fatal"))
			d.ignoreBOM = native.Truthy(options.Get("ignoreBOM"))
		}
		obj := rt.NewDynamicObject(d)
		if err := obj.SetPrototype(call.This.Prototype()); err != nil {
			vm.Throw(err)
		}
		return obj
	}).(*goja.Object)
	native.Define(vm, class, "name", rt.ToValue("TextDecoder"))
	native.Define(vm, class.Get("prototype").(*goja.Object), "decode", vm.Func("decode", 1, func(call goja.FunctionCall) goja.Value {
		if obj, ok := call.This.(*goja.Object); ok && obj.ExportType() == reflect.TypeFor[*decoder]() {
			return obj.Export().(*decoder).decode(call)
		}
		vm.ThrowType("decode must be called on a TextDecoder")
		return nil
	}))
	return class
}

func charsetOf(vm *js.VM, v goja.Value) *charset {
	if goja.IsUndefined(v) {
		return &charsets[0]
	}
	label := strings.ToLower(strings.Trim(v.String(), "\t\n\f\r "))
	var known []string
	for i := range charsets {
		if slices.Contains(charsets[i].labels, label) {
			return &charsets[i]
		}
		known = append(known, charsets[i].name)
	}
	vm.Throw(&js.RangeError{Message: fmt.Sprintf("TextDecoder: the encoding %q is not supported, expected one of %s", label, strings.Join(known, ", "))})
	return nil
}

// decode is decode(data, {stream}).
func (d *decoder) decode(call goja.FunctionCall) goja.Value {
	var data []byte
	if v := call.Argument(0); !goja.IsUndefined(v) {
		var ok bool
		if data, ok = d.vm.Bytes(v); !ok || goja.IsString(v) {
			d.vm.ThrowType("decode: expected an ArrayBuffer or a typed array, got %s", native.TypeName(v))
		}
	}
	stream := false
	if options, ok := call.Argument(1).(*goja.Object); ok {
		stream = native.Truthy(options.Get("stream"))
	}
	if len(d.rest) > 0 {
		data = slices.Concat(d.rest, data)
	}
	var (
		text string
		rest []byte
		ok   bool
	)
	d.vm.Work(len(data), func() { text, rest, ok = d.charset.decode(data, !stream) })
	if d.fatal && !ok {
		d.rest, d.started = nil, false
		d.vm.ThrowType("decode: the bytes are not valid %s", strings.ToUpper(d.charset.name))
	}
	if d.charset.bom && !d.started && !d.ignoreBOM {
		text = strings.TrimPrefix(text, "\ufeff")
	}
	d.rest = slices.Clone(rest)
	d.started = stream && (d.started || len(data) > len(rest))
	return d.vm.Runtime().ToValue(text)
}

// Get implements goja.DynamicObject.
func (d *decoder) Get(name string) goja.Value {
	switch name {
	case "encoding":
		return d.vm.Runtime().ToValue(d.charset.name)
	case "fatal":
		return d.vm.Runtime().ToValue(d.fatal)
	case "ignoreBOM":
		return d.vm.Runtime().ToValue(d.ignoreBOM)
	}
	return nil
}

var decoderProperties = []string{"encoding", "fatal", "ignoreBOM"}

// Set implements goja.DynamicObject: nothing can be set.
func (d *decoder) Set(string, goja.Value) bool { return false }

// Has implements goja.DynamicObject.
func (d *decoder) Has(name string) bool { return slices.Contains(decoderProperties, name) }

// Delete implements goja.DynamicObject.
func (d *decoder) Delete(name string) bool { return !d.Has(name) }

// Keys implements goja.DynamicObject.
func (d *decoder) Keys() []string { return decoderProperties }
