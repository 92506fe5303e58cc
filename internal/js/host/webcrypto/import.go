package webcrypto

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"slices"

	"github.com/dop251/goja"

	"github.com/dgate-io/caddy-dgate/internal/js"
	"github.com/dgate-io/caddy-dgate/internal/js/host/domexception"
)

// maxModulus is how many bits an RSA key may have: checking a signature takes time
// that grows with the square of it.
const maxModulus = 8192

var formats = []string{"raw", "jwk", "spki", "pkcs8"}

func formatOf(vm *js.VM, what string, v goja.Value) string {
	format := v.String()
	if !slices.Contains(formats, format) {
		vm.ThrowType("%s: the format %q is unknown, expected raw, jwk, spki or pkcs8", what, format)
	}
	return format
}

// importKey is importKey(format, data, algorithm, extractable, usages).
func importKey(vm *js.VM, args []goja.Value) job {
	format := formatOf(vm, "importKey", args[0])
	k := newKey(paramsOf(vm, "importKey", args[2]), args[3], args[4])
	var material any
	var err error
	if format == "jwk" {
		var w *jwk
		if w, err = jwkOf(vm, args[1]); err == nil {
			material, err = w.material(k)
		}
	} else {
		material, err = k.parse(format, bytesOf(vm, "importKey", args[1]))
	}
	if err != nil {
		return done(nil, err)
	}
	k.material = material
	if err := k.check(); err != nil {
		return done(nil, err)
	}
	return done(k, k.permit("importKey"))
}

// newKey is a key of an algorithm, without its material.
func newKey(p params, extractable, usages goja.Value) *key {
	k := &key{scheme: p.scheme(), extractable: extractable.ToBoolean(), usages: stringsOf(p.vm, p.what, usages)}
	if k.scheme.hashed {
		k.hash = p.hash()
	}
	if k.scheme.curved {
		k.curve = p.curve()
	}
	return k
}

// parse reads the binary formats.
func (k *key) parse(format string, data []byte) (material any, err error) {
	switch {
	case format == "spki" && k.scheme.usages["public"] != nil:
		material, err = x509.ParsePKIXPublicKey(data)
	case format == "pkcs8" && k.scheme.usages["private"] != nil:
		material, err = parsePKCS8(data)
	case format == "raw" && k.scheme.usages["secret"] != nil && k.scheme.usages["public"] == nil, format == "raw" && k.scheme.kty == "oct":
		return data, nil
	case format == "raw" && k.scheme.curved:
		material, err = ecdsa.ParseUncompressedPublicKey(curves[k.curve], data)
	case format == "raw" && k.scheme.kty == "OKP":
		return ed25519.PublicKey(data), nil
	default:
		return nil, domexception.Errorf("NotSupportedError", "importKey: a key of %s is not imported as %s", k.scheme.name, format)
	}
	if err != nil {
		return nil, dataError("%v", err)
	}
	return material, nil
}

func dataError(format string, args ...any) error {
	return domexception.Errorf("DataError", "importKey: "+format, args...)
}

// check tells whether the material is what the scheme wants.
func (k *key) check() error {
	if m, ok := k.material.([]byte); ok {
		return k.checkSecret(len(m))
	}
	switch m := k.material.(type) {
	case *rsa.PublicKey:
		return k.checkRSA(m)
	case *rsa.PrivateKey:
		return k.checkRSA(&m.PublicKey)
	case *ecdsa.PublicKey:
		return k.checkECDSA(m)
	case *ecdsa.PrivateKey:
		return k.checkECDSA(&m.PublicKey)
	case ed25519.PublicKey:
		if len(m) != ed25519.PublicKeySize {
			return dataError("a public key of Ed25519 has %d bytes, not %d", ed25519.PublicKeySize, len(m))
		}
		return k.checkType("OKP")
	case ed25519.PrivateKey:
		return k.checkType("OKP")
	}
	return k.checkType("")
}

func (k *key) checkType(kty string) error {
	if kty != k.scheme.kty {
		return dataError("the key is not one of %s", k.scheme.name)
	}
	return nil
}

func (k *key) checkRSA(pub *rsa.PublicKey) error {
	if bits := pub.N.BitLen(); bits < 1024 || bits > maxModulus {
		return dataError("the RSA key has %d bits, expected 1024 to %d", bits, maxModulus)
	}
	return k.checkType("RSA")
}

func (k *key) checkECDSA(pub *ecdsa.PublicKey) error {
	if err := k.checkType("EC"); err != nil {
		return err
	}
	if pub.Curve != curves[k.curve] {
		return dataError("the key is on another curve than %s", k.curve)
	}
	return nil
}

func (k *key) checkSecret(n int) error {
	switch {
	case k.scheme.name == "AES-GCM" && n != 16 && n != 24 && n != 32:
		return dataError("a key of AES-GCM has 16, 24 or 32 bytes, not %d", n)
	case n == 0 && k.scheme.name == "HMAC":
		return dataError("the key is empty")
	case k.extractable && !k.scheme.sized:
		return domexception.Errorf("SyntaxError", "importKey: a key of %s must not be extractable", k.scheme.name)
	}
	return nil
}
