package webcrypto

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/pbkdf2"

	"github.com/dop251/goja"

	"github.com/dgate-io/caddy-dgate/internal/js"
	"github.com/dgate-io/caddy-dgate/internal/js/host/domexception"
)

const (
	// maxIterations is how often PBKDF2 may hash. It takes about a third of a second.
	maxIterations = 1_000_000
	// maxDerived is how many bytes are derived at a time.
	maxDerived = 256
)

// digest is digest(algorithm, data).
func digest(vm *js.VM, args []goja.Value) job {
	h := hashes[hashOf(vm, "digest", args[0])].New()
	data := bytesOf(vm, "digest", args[1])
	return job{size: len(data), do: func() (any, error) {
		h.Write(data)
		return h.Sum(nil), nil
	}}
}

// deriveBits is deriveBits(algorithm, key, length in bits).
func deriveBits(vm *js.VM, args []goja.Value) job {
	p := paramsOf(vm, "deriveBits", args[0])
	bits := args[2].ToFloat()
	if bits != float64(int(bits)) || int(bits)%8 != 0 || bits <= 0 || bits > 8*maxDerived {
		domexception.Throw(vm, "OperationError", "deriveBits: the length is %s bits, expected a multiple of 8 up to %d", args[2], 8*maxDerived)
	}
	return derivation(p, keyArg(p, args[1], "deriveBits"), int(bits)/8)
}

// deriveKey is deriveKey(algorithm, key, algorithm of the new key, extractable, usages).
func deriveKey(vm *js.VM, args []goja.Value) job {
	p, to := paramsOf(vm, "deriveKey", args[0]), paramsOf(vm, "deriveKey", args[2])
	base := keyArg(p, args[1], "deriveKey")
	k := newKey(to, args[3], args[4])
	if k.scheme.kty != "oct" {
		domexception.Throw(vm, "NotSupportedError", "deriveKey: a key of %s cannot be derived, only of HMAC and AES-GCM", k.scheme.name)
	}
	j := derivation(p, base, k.length(to)/8)
	bytes := j.do
	j.do = func() (any, error) {
		secret, err := bytes()
		if err != nil {
			return nil, err
		}
		k.material = secret
		if err := k.check(); err != nil {
			return nil, err
		}
		return k, k.permit("deriveKey")
	}
	return j
}

// derivation makes n bytes of a key.
func derivation(p params, k *key, n int) job {
	h, salt, secret := hashes[p.hash()], p.bytes("salt"), k.material.([]byte)
	switch k.scheme.name {
	case "PBKDF2":
		iterations := p.integer("iterations", 1, maxIterations)
		blocks := (n + h.Size() - 1) / h.Size()
		if iterations*blocks > maxIterations {
			domexception.Throw(p.vm, "OperationError", "%s: %d bytes with %d iterations take too long, expected at most %d iterations", p.what, n, iterations, maxIterations/blocks)
		}
		return job{slow: iterations > 100, do: func() (any, error) { return derived(pbkdf2.Key(h.New, string(secret), salt, iterations, n)) }}
	default: // HKDF: nothing else has keys for this
		info := p.bytes("info")
		return job{do: func() (any, error) { return derived(hkdf.Key(h.New, secret, salt, string(info), n)) }}
	}
}

func derived(b []byte, err error) (any, error) {
	if err != nil {
		return nil, domexception.Errorf("OperationError", "%v", err)
	}
	return b, nil
}

// encrypt is encrypt(algorithm, key, data).
func encrypt(vm *js.VM, args []goja.Value) job {
	p := paramsOf(vm, "encrypt", args[0])
	k := keyArg(p, args[1], "encrypt")
	c, iv, additional := gcm(p, k)
	data := bytesOf(vm, "encrypt", args[2])
	return job{size: len(data), do: func() (any, error) { return c.Seal(nil, iv, data, additional), nil }}
}

// decrypt is decrypt(algorithm, key, data).
func decrypt(vm *js.VM, args []goja.Value) job {
	p := paramsOf(vm, "decrypt", args[0])
	k := keyArg(p, args[1], "decrypt")
	c, iv, additional := gcm(p, k)
	data := bytesOf(vm, "decrypt", args[2])
	return job{size: len(data), do: func() (any, error) {
		plain, err := c.Open([]byte{}, iv, data, additional)
		if err != nil {
			return nil, domexception.Errorf("OperationError", "decrypt: the data was not encrypted with this key, iv and additionalData, or has changed")
		}
		return plain, nil
	}}
}

// gcm is the cipher that the algorithm and the key ask for, and what else goes into it.
func gcm(p params, k *key) (c cipher.AEAD, iv, additional []byte) {
	iv = p.bytes("iv")
	if v := p.get("additionalData"); !goja.IsUndefined(v) {
		additional = p.bytes("additionalData")
	}
	tag := 128
	if v := p.get("tagLength"); !goja.IsUndefined(v) {
		tag = p.integer("tagLength", 96, 128)
	}
	block, err := aes.NewCipher(k.material.([]byte))
	switch {
	case err != nil:
	case len(iv) == 0 || tag%8 != 0 || tag != 128 && len(iv) != 12:
		domexception.Throw(p.vm, "OperationError", "%s: expected an iv, best of 12 bytes, and a tagLength of 128, got %d bytes and %d bits", p.what, len(iv), tag)
	case tag != 128:
		c, err = cipher.NewGCMWithTagSize(block, tag/8)
	default:
		c, err = cipher.NewGCMWithNonceSize(block, len(iv))
	}
	if err != nil {
		p.vm.Throw(err)
	}
	return c, iv, additional
}
