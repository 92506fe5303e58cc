package webcrypto

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"slices"

	"github.com/dop251/goja"

	"github.com/dgate-io/caddy-dgate/internal/js"
	"github.com/dgate-io/caddy-dgate/internal/js/host/native"
)

// jwk is a JSON Web Key, as RFC 7517 and 7518 say.
type jwk struct {
	Kty    string   `json:"kty"`
	Crv    string   `json:"crv,omitempty"`
	Alg    string   `json:"alg,omitempty"`
	Use    string   `json:"use,omitempty"`
	KeyOps []string `json:"key_ops,omitempty"`
	Ext    *bool    `json:"ext,omitempty"`
	K      b64      `json:"k,omitempty"`
	N      b64      `json:"n,omitempty"`
	E      b64      `json:"e,omitempty"`
	D      b64      `json:"d,omitempty"`
	P      b64      `json:"p,omitempty"`
	Q      b64      `json:"q,omitempty"`
	DP     b64      `json:"dp,omitempty"`
	DQ     b64      `json:"dq,omitempty"`
	QI     b64      `json:"qi,omitempty"`
	X      b64      `json:"x,omitempty"`
	Y      b64      `json:"y,omitempty"`
}

// b64 is bytes, as base64url without padding.
type b64 []byte

// MarshalText implements encoding.TextMarshaler.
func (b b64) MarshalText() ([]byte, error) {
	return base64.RawURLEncoding.AppendEncode(nil, b), nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (b *b64) UnmarshalText(text []byte) (err error) {
	*b, err = base64.RawURLEncoding.AppendDecode(nil, bytes.TrimRight(text, "="))
	return err
}

// number is the number that b is, nil if it is missing.
func (b b64) number() *big.Int {
	if b == nil {
		return nil
	}
	return new(big.Int).SetBytes(b)
}

// jwkOf reads a key that a script has as an object.
func jwkOf(vm *js.VM, v goja.Value) (*jwk, error) {
	if _, ok := v.(*goja.Object); !ok {
		vm.ThrowType("importKey: expected a JSON Web Key, an object, got %s", native.TypeName(v))
	}
	data, err := vm.Stringify(v)
	if err != nil {
		vm.Throw(err)
	}
	var w jwk
	if err := json.Unmarshal(data, &w); err != nil {
		return nil, dataError("the JSON Web Key: %v", err)
	}
	return &w, nil
}

// object is the key for scripts.
func (w *jwk) object(vm *js.VM) goja.Value {
	data, err := json.Marshal(w)
	if err != nil {
		vm.Throw(err)
	}
	v, err := vm.ParseJSON(data)
	if err != nil {
		vm.Throw(err)
	}
	return v
}

// algOf is what alg says of such a key; "" if it has no name.
func algOf(k *key) string {
	switch {
	case k.scheme.alg == "RS" && k.hash == "SHA-1":
		return "RS1"
	case k.scheme.alg != "":
		return k.scheme.alg + k.hash[len("SHA-"):]
	case k.scheme.name == "AES-GCM":
		if m, ok := k.material.([]byte); ok {
			return "A" + big.NewInt(int64(8*len(m))).String() + "GCM"
		}
	}
	return ""
}

// material makes a key of Go's, which is not checked further.
func (w *jwk) material(k *key) (any, error) {
	if k.scheme.kty == "" {
		return nil, dataError("a key of %s is not imported as a JSON Web Key", k.scheme.name)
	}
	if w.Kty != k.scheme.kty {
		return nil, dataError("the member kty is %q, expected %q", w.Kty, k.scheme.kty)
	}
	if want := algOf(k); w.Alg != "" && want != "" && w.Alg != want {
		return nil, dataError("the member alg is %q, expected %q", w.Alg, want)
	}
	if k.extractable && w.Ext != nil && !*w.Ext {
		return nil, dataError("the member ext forbids an extractable key")
	}
	for _, usage := range k.usages {
		if w.KeyOps != nil && !slices.Contains(w.KeyOps, usage) {
			return nil, dataError("the member key_ops does not allow %q", usage)
		}
	}
	switch w.Kty {
	case "RSA":
		return w.rsa()
	case "EC":
		return w.ec(k.curve)
	case "OKP":
		return w.ed25519()
	}
	if w.K == nil {
		return nil, dataError("the member k is missing")
	}
	return []byte(w.K), nil
}

func (w *jwk) rsa() (any, error) {
	e := new(big.Int).SetBytes(w.E)
	if !e.IsInt64() || e.Int64() > 1<<31-1 || e.Int64() < 3 || len(w.N) == 0 {
		return nil, dataError("the members n and e are no public key")
	}
	if len(w.N) > maxModulus/8 {
		return nil, dataError("the RSA key has more than %d bits", maxModulus)
	}
	pub := rsa.PublicKey{N: new(big.Int).SetBytes(w.N), E: int(e.Int64())}
	if w.D == nil {
		return &pub, nil
	}
	r := rsaNumbers{N: pub.N, E: pub.E, D: w.D.number(), P: w.P.number(), Q: w.Q.number(), Dp: w.DP.number(), Dq: w.DQ.number(), Qinv: w.QI.number()}
	key, err := r.key()
	if err != nil {
		return nil, dataError("%v", err)
	}
	return key, nil
}

func (w *jwk) ec(curve string) (any, error) {
	if w.Crv != curve {
		return nil, dataError("the member crv is %q, expected %q", w.Crv, curve)
	}
	c := curves[curve]
	n := (c.Params().BitSize + 7) / 8
	if len(w.X) != n || len(w.Y) != n {
		return nil, dataError("the members x and y must have %d bytes", n)
	}
	pub, err := ecdsa.ParseUncompressedPublicKey(c, slices.Concat([]byte{4}, w.X, w.Y))
	if err != nil {
		return nil, dataError("%v", err)
	}
	if w.D == nil {
		return pub, nil
	}
	private, err := ecdsa.ParseRawPrivateKey(c, w.D)
	if err != nil {
		return nil, dataError("%v", err)
	}
	if !private.PublicKey.Equal(pub) {
		return nil, dataError("the member d does not belong to x and y")
	}
	return private, nil
}

func (w *jwk) ed25519() (any, error) {
	if w.Crv != "Ed25519" {
		return nil, dataError("the member crv is %q, expected %q", w.Crv, "Ed25519")
	}
	if w.D == nil {
		return ed25519.PublicKey(w.X), nil
	}
	if len(w.D) != ed25519.SeedSize {
		return nil, dataError("the member d must have %d bytes", ed25519.SeedSize)
	}
	private := ed25519.NewKeyFromSeed(w.D)
	if !bytes.Equal(private.Public().(ed25519.PublicKey), w.X) {
		return nil, dataError("the member d does not belong to x")
	}
	return private, nil
}

// toJWK is the opposite of material.
func toJWK(k *key) (*jwk, error) {
	w := &jwk{Kty: k.scheme.kty, Crv: k.curve, Alg: algOf(k), KeyOps: k.usages, Ext: &k.extractable}
	switch m := k.material.(type) {
	case []byte:
		w.K = m
	case *rsa.PublicKey:
		w.N, w.E = m.N.Bytes(), big.NewInt(int64(m.E)).Bytes()
	case *rsa.PrivateKey:
		w.N, w.E = m.N.Bytes(), big.NewInt(int64(m.E)).Bytes()
		w.D, w.P, w.Q = m.D.Bytes(), m.Primes[0].Bytes(), m.Primes[1].Bytes()
		w.DP, w.DQ, w.QI = m.Precomputed.Dp.Bytes(), m.Precomputed.Dq.Bytes(), m.Precomputed.Qinv.Bytes()
	case *ecdsa.PublicKey:
		return w, w.point(m)
	case *ecdsa.PrivateKey:
		d, err := m.Bytes()
		if err != nil {
			return nil, err
		}
		w.D = d
		return w, w.point(&m.PublicKey)
	case ed25519.PublicKey:
		w.Crv, w.X = "Ed25519", b64(m)
	case ed25519.PrivateKey:
		w.Crv, w.X, w.D = "Ed25519", b64(m.Public().(ed25519.PublicKey)), m.Seed()
	}
	return w, nil
}

// point sets x and y.
func (w *jwk) point(pub *ecdsa.PublicKey) error {
	p, err := pub.Bytes()
	if err != nil {
		return err
	}
	n := len(p) / 2
	w.X, w.Y = p[1:1+n], p[1+n:]
	return nil
}
