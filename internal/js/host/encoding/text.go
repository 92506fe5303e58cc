package encoding

import (
	"unicode/utf8"

	"github.com/dop251/goja"

	"github.com/dgate-io/caddy-dgate/internal/js"
	"github.com/dgate-io/caddy-dgate/internal/js/host/native"
)

// newTextEncoder makes the class TextEncoder. Its objects have no state.
func newTextEncoder(vm *js.VM) any {
	rt := vm.Runtime()
	class := rt.ToValue(func(goja.ConstructorCall) *goja.Object { return nil }).(*goja.Object)
	proto := class.Get("prototype").(*goja.Object)
	native.Define(vm, class, "name", rt.ToValue("TextEncoder"))
	native.Define(vm, proto, "encoding", rt.ToValue("utf-8"))
	native.Define(vm, proto, "encode", vm.Func("encode", 0, func(call goja.FunctionCall) goja.Value {
		text := ""
		if v := call.Argument(0); !goja.IsUndefined(v) {
			text = v.String()
		}
		return native.Construct(vm, "Uint8Array", vm.ArrayBuffer([]byte(text)))
	}))
	native.Define(vm, proto, "encodeInto", vm.Func("encodeInto", 2, func(call goja.FunctionCall) goja.Value {
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
		native.Set(vm, result, "read", rt.ToValue(read))
		native.Set(vm, result, "written", rt.ToValue(written))
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
