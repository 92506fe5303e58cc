package webcrypto

import (
	gocrypto "crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"math/big"

	"github.com/dop251/goja"

	"github.com/dgate-io/caddy-dgate/internal/js"
	"github.com/dgate-io/caddy-dgate/internal/js/host/domexception"
)

// scheme is one algorithm that keys are for.
type scheme struct {
	name   string
	usages map[string][]string // by type of key
	hashed bool                // keys are bound to a hash
	curved bool                // keys are bound to a curve
	sized  bool                // keys have a length, in bits
	kty    string              // in a JSON Web Key
	alg    string              // of its alg, in front of the size of the hash
	sign   func(s signing, data []byte) ([]byte, error)
	verify func(s signing, signature, data []byte) (bool, error)
	slow   bool // whether signing takes long
}

var (
	forSignatures = map[string][]string{"secret": {"sign", "verify"}, "public": {"verify"}, "private": {"sign"}}
	forDerivation = map[string][]string{"secret": {"deriveKey", "deriveBits"}}
)

var schemes = []scheme{
	{name: "HMAC", usages: forSignatures, hashed: true, sized: true, kty: "oct", alg: "HS", sign: signHMAC, verify: verifyHMAC},
	{name: "RSASSA-PKCS1-v1_5", usages: forSignatures, hashed: true, kty: "RSA", alg: "RS", sign: signRSA, verify: verifyRSA, slow: true},
	{name: "RSA-PSS", usages: forSignatures, hashed: true, kty: "RSA", alg: "PS", sign: signPSS, verify: verifyPSS, slow: true},
	{name: "ECDSA", usages: forSignatures, curved: true, kty: "EC", sign: signECDSA, verify: verifyECDSA},
	{name: "Ed25519", usages: forSignatures, kty: "OKP", sign: signEd25519, verify: verifyEd25519},
	{name: "AES-GCM", usages: map[string][]string{"secret": {"encrypt", "decrypt"}}, sized: true, kty: "oct"},
	{name: "PBKDF2", usages: forDerivation},
	{name: "HKDF", usages: forDerivation},
}

var curves = map[string]elliptic.Curve{"P-256": elliptic.P256(), "P-384": elliptic.P384(), "P-521": elliptic.P521()}

// signing is how a signature is made or checked.
type signing struct {
	key  *key
	hash gocrypto.Hash
	salt int // of RSA-PSS
}

func (s signing) sum(data []byte) []byte {
	h := s.hash.New()
	h.Write(data)
	return h.Sum(nil)
}

func signingOf(p params, k *key) signing {
	if k.scheme.sign == nil {
		domexception.Throw(p.vm, "NotSupportedError", "%s: %s is not for signatures", p.what, k.scheme.name)
	}
	s := signing{key: k, hash: hashes[k.hash]}
	if k.scheme.curved {
		s.hash = hashes[p.hash()]
	}
	if k.scheme.alg == "PS" {
		s.salt = p.integer("saltLength", 1, 1024)
	}
	return s
}

// sign is sign(algorithm, key, data).
func sign(vm *js.VM, args []goja.Value) job {
	p := paramsOf(vm, "sign", args[0])
	k := keyArg(p, args[1], "sign")
	s, data := signingOf(p, k), bytesOf(vm, "sign", args[2])
	return job{slow: k.scheme.slow, size: len(data), do: func() (any, error) {
		signature, err := k.scheme.sign(s, data)
		if err != nil {
			return nil, domexception.Errorf("OperationError", "sign: %v", err)
		}
		return signature, nil
	}}
}

// verify is verify(algorithm, key, signature, data).
func verify(vm *js.VM, args []goja.Value) job {
	p := paramsOf(vm, "verify", args[0])
	k := keyArg(p, args[1], "verify")
	s, signature, data := signingOf(p, k), bytesOf(vm, "verify", args[2]), bytesOf(vm, "verify", args[3])
	return job{size: len(data), do: func() (any, error) {
		ok, err := k.scheme.verify(s, signature, data)
		if err != nil {
			return nil, domexception.Errorf("OperationError", "verify: %v", err)
		}
		return ok, nil
	}}
}

func signHMAC(s signing, data []byte) ([]byte, error) {
	h := hmac.New(s.hash.New, s.key.material.([]byte))
	h.Write(data)
	return h.Sum(nil), nil
}

func verifyHMAC(s signing, signature, data []byte) (bool, error) {
	sum, err := signHMAC(s, data)
	return hmac.Equal(sum, signature), err
}

func signRSA(s signing, data []byte) ([]byte, error) {
	return rsa.SignPKCS1v15(nil, s.key.material.(*rsa.PrivateKey), s.hash, s.sum(data))
}

func verifyRSA(s signing, signature, data []byte) (bool, error) {
	return verified(rsa.VerifyPKCS1v15(s.key.material.(*rsa.PublicKey), s.hash, s.sum(data), signature))
}

func signPSS(s signing, data []byte) ([]byte, error) {
	return rsa.SignPSS(rand.Reader, s.key.material.(*rsa.PrivateKey), s.hash, s.sum(data), s.pss())
}

func verifyPSS(s signing, signature, data []byte) (bool, error) {
	return verified(rsa.VerifyPSS(s.key.material.(*rsa.PublicKey), s.hash, s.sum(data), signature, s.pss()))
}

// pss has the length of the salt, which is not 0: to Go that means any.
func (s signing) pss() *rsa.PSSOptions { return &rsa.PSSOptions{SaltLength: s.salt, Hash: s.hash} }

// verified tells a wrong signature from a check that has failed.
func verified(err error) (bool, error) {
	if errors.Is(err, rsa.ErrVerification) {
		return false, nil
	}
	return err == nil, err
}

// A signature of ECDSA is the two numbers one behind the other, each as long as the curve's order.
func signECDSA(s signing, data []byte) ([]byte, error) {
	k := s.key.material.(*ecdsa.PrivateKey)
	a, b, err := ecdsa.Sign(rand.Reader, k, s.sum(data))
	if err != nil {
		return nil, err
	}
	n := (k.Params().BitSize + 7) / 8
	signature := make([]byte, 2*n)
	a.FillBytes(signature[:n])
	b.FillBytes(signature[n:])
	return signature, nil
}

func verifyECDSA(s signing, signature, data []byte) (bool, error) {
	k := s.key.material.(*ecdsa.PublicKey)
	n := (k.Params().BitSize + 7) / 8
	if len(signature) != 2*n {
		return false, nil
	}
	return ecdsa.Verify(k, s.sum(data), new(big.Int).SetBytes(signature[:n]), new(big.Int).SetBytes(signature[n:])), nil
}

func signEd25519(s signing, data []byte) ([]byte, error) {
	return ed25519.Sign(s.key.material.(ed25519.PrivateKey), data), nil
}

func verifyEd25519(s signing, signature, data []byte) (bool, error) {
	return ed25519.Verify(s.key.material.(ed25519.PublicKey), data, signature), nil
}
