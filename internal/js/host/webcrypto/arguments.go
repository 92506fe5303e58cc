package webcrypto

import (
	"bytes"
	gocrypto "crypto"
	"slices"
	"strings"

	"github.com/dop251/goja"

	"github.com/dgate-io/caddy-dgate/internal/js"
	"github.com/dgate-io/caddy-dgate/internal/js/host/domexception"
	"github.com/dgate-io/caddy-dgate/internal/js/host/native"
)

// hashes are the hash functions by name. Package crypto of the host links them.
var hashes = map[string]gocrypto.Hash{
	"SHA-1": gocrypto.SHA1, "SHA-256": gocrypto.SHA256, "SHA-384": gocrypto.SHA384, "SHA-512": gocrypto.SHA512,
}

// params are the algorithm that a script asks for: its name, and what else it says.
type params struct {
	vm   *js.VM
	what string // the operation, for messages
	name string // as the script has written it
	obj  *goja.Object
}

func paramsOf(vm *js.VM, what string, v goja.Value) params {
	p := params{vm: vm, what: what}
	if obj, ok := v.(*goja.Object); ok && obj.ClassName() != "String" {
		p.obj, v = obj, obj.Get("name")
	}
	if !goja.IsString(v) {
		vm.ThrowType("%s: expected an algorithm, a name or an object with a name, got %s", what, native.TypeName(v))
	}
	p.name = v.String()
	return p
}

func (p params) get(name string) goja.Value {
	if p.obj == nil {
		return goja.Undefined()
	}
	if v := p.obj.Get(name); v != nil {
		return v
	}
	return goja.Undefined()
}

// scheme is the algorithm by that name.
func (p params) scheme() *scheme {
	for i := range schemes {
		if strings.EqualFold(schemes[i].name, p.name) {
			return &schemes[i]
		}
	}
	names := make([]string, len(schemes))
	for i, s := range schemes {
		names[i] = s.name
	}
	p.unsupported("algorithm", p.name, names)
	return nil
}

func (p params) unsupported(what, name string, known []string) {
	domexception.Throw(p.vm, "NotSupportedError", "%s: the %s %q is not supported, expected one of %s", p.what, what, name, strings.Join(known, ", "))
}

// hash is the hash function that is named in the member hash.
func (p params) hash() string { return hashOf(p.vm, p.what, p.get("hash")) }

func hashOf(vm *js.VM, what string, v goja.Value) string {
	if native.Missing(v) {
		vm.ThrowType("%s: the algorithm needs a hash", what)
	}
	p := paramsOf(vm, what, v)
	var known []string
	for name := range hashes {
		if strings.EqualFold(name, p.name) {
			return name
		}
		known = append(known, name)
	}
	slices.Sort(known)
	p.unsupported("hash", p.name, known)
	return ""
}

// curve is the elliptic curve that is named in the member namedCurve.
func (p params) curve() string {
	name := native.Text(p.get("namedCurve"))
	if curves[name] == nil {
		p.unsupported("curve", name, []string{"P-256", "P-384", "P-521"})
	}
	return name
}

// bytes is a copy of the bytes in a member.
func (p params) bytes(name string) []byte { return bytesOf(p.vm, p.what+": "+name, p.get(name)) }

// integer is a member that is a whole number in a range.
func (p params) integer(name string, low, high int) int {
	v := p.get(name)
	f := v.ToFloat()
	if native.Missing(v) || f != float64(int(f)) || f < float64(low) || f > float64(high) {
		domexception.Throw(p.vm, "OperationError", "%s: %s is %s, expected a whole number from %d to %d", p.what, name, v, low, high)
	}
	return int(f)
}

// bytesOf is a copy of the bytes that a script gave; text is not bytes.
func bytesOf(vm *js.VM, what string, v goja.Value) []byte {
	b, ok := vm.Bytes(v)
	if obj, isObject := v.(*goja.Object); !ok || !isObject || obj.ClassName() == "String" {
		vm.ThrowType("%s: expected an ArrayBuffer or a typed array, got %s", what, native.TypeName(v))
	}
	return bytes.Clone(b)
}

// strings is an array of strings.
func stringsOf(vm *js.VM, what string, v goja.Value) []string {
	obj, ok := v.(*goja.Object)
	if !ok {
		vm.ThrowType("%s: expected an array of usages, got %s", what, native.TypeName(v))
	}
	var list []string
	vm.Runtime().ForOf(obj, func(item goja.Value) bool {
		if s := item.String(); !slices.Contains(list, s) {
			list = append(list, s)
		}
		return len(list) < 100
	})
	return list
}
