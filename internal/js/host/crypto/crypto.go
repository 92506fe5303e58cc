// Package crypto is the module "dgate/crypto": digests, HMACs and random values,
// computed in Go. It has no ciphers, signatures or keys: those are in the web's
// crypto.subtle, which is package webcrypto.
package crypto

import (
	"crypto/hmac"
	"crypto/rand"
	"encoding/hex"
	"math/big"

	"github.com/dop251/goja"

	"github.com/dgate-io/caddy-dgate/internal/js"
	"github.com/dgate-io/caddy-dgate/internal/js/host/native"
)

// maxRandom is how many random bytes one call gives.
const maxRandom = 1 << 20

// Module returns the module.
func Module() js.Module {
	exports := []js.Export{
		native.Function("createHash", 1, createHash),
		native.Function("getHashes", 0, getHashes),
		native.Function("createHmac", 2, createHmac),
		native.Function("hmac", 4, hmacOf),
		native.Function("randomBytes", 1, randomBytes),
		native.Function("randomInt", 2, randomInt),
		native.Function("randomUUID", 0, randomUUID),
		native.Function("hexEncode", 1, hexEncode),
		native.Function("timingSafeEqual", 2, timingSafeEqual),
	}
	for _, a := range algorithms {
		exports = append(exports, native.Function(a.export, 2, func(vm *js.VM, call goja.FunctionCall) goja.Value {
			h := a.new()
			write(vm, h, input(vm, a.export, call.Argument(0)))
			return digest(vm, h.Sum(nil), call.Argument(1))
		}))
	}
	return js.Module{Name: "dgate/crypto", Exports: exports}
}

func createHash(vm *js.VM, call goja.FunctionCall) goja.Value {
	a := algorithmArg(vm, "createHash", call.Argument(0))
	return newHasher(vm, a.new())
}

func createHmac(vm *js.VM, call goja.FunctionCall) goja.Value {
	a := algorithmArg(vm, "createHmac", call.Argument(0))
	return newHasher(vm, hmac.New(a.new, input(vm, "createHmac", call.Argument(1))))
}

// hmacOf is hmac(algorithm, key, data, encoding).
func hmacOf(vm *js.VM, call goja.FunctionCall) goja.Value {
	a := algorithmArg(vm, "hmac", call.Argument(0))
	h := hmac.New(a.new, input(vm, "hmac", call.Argument(1)))
	write(vm, h, input(vm, "hmac", call.Argument(2)))
	return digest(vm, h.Sum(nil), call.Argument(3))
}

func getHashes(vm *js.VM, _ goja.FunctionCall) goja.Value {
	names := make([]any, len(algorithms))
	for i, a := range algorithms {
		names[i] = a.name
	}
	return vm.Runtime().NewArray(names...)
}

func randomBytes(vm *js.VM, call goja.FunctionCall) goja.Value {
	n := call.Argument(0).ToFloat()
	if n != float64(int(n)) || n < 1 || n > maxRandom {
		vm.ThrowType("randomBytes: invalid size %s, expected an integer from 1 to %d", call.Argument(0), maxRandom)
	}
	b := make([]byte, int(n))
	_, _ = rand.Read(b) // it never fails
	return vm.ArrayBuffer(b)
}

// randomInt is randomInt(max) or randomInt(min, max): an integer n with min <= n < max.
func randomInt(vm *js.VM, call goja.FunctionCall) goja.Value {
	low, high := 0.0, call.Argument(0).ToFloat()
	if len(call.Arguments) > 1 && !goja.IsUndefined(call.Argument(1)) {
		low, high = high, call.Argument(1).ToFloat()
	}
	const safe = 1 << 53
	if low != float64(int64(low)) || high != float64(int64(high)) || low < -safe || high > safe {
		vm.ThrowType("randomInt: expected safe integers, as in randomInt(max) or randomInt(min, max)")
	}
	if high <= low {
		vm.ThrowType("randomInt: the range from %d to %d is empty: max must be greater than min", int64(low), int64(high))
	}
	n, err := rand.Int(rand.Reader, big.NewInt(int64(high)-int64(low)))
	if err != nil {
		vm.Throw(err)
	}
	return vm.Runtime().ToValue(int64(low) + n.Int64())
}

// randomUUID is a random UUID, version 4.
func randomUUID(vm *js.VM, _ goja.FunctionCall) goja.Value {
	return vm.Runtime().ToValue(UUID())
}

// UUID returns a random UUID, version 4.
func UUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // it never fails
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	text := make([]byte, 0, 36)
	for i, part := range [][]byte{b[:4], b[4:6], b[6:8], b[8:10], b[10:]} {
		if i > 0 {
			text = append(text, '-')
		}
		text = hex.AppendEncode(text, part)
	}
	return string(text)
}

func hexEncode(vm *js.VM, call goja.FunctionCall) goja.Value {
	return vm.Runtime().ToValue(hex.EncodeToString(input(vm, "hexEncode", call.Argument(0))))
}

// timingSafeEqual tells whether two texts or bytes are the same, in a time that
// depends on their lengths only, which therefore should not be secret.
func timingSafeEqual(vm *js.VM, call goja.FunctionCall) goja.Value {
	a, b := input(vm, "timingSafeEqual", call.Argument(0)), input(vm, "timingSafeEqual", call.Argument(1))
	return vm.Runtime().ToValue(hmac.Equal(a, b))
}

// input is data that a script gave: text, as UTF-8, or bytes.
func input(vm *js.VM, what string, v goja.Value) []byte {
	data, ok := vm.Bytes(v)
	if !ok {
		vm.ThrowType("%s failed: invalid type %s, expected a string, an ArrayBuffer or a typed array", what, native.TypeName(v))
	}
	return data
}
