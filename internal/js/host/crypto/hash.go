package crypto

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"reflect"
	"strings"

	"github.com/dop251/goja"

	"github.com/dgate-io/caddy-dgate/internal/js"
)

// algorithm is a hash function, with its name in getHashes and among the exports.
type algorithm struct {
	name, export string
	new          func() hash.Hash
}

var algorithms = []algorithm{
	{"md5", "md5", md5.New},
	{"sha1", "sha1", sha1.New},
	{"sha224", "sha224", sha256.New224},
	{"sha256", "sha256", sha256.New},
	{"sha384", "sha384", sha512.New384},
	{"sha512", "sha512", sha512.New},
	{"sha512-224", "sha512_224", sha512.New512_224},
	{"sha512-256", "sha512_256", sha512.New512_256},
}

// algorithmArg finds an algorithm by name: in any case, "sha512-256", "sha512_256"
// and "sha512/256" are the same, and so are "sha-256" and "sha256".
func algorithmArg(vm *js.VM, what string, v goja.Value) algorithm {
	name := strings.NewReplacer("_", "", "-", "", "/", "").Replace(strings.ToLower(v.String()))
	var known []string
	for _, a := range algorithms {
		if strings.ReplaceAll(a.name, "-", "") == name {
			return a
		}
		known = append(known, a.name)
	}
	vm.ThrowType("%s: unknown algorithm %q, expected one of %s", what, v.String(), strings.Join(known, ", "))
	return algorithm{}
}

// write hashes data, which does not count as the script's computing if it is much.
func write(vm *js.VM, h hash.Hash, data []byte) { vm.Work(len(data), func() { h.Write(data) }) }

// digest is a sum in the encoding that a script wants; an ArrayBuffer without one.
func digest(vm *js.VM, sum []byte, encoding goja.Value) goja.Value {
	if goja.IsUndefined(encoding) || goja.IsNull(encoding) {
		return vm.ArrayBuffer(sum)
	}
	rt := vm.Runtime()
	switch strings.ToLower(encoding.String()) {
	case "hex":
		return rt.ToValue(hex.EncodeToString(sum))
	case "base64", "b64":
		return rt.ToValue(base64.StdEncoding.EncodeToString(sum))
	case "base64raw", "b64raw":
		return rt.ToValue(base64.RawStdEncoding.EncodeToString(sum))
	case "base64url", "b64url":
		return rt.ToValue(base64.URLEncoding.EncodeToString(sum))
	case "base64rawurl", "b64rawurl":
		return rt.ToValue(base64.RawURLEncoding.EncodeToString(sum))
	}
	return vm.ArrayBuffer(sum)
}

// methods are the functions that hashers of one VM share.
type methods struct{ update, digest *goja.Object }

type methodsKey struct{}

func methodsOf(vm *js.VM) *methods {
	return vm.Value(methodsKey{}, func(vm *js.VM) any {
		m := &methods{}
		m.update = vm.Func("update", 1, func(call goja.FunctionCall) goja.Value {
			write(vm, hasherOf(vm, call.This).h, input(vm, "update", call.Argument(0)))
			return call.This
		})
		m.digest = vm.Func("digest", 1, func(call goja.FunctionCall) goja.Value {
			return digest(vm, hasherOf(vm, call.This).h.Sum(nil), call.Argument(0))
		})
		return m
	}).(*methods)
}

// newHasher is an object with update(data), which returns it, and digest(encoding),
// which may be asked for again, also after further updates.
func newHasher(vm *js.VM, h hash.Hash) goja.Value {
	return vm.Runtime().NewDynamicObject(&hasher{h: h, methods: methodsOf(vm)})
}

func hasherOf(vm *js.VM, this goja.Value) *hasher {
	if obj, ok := this.(*goja.Object); ok && obj.ExportType() == reflect.TypeFor[*hasher]() {
		if h, ok := obj.Export().(*hasher); ok {
			return h
		}
	}
	vm.ThrowType("this method must be called on what createHash or createHmac has returned")
	return nil
}

// hasher is the state behind the objects of createHash and createHmac.
type hasher struct {
	h       hash.Hash
	methods *methods
}

var _ goja.DynamicObject = (*hasher)(nil)

// Get implements goja.DynamicObject.
func (h *hasher) Get(key string) goja.Value {
	switch key {
	case "update":
		return h.methods.update
	case "digest":
		return h.methods.digest
	}
	return nil
}

// Set implements goja.DynamicObject: nothing can be set.
func (h *hasher) Set(string, goja.Value) bool { return false }

// Has implements goja.DynamicObject.
func (h *hasher) Has(key string) bool { return key == "update" || key == "digest" }

// Delete implements goja.DynamicObject.
func (h *hasher) Delete(key string) bool { return !h.Has(key) }

// Keys implements goja.DynamicObject.
func (h *hasher) Keys() []string { return nil }
