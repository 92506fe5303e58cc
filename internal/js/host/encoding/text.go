package encoding

import (
	"strings"
	"unicode/utf8"

	"github.com/dop251/goja"

	"github.com/dgate-io/caddy-dgate/internal/js"
	"github.com/dgate-io/caddy-dgate/internal/js/host/native"
)

// newTextEncoder makes the class TextEncoder. Its objects have no state.
func newTextEncoder(vm *js.VM) goja.Value {
	rt := vm.Runtime()
	class := rt.ToValue(func(goja.ConstructorCall) *goja.Object { return nil }).(*goja.Object)
	proto := class.Get("prototype").(*goja.Object)
	define(vm, class, "name", rt.ToValue("TextEncoder"))
	define(vm, proto, "encoding", rt.ToValue("utf-8"))
	define(vm, proto, "encode", vm.Func("encode", 0, func(call goja.FunctionCall) goja.Value {
		text := ""
		if v := call.Argument(0); !goja.IsUndefined(v) {
			text = v.String()
		}
		return native.Construct(vm, "Uint8Array", vm.ArrayBuffer([]byte(text)))
	}))
	define(vm, proto, "encodeInto", vm.Func("encodeInto", 2, func(call goja.FunctionCall) goja.Value {
		target, ok := call.Argument(1).(*goja.Object)
		if !ok {
			vm.ThrowType("encodeInto: expected a Uint8Array, got %s", native.TypeName(call.Argument(1)))
		}
		into, ok := vm.Bytes(target)
		if !ok {
			vm.ThrowType("encodeInto: expected a Uint8Array, got %s", native.TypeName(target))
		}
		read, written := encodeInto(into, call.Argument(0).String())
		result := rt.NewObject()
		define(vm, result, "read", rt.ToValue(read))
		define(vm, result, "written", rt.ToValue(written))
		return result
	}))
	return class
}

// encodeInto writes as many whole characters as there is room for. It returns how
// many UTF-16 units of the text and bytes of the target that were.
func encodeInto(into []byte, text string) (read, written int) {
	for _, r := range text {
		if written+utf8.RuneLen(r) > len(into) {
			break
		}
		written += utf8.EncodeRune(into[written:], r)
		if read++; r > 0xffff {
			read++
		}
	}
	return read, written
}

// newTextDecoder makes the class TextDecoder.
func newTextDecoder(vm *js.VM) goja.Value {
	rt := vm.Runtime()
	class := rt.ToValue(func(call goja.ConstructorCall) *goja.Object {
		label := strings.ToLower(strings.TrimSpace(native.Text(call.Argument(0))))
		switch label {
		case "", "utf-8", "utf8", "unicode-1-1-utf-8":
		default:
			panic(native.Construct(vm, "RangeError", rt.ToValue("TextDecoder: the encoding \""+label+"\" is not supported, only utf-8 is")))
		}
		fatal, keepBOM := false, false
		if options, ok := call.Argument(1).(*goja.Object); ok {
			fatal = truthy(options.Get("fatal"))
			keepBOM = truthy(options.Get("ignoreBOM"))
		}
		define(vm, call.This, "encoding", rt.ToValue("utf-8"))
		define(vm, call.This, "fatal", rt.ToValue(fatal))
		define(vm, call.This, "ignoreBOM", rt.ToValue(keepBOM))
		return nil
	}).(*goja.Object)
	define(vm, class, "name", rt.ToValue("TextDecoder"))
	define(vm, class.Get("prototype").(*goja.Object), "decode", vm.Func("decode", 1, func(call goja.FunctionCall) goja.Value {
		return decode(vm, call)
	}))
	return class
}

func decode(vm *js.VM, call goja.FunctionCall) goja.Value {
	this, ok := call.This.(*goja.Object)
	if !ok {
		vm.ThrowType("decode must be called on a TextDecoder")
	}
	var data []byte
	if v := call.Argument(0); !goja.IsUndefined(v) {
		if data, ok = vm.Bytes(v); !ok || goja.IsString(v) {
			vm.ThrowType("decode: expected an ArrayBuffer or a typed array, got %s", native.TypeName(v))
		}
	}
	text := string(data)
	if truthy(this.Get("fatal")) && !utf8.ValidString(text) {
		vm.ThrowType("decode: the bytes are not valid UTF-8")
	}
	if !truthy(this.Get("ignoreBOM")) {
		text = strings.TrimPrefix(text, "\ufeff")
	}
	return vm.Runtime().ToValue(strings.ToValidUTF8(text, "\ufffd"))
}

func truthy(v goja.Value) bool { return v != nil && v.ToBoolean() }

// define sets a property that is not enumerable.
func define(vm *js.VM, obj *goja.Object, name string, v goja.Value) {
	if err := obj.DefineDataProperty(name, v, goja.FLAG_FALSE, goja.FLAG_TRUE, goja.FLAG_FALSE); err != nil {
		vm.Throw(err)
	}
}
