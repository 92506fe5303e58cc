package webcrypto

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"slices"

	"github.com/dop251/goja"

	"github.com/dgate-io/caddy-dgate/internal/js"
	"github.com/dgate-io/caddy-dgate/internal/js/host/domexception"
)

// exportKey is exportKey(format, key).
func exportKey(vm *js.VM, args []goja.Value) job {
	format := formatOf(vm, "exportKey", args[0])
	k := keyOf(vm, "exportKey", args[1])
	if !k.extractable {
		domexception.Throw(vm, "InvalidAccessError", "exportKey: the key is not extractable")
	}
	if format == "jwk" {
		return done(toJWK(k))
	}
	data, err := k.marshal(format)
	if err != nil {
		return done(nil, domexception.Errorf("OperationError", "exportKey: %v", err))
	}
	if data == nil {
		return done(nil, domexception.Errorf("InvalidAccessError", "exportKey: a %s key of %s is not exported as %s", k.kind(), k.scheme.name, format))
	}
	return done(data, nil)
}

// marshal writes the binary formats; nil for those that the key does not have.
func (k *key) marshal(format string) ([]byte, error) {
	kind := k.kind()
	switch {
	case format == "spki" && kind == "public":
		return x509.MarshalPKIXPublicKey(k.material)
	case format == "pkcs8" && kind == "private":
		return x509.MarshalPKCS8PrivateKey(k.material)
	case format == "raw":
		switch m := k.material.(type) {
		case []byte:
			return bytes.Clone(m), nil
		case *ecdsa.PublicKey:
			return m.Bytes()
		case ed25519.PublicKey:
			return bytes.Clone(m), nil
		}
	}
	return nil, nil
}

// generateKey is generateKey(algorithm, extractable, usages).
func generateKey(vm *js.VM, args []goja.Value) job {
	p := paramsOf(vm, "generateKey", args[0])
	k := newKey(p, args[1], args[2])
	switch k.scheme.kty {
	case "oct":
		n := k.length(p) / 8
		if k.scheme.name == "AES-GCM" && n != 16 && n != 24 && n != 32 {
			domexception.Throw(vm, "OperationError", "generateKey: the length is %d bits, expected 128, 192 or 256", 8*n)
		}
		secret := make([]byte, n)
		_, _ = rand.Read(secret) // it never fails
		k.material = secret
		return done(k, k.permit("generateKey"))
	case "EC":
		private, err := ecdsa.GenerateKey(curves[k.curve], rand.Reader)
		if err != nil {
			vm.Throw(err)
		}
		return pairOf(k, private, &private.PublicKey)
	case "OKP":
		public, private, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			vm.Throw(err)
		}
		return pairOf(k, private, public)
	}
	return done(nil, domexception.Errorf("NotSupportedError", "generateKey: keys of %s are not made here; make them outside, and import them", k.scheme.name))
}

// length is how many bits a secret key has: that of the block of the hash unless
// the script says otherwise.
func (k *key) length(p params) int {
	if v := p.get("length"); k.hash != "" && goja.IsUndefined(v) {
		return 8 * hashes[k.hash].New().BlockSize()
	}
	n := p.integer("length", 8, 1<<16)
	if n%8 != 0 {
		domexception.Throw(p.vm, "NotSupportedError", "%s: the length is %d bits, which are no whole bytes", p.what, n)
	}
	return n
}

// pairOf splits what k is for among its private and its public key.
func pairOf(k *key, private, public any) job {
	var pair keyPair
	for _, part := range []struct {
		to       **key
		material any
		usage    string
	}{{&pair.private, private, "sign"}, {&pair.public, public, "verify"}} {
		half := *k
		half.material, half.usages = part.material, nil
		if slices.Contains(k.usages, part.usage) {
			half.usages = []string{part.usage}
		}
		*part.to = &half
	}
	pair.public.extractable = true
	for _, usage := range k.usages {
		if usage != "sign" && usage != "verify" {
			return done(nil, domexception.Errorf("SyntaxError", "generateKey: a key of %s is not for %q, only for sign, verify", k.scheme.name, usage))
		}
	}
	return done(&pair, pair.private.permit("generateKey"))
}
