package webcrypto_test

import (
	"testing"
	"time"

	"github.com/dgate-io/caddy-dgate/internal/js"
	"github.com/dgate-io/caddy-dgate/internal/js/host/buffer"
	"github.com/dgate-io/caddy-dgate/internal/js/host/domexception"
	"github.com/dgate-io/caddy-dgate/internal/js/host/hosttest"
	"github.com/dgate-io/caddy-dgate/internal/js/host/webcrypto"
)

var host = hosttest.Host{
	Globals: append(webcrypto.Globals(), buffer.Global(), domexception.Global()),
	Limits:  js.Limits{CPU: time.Minute},
	Prelude: `const s = crypto.subtle, b = (x, e) => Buffer.from(x, e), out = (x, e = "hex") => b(x).toString(e);
const failure = async (p) => { try { await p; return "none" } catch (e) { return (e instanceof DOMException ? "DOM " : "") + e } };
`,
}

func TestRandom(t *testing.T) {
	host.Run(t, map[string]hosttest.Case{
		"randomUUID":                  {Code: `return /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(crypto.randomUUID()) && crypto.randomUUID() !== crypto.randomUUID()`, Want: `true`},
		"getRandomValues":             {Code: `const x = new Uint8Array(32); return [crypto.getRandomValues(x) === x, x.some(v => v !== 0), crypto.getRandomValues(new Uint32Array(4)).some(v => v > 0xffff)]`, Want: `[true,true,true]`},
		"of a part":                   {Code: `const x = new Uint8Array(64); crypto.getRandomValues(x.subarray(32)); return [x.slice(0, 32).every(v => v === 0), x.slice(32).some(v => v !== 0)]`, Want: `[true,true]`},
		"of a Buffer":                 {Code: `return crypto.getRandomValues(Buffer.alloc(16)).some(v => v !== 0)`, Want: `true`},
		"getRandomValues of floats":   {Code: `crypto.getRandomValues(new Float64Array(1))`, Err: `TypeMismatchError: getRandomValues: expected a typed array of integers, got Float64Array`},
		"getRandomValues of an array": {Code: `crypto.getRandomValues([1])`, Err: `TypeMismatchError: getRandomValues: expected a typed array of integers, got Array`},
		"getRandomValues, too many":   {Code: `crypto.getRandomValues(new Uint8Array(65537))`, Err: `QuotaExceededError: getRandomValues: expected at most 65536 bytes, got 65537`},
		"getRandomValues of nothing":  {Code: `crypto.getRandomValues()`, Err: `TypeMismatchError: getRandomValues: expected a typed array of integers, got undefined`},
	})
}

func TestDigest(t *testing.T) {
	host.Run(t, map[string]hosttest.Case{
		"SHA-1":            {Code: `return out(await s.digest("SHA-1", b("abc")))`, Want: `"a9993e364706816aba3e25717850c26c9cd0d89d"`},
		"SHA-256":          {Code: `return out(await s.digest({ name: "sha-256" }, b("abc").buffer))`, Want: `"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"`},
		"SHA-384":          {Code: `return out(await s.digest("SHA-384", b("abc"))).slice(0, 16)`, Want: `"cb00753f45a35e8b"`},
		"SHA-512":          {Code: `return out(await s.digest("SHA-512", b("abc"))).slice(0, 16)`, Want: `"ddaf35a193617aba"`},
		"rejects, always":  {Code: `const p = s.digest("MD5", b("abc")); return [p instanceof Promise, await failure(p)]`, Want: `[true,"DOM NotSupportedError: digest: the hash \"MD5\" is not supported, expected one of SHA-1, SHA-256, SHA-384, SHA-512"]`},
		"of text":          {Code: `return failure(s.digest("SHA-1", "abc"))`, Want: `"TypeError: digest: expected an ArrayBuffer or a typed array, got string"`},
		"without data":     {Code: `return failure(s.digest("SHA-1"))`, Want: `"TypeError: digest: expected 2 arguments, got 1"`},
		"of a number":      {Code: `return failure(s.digest(5, b("")))`, Want: `"TypeError: digest: expected an algorithm, a name or an object with a name, got number"`},
		"settles at once":  {Code: `let n = 0; s.digest("SHA-1", b("")).then(() => { n = 1 }); await null; await null; return n`, Want: `1`},
		"of a name's lack": {Code: `return failure(s.digest({}, b("")))`, Want: `"TypeError: digest: expected an algorithm, a name or an object with a name, got undefined"`},
	})
}

// The vectors are those of RFC 4231, 7515, 8037, 6070 and 5869, and of NIST's for GCM.
func TestVectors(t *testing.T) {
	host.Run(t, map[string]hosttest.Case{
		"HMAC": {
			Code: `const k = await s.importKey("raw", b("Jefe"), { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
			return out(await s.sign("HMAC", k, b("what do ya want for nothing?")))`,
			Want: `"5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"`,
		},
		"HMAC with SHA-512": {
			Code: `const k = await s.importKey("raw", Buffer.alloc(131, 0xaa), { name: "HMAC", hash: { name: "SHA-512" } }, false, ["sign"]);
			return out(await s.sign("HMAC", k, b("Test Using Larger Than Block-Size Key - Hash Key First")))`,
			Want: `"80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f3526b56d037e05f2598bd0fd2215d6a1e5295e64f73f63f0aec8b915a985d786598"`,
		},
		"a token with HS256": {
			Code: `const k = await s.importKey("jwk", { kty: "oct", k: "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow", alg: "HS256" }, { name: "HMAC", hash: "SHA-256" }, false, ["verify"]);
			const text = b("eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ");
			return [await s.verify("HMAC", k, b("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", "base64url"), text), await s.verify("HMAC", k, b("00", "hex"), text)]`,
			Want: `[true,false]`,
		},
		"a token with ES256": {
			Code: `const jwk = { kty: "EC", crv: "P-256", x: "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", y: "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0" };
			const alg = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" }, k = await s.importKey("jwk", jwk, alg, true, ["verify"]);
			const text = b("eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ");
			const sig = b("DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q", "base64url");
			return [await s.verify(alg, k, sig, text), await s.verify(alg, k, sig, b("x")), await s.verify(alg, k, b("x"), text)]`,
			Want: `[true,false,false]`,
		},
		"a token with EdDSA": {
			Code: `const jwk = { kty: "OKP", crv: "Ed25519", d: "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A", x: "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" };
			const k = await s.importKey("jwk", jwk, "Ed25519", false, ["sign"]), text = b("eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc");
			const sig = await s.sign("Ed25519", k, text), pub = await s.importKey("raw", b(jwk.x, "base64url"), { name: "Ed25519" }, true, ["verify"]);
			return [out(sig, "base64url"), await s.verify("Ed25519", pub, sig, text), await s.verify("Ed25519", pub, sig, b("x"))]`,
			Want: `["hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",true,false]`,
		},
		"PBKDF2": {
			Code: `const k = await s.importKey("raw", b("password"), "PBKDF2", false, ["deriveBits"]);
			return Promise.all([1, 2, 4096].map(async iterations => out(await s.deriveBits({ name: "PBKDF2", hash: "SHA-1", salt: b("salt"), iterations }, k, 160))))`,
			Want: `["0c60c80f961f0e71f3a9b524af6012062fe037a6","ea6c014dc72d6f8ccd1ed92ace1d41f0d8de8957","4b007901b765489abead49d926f721d065a429c1"]`,
		},
		"HKDF": {
			Code: `const k = await s.importKey("raw", Buffer.alloc(22, 0x0b), "HKDF", false, ["deriveBits"]);
			return out(await s.deriveBits({ name: "HKDF", hash: "SHA-256", salt: b("000102030405060708090a0b0c", "hex"), info: b("f0f1f2f3f4f5f6f7f8f9", "hex") }, k, 336))`,
			Want: `"3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"`,
		},
		"AES-GCM": {
			Code: `const k = await s.importKey("raw", b("feffe9928665731c6d6a8f9467308308", "hex"), "AES-GCM", false, ["encrypt", "decrypt"]);
			const alg = { name: "AES-GCM", iv: b("cafebabefacedbaddecaf888", "hex"), additionalData: b("feedfacedeadbeeffeedfacedeadbeefabaddad2", "hex") };
			const plain = "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39";
			const data = await s.encrypt(alg, k, b(plain, "hex"));
			return [out(data).slice(-40), out(await s.decrypt(alg, k, data)) === plain]`,
			Want: `["3d58e0915bc94fbc3221a5db94fae95ae7121a47",true]`,
		},
	})
}
