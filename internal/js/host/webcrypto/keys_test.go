package webcrypto_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"strings"
	"testing"

	"github.com/dgate-io/caddy-dgate/internal/js/host/hosttest"
)

func TestKeys(t *testing.T) {
	host.Run(t, map[string]hosttest.Case{
		"what a key says": {
			Code: `const k = await s.importKey("raw", b("k"), { name: "hmac", hash: "sha-256" }, true, ["verify", "sign", "sign"]);
			return [k.type, k.extractable, k.algorithm, k.usages, Object.keys(k), k instanceof CryptoKey, k.algorithm === k.algorithm, Object.prototype.toString.call(k), CryptoKey.name]`,
			Want: `["secret",true,{"name":"HMAC","hash":{"name":"SHA-256"},"length":8},["verify","sign"],["type","extractable","algorithm","usages"],true,true,"[object CryptoKey]","CryptoKey"]`,
		},
		"exported": {
			Code: `const k = await s.importKey("raw", b("k"), { name: "HMAC", hash: "SHA-1" }, true, ["sign"]);
			return [out(await s.exportKey("raw", k)), await s.exportKey("jwk", k), await failure(s.exportKey("spki", k))]`,
			Want: `["6b",{"kty":"oct","alg":"HS1","key_ops":["sign"],"ext":true,"k":"aw"},"DOM InvalidAccessError: exportKey: a secret key of HMAC is not exported as spki"]`,
		},
		"not exported": {
			Code: `return failure(s.exportKey("raw", await s.importKey("raw", b("k"), { name: "HMAC", hash: "SHA-1" }, false, ["sign"])))`,
			Want: `"DOM InvalidAccessError: exportKey: the key is not extractable"`,
		},
		"generated for HMAC": {
			Code: `const sizes = []; for (const hash of ["SHA-1", "SHA-512"]) sizes.push((await s.exportKey("raw", await s.generateKey({ name: "HMAC", hash }, true, ["sign"]))).byteLength);
			return [sizes, (await s.generateKey({ name: "HMAC", hash: "SHA-256", length: 128 }, false, ["verify"])).algorithm.length]`,
			Want: `[[64,128],128]`,
		},
		"generated for AES-GCM": {
			Code: `const k = await s.generateKey({ name: "AES-GCM", length: 256 }, true, ["encrypt", "decrypt"]), alg = { name: "AES-GCM", iv: crypto.getRandomValues(new Uint8Array(12)), tagLength: 104 };
			const data = await s.encrypt(alg, k, b("text")), jwk = await s.exportKey("jwk", k);
			const again = await s.importKey("jwk", jwk, "AES-GCM", false, ["decrypt"]);
			return [data.byteLength, out(await s.decrypt(alg, again, data), "utf8"), jwk.alg, await failure(s.decrypt({ ...alg, iv: Buffer.alloc(12) }, k, data))]`,
			Want: `[17,"text","A256GCM","DOM OperationError: decrypt: the data was not encrypted with this key, iv and additionalData, or has changed"]`,
		},
		"generated for ECDSA": {
			Code: `const list = [];
			for (const namedCurve of ["P-256", "P-384", "P-521"]) {
				const pair = await s.generateKey({ name: "ECDSA", namedCurve }, true, ["sign", "verify"]), alg = { name: "ECDSA", hash: "SHA-384" };
				const sig = await s.sign(alg, pair.privateKey, b("x"));
				const pub = await s.importKey("raw", await s.exportKey("raw", pair.publicKey), { name: "ECDSA", namedCurve }, true, ["verify"]);
				const spki = await s.importKey("spki", await s.exportKey("spki", pub), { name: "ECDSA", namedCurve }, true, ["verify"]);
				const pkcs8 = await s.importKey("pkcs8", await s.exportKey("pkcs8", pair.privateKey), { name: "ECDSA", namedCurve }, true, ["sign"]);
				const jwk = await s.importKey("jwk", await s.exportKey("jwk", pkcs8), { name: "ECDSA", namedCurve }, true, ["sign"]);
				const other = await s.sign(alg, jwk, b("y"));
				list.push([sig.byteLength, await s.verify(alg, spki, sig, b("x")), await s.verify(alg, pub, other, b("y")), await s.verify(alg, pub, sig, b("y")), pair.privateKey.type, pair.publicKey.usages, jwk.algorithm.namedCurve]);
			}
			return list`,
			Want: `[[64,true,true,false,"private",["verify"],"P-256"],[96,true,true,false,"private",["verify"],"P-384"],[132,true,true,false,"private",["verify"],"P-521"]]`,
		},
		"generated for Ed25519": {
			Code: `const { privateKey, publicKey } = await s.generateKey("Ed25519", true, ["sign", "verify"]), sig = await s.sign("Ed25519", privateKey, b("x"));
			const pub = await s.importKey("spki", await s.exportKey("spki", publicKey), "Ed25519", false, ["verify"]), jwk = await s.exportKey("jwk", privateKey);
			const again = await s.importKey("pkcs8", await s.exportKey("pkcs8", privateKey), "Ed25519", false, ["sign"]);
			return [await s.verify("Ed25519", pub, sig, b("x")), jwk.kty, jwk.crv, out(await s.sign("Ed25519", again, b("x"))) === out(sig), (await s.exportKey("raw", publicKey)).byteLength]`,
			Want: `[true,"OKP","Ed25519",true,32]`,
		},
		"derived": {
			Code: `const base = await s.importKey("raw", b("password"), "PBKDF2", false, ["deriveKey"]), alg = { name: "PBKDF2", hash: "SHA-256", salt: b("salt"), iterations: 1000 };
			const k = await s.deriveKey(alg, base, { name: "AES-GCM", length: 128 }, true, ["encrypt"]), m = await s.deriveKey(alg, base, { name: "HMAC", hash: "SHA-256" }, true, ["sign"]);
			return [k.algorithm, (await s.exportKey("raw", m)).byteLength, out(await s.exportKey("raw", m)).startsWith(out(await s.exportKey("raw", k)))]`,
			Want: `[{"name":"AES-GCM","length":128},64,true]`,
		},
		"keys that are made":     {Code: `new CryptoKey()`, Err: `TypeError: CryptoKey: keys come from crypto.subtle.importKey and generateKey`},
		"generated for RSA":      {Code: `return failure(s.generateKey({ name: "RSA-PSS", hash: "SHA-256", modulusLength: 2048 }, true, ["sign"]))`, Want: `"DOM NotSupportedError: generateKey: keys of RSA-PSS are not made here; make them outside, and import them"`},
		"an unknown algorithm":   {Code: `return failure(s.importKey("raw", b("k"), "AES-CBC", true, []))`, Want: `"DOM NotSupportedError: importKey: the algorithm \"AES-CBC\" is not supported, expected one of HMAC, RSASSA-PKCS1-v1_5, RSA-PSS, ECDSA, Ed25519, AES-GCM, PBKDF2, HKDF"`},
		"an unknown format":      {Code: `return failure(s.importKey("pem", b("k"), "AES-GCM", true, []))`, Want: `"TypeError: importKey: the format \"pem\" is unknown, expected raw, jwk, spki or pkcs8"`},
		"a format of others":     {Code: `return failure(s.importKey("spki", b("k"), "AES-GCM", true, ["encrypt"]))`, Want: `"DOM NotSupportedError: importKey: a key of AES-GCM is not imported as spki"`},
		"an unknown curve":       {Code: `return failure(s.importKey("raw", b("k"), { name: "ECDSA", namedCurve: "P-192" }, true, []))`, Want: `"DOM NotSupportedError: importKey: the curve \"P-192\" is not supported, expected one of P-256, P-384, P-521"`},
		"no hash":                {Code: `return failure(s.importKey("raw", b("k"), "HMAC", true, []))`, Want: `"TypeError: importKey: the algorithm needs a hash"`},
		"usages of others":       {Code: `return failure(s.importKey("raw", b("k"), { name: "HMAC", hash: "SHA-1" }, true, ["encrypt"]))`, Want: `"DOM SyntaxError: importKey: a secret key of HMAC is not for \"encrypt\", only for sign, verify"`},
		"no usages":              {Code: `return failure(s.importKey("raw", b("k"), { name: "HMAC", hash: "SHA-1" }, true, []))`, Want: `"DOM SyntaxError: importKey: the key needs usages, some of sign, verify"`},
		"usages that are none":   {Code: `return failure(s.importKey("raw", b("k"), { name: "HMAC", hash: "SHA-1" }, true, "sign"))`, Want: `"TypeError: importKey: expected an array of usages, got string"`},
		"a use not allowed":      {Code: `return failure(s.sign("HMAC", await s.importKey("raw", b("k"), { name: "HMAC", hash: "SHA-1" }, true, ["verify"]), b("x")))`, Want: `"DOM InvalidAccessError: sign: the key must not be used for sign, only for verify"`},
		"a key of others":        {Code: `return failure(s.sign("HMAC", await s.generateKey({ name: "AES-GCM", length: 128 }, true, ["encrypt"]), b("x")))`, Want: `"DOM InvalidAccessError: sign: the key is for AES-GCM, not for HMAC"`},
		"no key":                 {Code: `return failure(s.sign("HMAC", {}, b("x")))`, Want: `"TypeError: sign: expected a CryptoKey, got Object"`},
		"an AES key of 5 bytes":  {Code: `return failure(s.importKey("raw", b("12345"), "AES-GCM", true, ["encrypt"]))`, Want: `"DOM DataError: importKey: a key of AES-GCM has 16, 24 or 32 bytes, not 5"`},
		"an AES key of 100 bits": {Code: `return failure(s.generateKey({ name: "AES-GCM", length: 104 }, true, ["encrypt"]))`, Want: `"DOM OperationError: generateKey: the length is 104 bits, expected 128, 192 or 256"`},
		"an empty secret":        {Code: `return failure(s.importKey("raw", b(""), { name: "HMAC", hash: "SHA-1" }, true, ["sign"]))`, Want: `"DOM DataError: importKey: the key is empty"`},
		"an extractable secret":  {Code: `return failure(s.importKey("raw", b("k"), "PBKDF2", true, ["deriveBits"]))`, Want: `"DOM SyntaxError: importKey: a key of PBKDF2 must not be extractable"`},
		"a jwk of another kind":  {Code: `return failure(s.importKey("jwk", { kty: "RSA" }, { name: "HMAC", hash: "SHA-1" }, true, ["sign"]))`, Want: `"DOM DataError: importKey: the member kty is \"RSA\", expected \"oct\""`},
		"a jwk of another alg":   {Code: `return failure(s.importKey("jwk", { kty: "oct", k: "aw", alg: "HS512" }, { name: "HMAC", hash: "SHA-256" }, true, ["sign"]))`, Want: `"DOM DataError: importKey: the member alg is \"HS512\", expected \"HS256\""`},
		"a jwk that forbids":     {Code: `return [await failure(s.importKey("jwk", { kty: "oct", k: "aw", ext: false }, { name: "HMAC", hash: "SHA-256" }, true, ["sign"])), await failure(s.importKey("jwk", { kty: "oct", k: "aw", key_ops: ["verify"] }, { name: "HMAC", hash: "SHA-256" }, true, ["sign"]))]`, Want: `["DOM DataError: importKey: the member ext forbids an extractable key","DOM DataError: importKey: the member key_ops does not allow \"sign\""]`},
		"a jwk without a key":    {Code: `return failure(s.importKey("jwk", { kty: "oct" }, { name: "HMAC", hash: "SHA-256" }, true, ["sign"]))`, Want: `"DOM DataError: importKey: the member k is missing"`},
		"a jwk that is none":     {Code: `return failure(s.importKey("jwk", b("k"), { name: "HMAC", hash: "SHA-256" }, true, ["sign"]))`, Want: `"DOM DataError: importKey: the member kty is \"\", expected \"oct\""`},
		"a jwk of no point":      {Code: `return failure(s.importKey("jwk", { kty: "EC", crv: "P-256", x: "aw", y: "aw" }, { name: "ECDSA", namedCurve: "P-256" }, true, ["verify"]))`, Want: `"DOM DataError: importKey: the members x and y must have 32 bytes"`},
		"no iv":                  {Code: `return failure(s.encrypt("AES-GCM", await s.generateKey({ name: "AES-GCM", length: 128 }, true, ["encrypt"]), b("x")))`, Want: `"TypeError: encrypt: iv: expected an ArrayBuffer or a typed array, got undefined"`},
		"an empty iv":            {Code: `return failure(s.encrypt({ name: "AES-GCM", iv: b("") }, await s.generateKey({ name: "AES-GCM", length: 128 }, true, ["encrypt"]), b("x")))`, Want: `"DOM OperationError: encrypt: expected an iv, best of 12 bytes, and a tagLength of 128, got 0 bytes and 128 bits"`},
		"too many iterations":    {Code: `const k = await s.importKey("raw", b("p"), "PBKDF2", false, ["deriveBits"]), alg = { name: "PBKDF2", hash: "SHA-1", salt: b("s") }; return [await failure(s.deriveBits({ ...alg, iterations: 1e9 }, k, 8)), await failure(s.deriveBits({ ...alg, iterations: 1e6 }, k, 320)), await failure(s.deriveBits(alg, k, 8))]`, Want: `["DOM OperationError: deriveBits: iterations is 1000000000, expected a whole number from 1 to 1000000","DOM OperationError: deriveBits: 40 bytes with 1000000 iterations take too long, expected at most 500000 iterations","DOM OperationError: deriveBits: iterations is undefined, expected a whole number from 1 to 1000000"]`},
		"bits that are no bytes": {Code: `return failure(s.deriveBits({ name: "HKDF" }, 0, 7))`, Want: `"DOM OperationError: deriveBits: the length is 7 bits, expected a multiple of 8 up to 2048"`},
		"a key of RSA, derived":  {Code: `const k = await s.importKey("raw", b("p"), "HKDF", false, ["deriveKey"]); return failure(s.deriveKey({ name: "HKDF", hash: "SHA-1", salt: b(""), info: b("") }, k, "Ed25519", true, ["sign"]))`, Want: `"DOM NotSupportedError: deriveKey: a key of Ed25519 cannot be derived, only of HMAC and AES-GCM"`},
	})
}

// TestRSA exchanges signatures with Go.
func TestRSA(t *testing.T) {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, _ := x509.MarshalPKCS8PrivateKey(private)
	spki, _ := x509.MarshalPKIXPublicKey(&private.PublicKey)
	sum := sha256.Sum256([]byte("text"))
	signature, _ := rsa.SignPKCS1v15(nil, private, crypto.SHA256, sum[:])
	code := strings.NewReplacer("PRIVATE", b64(pkcs8), "PUBLIC", b64(spki), "SIGNATURE", b64(signature)).Replace(`
		const pkcs8 = b("PRIVATE", "base64"), spki = b("PUBLIC", "base64"), results = [];
		for (const alg of [{ name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" }, { name: "RSA-PSS", hash: "SHA-256", saltLength: 32 }]) {
			const k = await s.importKey("pkcs8", pkcs8, alg, true, ["sign"]), p = await s.importKey("spki", spki, alg, true, ["verify"]);
			const k2 = await s.importKey("jwk", await s.exportKey("jwk", k), alg, true, ["sign"]), p2 = await s.importKey("jwk", await s.exportKey("jwk", p), alg, true, ["verify"]);
			const sig = await s.sign(alg, k2, b("text"));
			results.push([await s.verify(alg, p2, sig, b("text")), await s.verify(alg, p, sig, b("other")), await s.verify(alg, p, b("00", "hex"), b("text")), k2.algorithm.modulusLength, Array.from(p2.algorithm.publicExponent), (await s.exportKey("jwk", p)).alg, out(await s.exportKey("pkcs8", k2)) === out(pkcs8), out(await s.exportKey("spki", p2)) === out(spki)]);
			if (alg.name !== "RSA-PSS") results.push(await s.verify(alg, p, b("SIGNATURE", "base64"), b("text")), out(sig, "base64"));
		}
		return results`)
	got, err := host.Eval(t, code)
	if err != nil {
		t.Fatal(err)
	}
	want := `[[true,false,false,2048,[1,0,1],"RS256",true,true],true,"` + b64(signature) + `",[true,false,false,2048,[1,0,1],"PS256",true,true]]`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestRSAOfOtherKeys(t *testing.T) {
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	curve, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ec, _ := x509.MarshalPKIXPublicKey(&curve.PublicKey)
	n, _ := json.Marshal(base64.RawURLEncoding.EncodeToString(small.N.Bytes()))
	big := strings.Repeat("_", 2048)
	host.Run(t, map[string]hosttest.Case{
		"another kind":     {Code: `return failure(s.importKey("spki", b("` + b64(ec) + `", "base64"), { name: "RSA-PSS", hash: "SHA-1" }, true, ["verify"]))`, Want: `"DOM DataError: importKey: the key is not one of RSA-PSS"`},
		"another curve":    {Code: `return failure(s.importKey("spki", b("` + b64(ec) + `", "base64"), { name: "ECDSA", namedCurve: "P-384" }, true, ["verify"]))`, Want: `"DOM DataError: importKey: the key is on another curve than P-384"`},
		"nonsense":         {Code: `return (await failure(s.importKey("pkcs8", b("nonsense"), { name: "RSA-PSS", hash: "SHA-1" }, true, ["sign"]))).slice(0, 25)`, Want: `"DOM DataError: importKey:"`},
		"no exponent":      {Code: `return failure(s.importKey("jwk", { kty: "RSA", n: ` + string(n) + ` }, { name: "RSA-PSS", hash: "SHA-1" }, true, ["verify"]))`, Want: `"DOM DataError: importKey: the members n and e are no public key"`},
		"too large":        {Code: `return failure(s.importKey("jwk", { kty: "RSA", e: "AQAB", n: "` + big + `" }, { name: "RSA-PSS", hash: "SHA-1" }, true, ["verify"]))`, Want: `"DOM DataError: importKey: the RSA key has more than 8192 bits"`},
		"too small":        {Code: `return failure(s.importKey("jwk", { kty: "RSA", e: "AQAB", n: "_w" }, { name: "RSA-PSS", hash: "SHA-1" }, true, ["verify"]))`, Want: `"DOM DataError: importKey: the RSA key has 8 bits, expected 1024 to 8192"`},
		"half of a key":    {Code: `return failure(s.importKey("jwk", { kty: "RSA", e: "AQAB", n: ` + string(n) + `, d: "AQAB" }, { name: "RSA-PSS", hash: "SHA-1" }, true, ["sign"]))`, Want: `"DOM DataError: importKey: a private RSA key needs d, p, q, dp, dq and qi"`},
		"a false key":      {Code: `return failure(s.importKey("jwk", { kty: "RSA", e: "AQAB", n: ` + string(n) + `, d: "AQAB", p: "Aw", q: "BQ", dp: "AQ", dq: "AQ", qi: "AQ" }, { name: "RSA-PSS", hash: "SHA-1" }, true, ["sign"]))`, Want: `"DOM DataError: importKey: crypto/rsa: p * q != n"`},
		"no salt's length": {Code: `const k = await s.importKey("jwk", { kty: "RSA", e: "AQAB", n: ` + string(n) + ` }, { name: "RSA-PSS", hash: "SHA-1" }, true, ["verify"]); return failure(s.verify("RSA-PSS", k, b(""), b("")))`, Want: `"DOM OperationError: verify: saltLength is undefined, expected a whole number from 1 to 1024"`},
	})
}

// TestRSANumbers gives private keys that would take seconds to check, with their
// numbers as the fields of an RSAPrivateKey: they are refused before.
func TestRSANumbers(t *testing.T) {
	const sha = `{ name: "RSA-PSS", hash: "SHA-1" }, true, ["sign"]`
	long, n := strings.Repeat("f", 64<<10), strings.Repeat("f", 512)
	tests := map[string]struct {
		numbers []string // n, e, d, p, q, dp, dq, qi in hexadecimal
		want    string
	}{
		"a long p":     {[]string{n, "3", "3", long, "3", "3", "3", "3"}, "a private RSA key has a number that is not between 0 and n"},
		"a long q":     {[]string{n, "3", "3", "3", long, "3", "3", "3"}, "a private RSA key has a number that is not between 0 and n"},
		"a long d":     {[]string{n, "3", long, "3", "3", "3", "3", "3"}, "a private RSA key has a number that is not between 0 and n"},
		"a long dp":    {[]string{n, "3", "3", "3", "3", long, "3", "3"}, "a private RSA key has a number that is not between 0 and n"},
		"all are long": {[]string{long, "3", long, long, long, long, long, long}, "the RSA key has more than 8192 bits"},
		"p and q only": {[]string{n, "3", "3", "3", "3"}, "a private RSA key needs d, p, q, dp, dq and qi"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			numbers, members := []*big.Int{new(big.Int)}, map[string]string{"kty": "RSA"}
			for i, digits := range tt.numbers {
				number, _ := new(big.Int).SetString(digits, 16)
				numbers = append(numbers, number)
				members[[]string{"n", "e", "d", "p", "q", "dp", "dq", "qi"}[i]] = base64.RawURLEncoding.EncodeToString(number.Bytes())
			}
			inner, _ := asn1.Marshal(numbers)
			pkcs8, _ := asn1.Marshal(struct {
				Version   int
				Algorithm pkix.AlgorithmIdentifier
				Key       []byte
			}{0, pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}}, inner})
			jwk, _ := json.Marshal(members)
			got, err := host.Eval(t, `return [await failure(s.importKey("jwk", `+string(jwk)+`, `+sha+`)), await failure(s.importKey("pkcs8", b("`+b64(pkcs8)+`", "base64"), `+sha+`))]`)
			problem := `"DOM DataError: importKey: ` + tt.want + `"`
			if want := `[` + problem + `,` + problem + `]`; got != want || err != nil {
				t.Errorf("got %s, error %v, want %s", got, err, want)
			}
		})
	}
}

func b64(data []byte) string { return base64.StdEncoding.EncodeToString(data) }
