package webcrypto

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"math/big"
	"reflect"
	"slices"
	"strings"

	"github.com/dop251/goja"

	"github.com/dgate-io/caddy-dgate/internal/js"
	"github.com/dgate-io/caddy-dgate/internal/js/host/domexception"
	"github.com/dgate-io/caddy-dgate/internal/js/host/native"
)

// key is what a CryptoKey stands for.
type key struct {
	scheme      *scheme
	hash        string // for the schemes that bind keys to one
	curve       string // for ECDSA
	material    any    // []byte, or the keys of Go's packages
	extractable bool
	usages      []string

	class *keyClass
	made  map[string]goja.Value // properties that are objects
}

// keyPair is what generateKey makes for signatures.
type keyPair struct{ public, private *key }

// kind is the type of a key.
func (k *key) kind() string {
	switch k.material.(type) {
	case *rsa.PublicKey, *ecdsa.PublicKey, ed25519.PublicKey:
		return "public"
	case *rsa.PrivateKey, *ecdsa.PrivateKey, ed25519.PrivateKey:
		return "private"
	}
	return "secret"
}

// permit checks the usages against what the scheme can do with such a key.
func (k *key) permit(what string) error {
	allowed := k.scheme.usages[k.kind()]
	for _, u := range k.usages {
		if !slices.Contains(allowed, u) {
			return domexception.Errorf("SyntaxError", "%s: a %s key of %s is not for %q, only for %s", what, k.kind(), k.scheme.name, u, orNothing(allowed))
		}
	}
	if len(k.usages) == 0 && k.kind() != "public" {
		return domexception.Errorf("SyntaxError", "%s: the key needs usages, some of %s", what, strings.Join(allowed, ", "))
	}
	return nil
}

func orNothing(list []string) string {
	if len(list) == 0 {
		return "nothing"
	}
	return strings.Join(list, ", ")
}

// keyArg is the CryptoKey that a script gave, which must be of the algorithm and
// have one of the usages.
func keyArg(p params, v goja.Value, usages ...string) *key {
	k := keyOf(p.vm, p.what, v)
	if s := p.scheme(); s != k.scheme {
		domexception.Throw(p.vm, "InvalidAccessError", "%s: the key is for %s, not for %s", p.what, k.scheme.name, s.name)
	}
	if !slices.ContainsFunc(usages, func(u string) bool { return slices.Contains(k.usages, u) }) {
		domexception.Throw(p.vm, "InvalidAccessError", "%s: the key must not be used for %s, only for %s", p.what, usages[0], orNothing(k.usages))
	}
	return k
}

func keyOf(vm *js.VM, what string, v goja.Value) *key {
	if obj, ok := v.(*goja.Object); ok && obj.ExportType() == reflect.TypeFor[*key]() {
		if k, ok := obj.Export().(*key); ok {
			return k
		}
	}
	vm.ThrowType("%s: expected a CryptoKey, got %s", what, native.TypeName(v))
	return nil
}

// keyClass is CryptoKey on one VM.
type keyClass struct {
	vm           *js.VM
	class, proto *goja.Object
}

type keyClassKey struct{}

func keyClassOf(vm *js.VM) *keyClass {
	return vm.Value(keyClassKey{}, func(vm *js.VM) any {
		class := vm.Runtime().ToValue(func(goja.ConstructorCall) *goja.Object {
			vm.ThrowType("CryptoKey: keys come from crypto.subtle.importKey and generateKey")
			return nil
		}).(*goja.Object)
		native.Define(vm, class, "name", vm.Runtime().ToValue("CryptoKey"))
		proto := class.Get("prototype").(*goja.Object)
		if err := proto.SetSymbol(goja.SymToStringTag, "CryptoKey"); err != nil {
			vm.Throw(err)
		}
		return &keyClass{vm, class, proto}
	}).(*keyClass)
}

// object is the CryptoKey over k, which must not be on another VM.
func (k *key) object(vm *js.VM) *goja.Object {
	k.class = keyClassOf(vm)
	obj := vm.Runtime().NewDynamicObject(k)
	if err := obj.SetPrototype(k.class.proto); err != nil {
		vm.Throw(err)
	}
	return obj
}

var _ goja.DynamicObject = (*key)(nil)

// Get implements goja.DynamicObject.
func (k *key) Get(name string) goja.Value {
	if v := k.made[name]; v != nil {
		return v
	}
	vm := k.class.vm
	var v goja.Value
	switch name {
	case "type":
		return vm.Runtime().ToValue(k.kind())
	case "extractable":
		return vm.Runtime().ToValue(k.extractable)
	case "usages":
		v = native.Strings(vm, k.usages)
	case "algorithm":
		v = k.algorithm(vm)
	default:
		return nil
	}
	if k.made == nil {
		k.made = map[string]goja.Value{}
	}
	k.made[name] = v
	return v
}

// algorithm is the property algorithm.
func (k *key) algorithm(vm *js.VM) goja.Value {
	rt := vm.Runtime()
	obj := rt.NewObject()
	native.Set(vm, obj, "name", rt.ToValue(k.scheme.name))
	if k.hash != "" {
		hash := rt.NewObject()
		native.Set(vm, hash, "name", rt.ToValue(k.hash))
		native.Set(vm, obj, "hash", hash)
	}
	if k.curve != "" {
		native.Set(vm, obj, "namedCurve", rt.ToValue(k.curve))
	}
	switch m := k.material.(type) {
	case []byte:
		if k.scheme.sized {
			native.Set(vm, obj, "length", rt.ToValue(8*len(m)))
		}
	case *rsa.PublicKey:
		rsaAlgorithm(vm, obj, m)
	case *rsa.PrivateKey:
		rsaAlgorithm(vm, obj, &m.PublicKey)
	}
	return obj
}

func rsaAlgorithm(vm *js.VM, obj *goja.Object, pub *rsa.PublicKey) {
	native.Set(vm, obj, "modulusLength", vm.Runtime().ToValue(pub.N.BitLen()))
	exponent := vm.ArrayBuffer(big.NewInt(int64(pub.E)).Bytes())
	native.Set(vm, obj, "publicExponent", native.Construct(vm, "Uint8Array", exponent))
}

var keyProperties = []string{"type", "extractable", "algorithm", "usages"}

// Set implements goja.DynamicObject: nothing can be set.
func (k *key) Set(string, goja.Value) bool { return false }

// Has implements goja.DynamicObject.
func (k *key) Has(name string) bool { return slices.Contains(keyProperties, name) }

// Delete implements goja.DynamicObject.
func (k *key) Delete(name string) bool { return !k.Has(name) }

// Keys implements goja.DynamicObject.
func (k *key) Keys() []string { return keyProperties }
