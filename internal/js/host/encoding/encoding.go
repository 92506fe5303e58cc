// Package encoding has the globals atob, btoa, TextEncoder and TextDecoder. Of the
// encodings of browsers TextDecoder knows UTF-8, UTF-16 and windows-1252, which is
// what they take latin1 for; it refuses the labels of others.
package encoding

import (
	"encoding/base64"
	"strings"

	"github.com/dop251/goja"

	"github.com/dgate-io/caddy-dgate/internal/js"
	"github.com/dgate-io/caddy-dgate/internal/js/host/domexception"
	"github.com/dgate-io/caddy-dgate/internal/js/host/native"
)

// Globals returns the globals.
func Globals() []js.Global { return append(Base64(), Text()...) }

// Base64 returns atob and btoa.
func Base64() []js.Export {
	return []js.Export{native.Function("atob", 1, atob), native.Function("btoa", 1, btoa)}
}

// Text returns TextEncoder and TextDecoder.
func Text() []js.Export {
	return []js.Export{
		{Name: "TextEncoder", New: func(vm *js.VM) goja.Value { return vm.Value(encoderKey{}, newTextEncoder).(goja.Value) }},
		{Name: "TextDecoder", New: func(vm *js.VM) goja.Value { return vm.Value(decoderKey{}, newTextDecoder).(goja.Value) }},
	}
}

// The classes are kept under these keys, so that they are the same wherever they
// are exported.
type (
	encoderKey struct{}
	decoderKey struct{}
)

// btoa encodes a string, each character of which stands for a byte, as base64.
func btoa(vm *js.VM, call goja.FunctionCall) goja.Value {
	text := argument(vm, "btoa", call).String()
	data := make([]byte, 0, len(text))
	for _, r := range text {
		if r > 0xff {
			domexception.Throw(vm, "InvalidCharacterError", "btoa: %q is outside of Latin-1; encode text with TextEncoder, or use Uint8Array.prototype.toBase64", r)
		}
		data = append(data, byte(r))
	}
	return vm.Runtime().ToValue(base64.StdEncoding.EncodeToString(data))
}

// atob decodes base64, with or without padding, to a string with a character per byte.
func atob(vm *js.VM, call goja.FunctionCall) goja.Value {
	text := strings.Map(func(r rune) rune {
		if strings.ContainsRune(" \t\n\f\r", r) {
			return -1
		}
		return r
	}, argument(vm, "atob", call).String())
	if len(text)%4 == 0 {
		text = strings.TrimSuffix(strings.TrimSuffix(text, "="), "=")
	}
	data, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil {
		domexception.Throw(vm, "InvalidCharacterError", "atob: the text is not base64")
	}
	var b strings.Builder
	for _, c := range data {
		b.WriteRune(rune(c))
	}
	return vm.Runtime().ToValue(b.String())
}

func argument(vm *js.VM, what string, call goja.FunctionCall) goja.Value {
	if len(call.Arguments) == 0 {
		vm.ThrowType("%s: expected a string", what)
	}
	return call.Arguments[0].ToString()
}
