// Package webcrypto is the web's global crypto: random values, and crypto.subtle
// over Go's own cryptography. It has what checking and making tokens takes: digests,
// HMAC, RSA and elliptic-curve signatures, AES-GCM, and the derivation of keys from
// passwords and secrets. It has no RSA encryption, does not wrap keys and makes no
// RSA keys, which would take a script seconds that no limit counts.
//
// Promises are settled at once. Only work that takes long, signing with RSA and
// PBKDF2, is done on other goroutines, as many at a time as there are processors.
package webcrypto

import (
	"context"
	"crypto/rand"
	"reflect"
	"runtime"
	"sync"

	"github.com/dop251/goja"

	"github.com/dgate-io/caddy-dgate/internal/js"
	"github.com/dgate-io/caddy-dgate/internal/js/host/crypto"
	"github.com/dgate-io/caddy-dgate/internal/js/host/domexception"
	"github.com/dgate-io/caddy-dgate/internal/js/host/native"
)

// Globals returns the globals crypto and CryptoKey.
func Globals() []js.Global {
	return []js.Global{
		{Name: "crypto", New: func(vm *js.VM) goja.Value {
			return vm.Lazy([]js.Export{
				native.Function("getRandomValues", 1, randomValues),
				native.Function("randomUUID", 0, func(vm *js.VM, _ goja.FunctionCall) goja.Value { return vm.Runtime().ToValue(crypto.UUID()) }),
				{Name: "subtle", New: func(vm *js.VM) goja.Value { return vm.Lazy(subtle()) }},
			})
		}},
		{Name: "CryptoKey", New: func(vm *js.VM) goja.Value { return keyClassOf(vm).class }},
	}
}

func subtle() []js.Export {
	return []js.Export{
		operation("digest", 2, digest),
		operation("importKey", 5, importKey),
		operation("exportKey", 2, exportKey),
		operation("generateKey", 3, generateKey),
		operation("sign", 3, sign),
		operation("verify", 4, verify),
		operation("encrypt", 3, encrypt),
		operation("decrypt", 3, decrypt),
		operation("deriveBits", 3, deriveBits),
		operation("deriveKey", 5, deriveKey),
	}
}

// maxRandom is how many random bytes one call gives, by the standard.
const maxRandom = 65536

// randomValues fills a typed array of integers with random bits.
func randomValues(vm *js.VM, call goja.FunctionCall) goja.Value {
	v := call.Argument(0)
	obj, ok := v.(*goja.Object)
	if !ok || !holdsIntegers(obj.ExportType()) {
		domexception.Throw(vm, "TypeMismatchError", "getRandomValues: expected a typed array of integers, got %s", native.TypeName(v))
	}
	b, ok := vm.Bytes(obj)
	if !ok {
		vm.ThrowType("getRandomValues: the array has no memory any more")
	}
	if len(b) > maxRandom {
		domexception.Throw(vm, "QuotaExceededError", "getRandomValues: expected at most %d bytes, got %d", maxRandom, len(b))
	}
	_, _ = rand.Read(b) // it never fails
	return v
}

func holdsIntegers(t reflect.Type) bool {
	if t == nil || t.Kind() != reflect.Slice {
		return false
	}
	kind := t.Elem().Kind()
	return kind >= reflect.Int8 && kind <= reflect.Uint32
}

// job is an operation whose arguments have been read. do must not use the VM. Its
// result is bytes, a bool, a *key, a *keyPair or a *jwk.
type job struct {
	slow bool // it is done on another goroutine
	size int  // how many bytes of data it goes through
	do   func() (any, error)
}

// done is a job that is over.
func done(result any, err error) job { return job{do: func() (any, error) { return result, err }} }

// operation is a function that returns a promise, always: what prepare throws rejects it.
func operation(name string, arity int, prepare func(*js.VM, []goja.Value) job) js.Export {
	return native.Function(name, arity, func(vm *js.VM, call goja.FunctionCall) goja.Value {
		var j job
		ex := vm.Runtime().Try(func() {
			if len(call.Arguments) < arity {
				vm.ThrowType("%s: expected %d arguments, got %d", name, arity, len(call.Arguments))
			}
			j = prepare(vm, call.Arguments)
		})
		if ex == nil && j.slow {
			return js.Async(vm, func(ctx context.Context) (any, error) { return queued(ctx, j.do) }, result)
		}
		promise, resolve, reject := vm.NewPromise()
		if ex != nil {
			reject(ex.Value())
			return promise
		}
		var v any
		var err error
		vm.Work(j.size, func() { v, err = j.do() })
		if err != nil {
			reject(vm.Error(err))
		} else {
			resolve(result(vm, v))
		}
		return promise
	})
}

// processors bounds how much slow work is done at a time.
var processors = sync.OnceValue(func() chan struct{} { return make(chan struct{}, runtime.GOMAXPROCS(0)) })

// queued waits for its turn and does the work.
func queued(ctx context.Context, do func() (any, error)) (any, error) {
	select {
	case processors() <- struct{}{}:
		defer func() { <-processors() }()
		return do()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// result is what a job has come to, as scripts see it.
func result(vm *js.VM, v any) goja.Value {
	switch v := v.(type) {
	case []byte:
		return vm.ArrayBuffer(v)
	case *key:
		return v.object(vm)
	case *keyPair:
		obj := vm.Runtime().NewObject()
		native.Set(vm, obj, "publicKey", v.public.object(vm))
		native.Set(vm, obj, "privateKey", v.private.object(vm))
		return obj
	case *jwk:
		return v.object(vm)
	}
	return vm.Runtime().ToValue(v)
}
