package crypto_test

import (
	"testing"

	"github.com/dgate-io/caddy-dgate/internal/js"
	"github.com/dgate-io/caddy-dgate/internal/js/host/crypto"
	"github.com/dgate-io/caddy-dgate/internal/js/host/hosttest"
)

var host = hosttest.Host{Modules: []js.Module{crypto.Module()}, Prelude: `import * as c from "dgate/crypto";`}

func TestDigests(t *testing.T) {
	host.Run(t, map[string]hosttest.Case{
		"md5":                  {Code: `return c.md5("a", "hex")`, Want: `"0cc175b9c0f1b6a831c399e269772661"`},
		"sha1":                 {Code: `return c.sha1("ab", "hex")`, Want: `"da23614e02469a0d7c7bd1bdab5c9c474b1904dc"`},
		"sha224":               {Code: `return c.sha224("", "hex")`, Want: `"d14a028c2a3a2bc9476102bb288234c415a2b01f828ea62ac5b3e42f"`},
		"sha256":               {Code: `return c.sha256("a", "hex")`, Want: `"ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"`},
		"sha384":               {Code: `return c.sha384("").byteLength`, Want: `48`},
		"sha512":               {Code: `return c.sha512("").byteLength`, Want: `64`},
		"sha512_224":           {Code: `return c.sha512_224("", "hex")`, Want: `"6ed0dd02806fa89e25de060c19d3ac86cabb87d6a0ddd05c333b84f4"`},
		"sha512_256":           {Code: `return c.sha512_256("").byteLength`, Want: `32`},
		"base64":               {Code: `return [c.md5("a", "base64"), c.md5("a", "b64")]`, Want: `["DMF1ucDxtqgxw5niaXcmYQ==","DMF1ucDxtqgxw5niaXcmYQ=="]`},
		"base64raw":            {Code: `return [c.md5("a", "base64raw"), c.md5("a", "b64raw")]`, Want: `["DMF1ucDxtqgxw5niaXcmYQ","DMF1ucDxtqgxw5niaXcmYQ"]`},
		"base64url":            {Code: `return [c.sha256("a", "base64url"), c.sha256("a", "b64url")]`, Want: `["ypeBEsobvcr6wjGzmiPcTaeG7_gUfE5yuYB3ha_uSLs=","ypeBEsobvcr6wjGzmiPcTaeG7_gUfE5yuYB3ha_uSLs="]`},
		"base64rawurl":         {Code: `return [c.sha256("a", "base64rawurl"), c.sha256("a", "b64rawurl")]`, Want: `["ypeBEsobvcr6wjGzmiPcTaeG7_gUfE5yuYB3ha_uSLs","ypeBEsobvcr6wjGzmiPcTaeG7_gUfE5yuYB3ha_uSLs"]`},
		"no encoding":          {Code: `return c.md5("a") instanceof ArrayBuffer`, Want: `true`},
		"bytes":                {Code: `const b = new Uint8Array([97]); return [c.md5(b, "hex") === c.md5("a", "hex"), c.md5(b.buffer, "hex") === c.md5("a", "hex")]`, Want: `[true,true]`},
		"text beyond ASCII":    {Code: `return c.md5("ü", "hex")`, Want: `"c03410a5204b21cd8229ff754688d743"`},
		"createHash":           {Code: `const h = c.createHash("sha1").update("a").update("b"); return [h.digest("hex"), h.digest("hex"), h.update("c").digest("hex")]`, Want: `["da23614e02469a0d7c7bd1bdab5c9c474b1904dc","da23614e02469a0d7c7bd1bdab5c9c474b1904dc","a9993e364706816aba3e25717850c26c9cd0d89d"]`},
		"spellings":            {Code: `return ["sha512_256", "sha512-256", "SHA-256", "sha512/224"].map(a => c.createHash(a).digest().byteLength)`, Want: `[32,32,32,28]`},
		"getHashes":            {Code: `return c.getHashes().map(a => c.createHash(a).digest().byteLength)`, Want: `[16,20,28,32,48,64,28,32]`},
		"hmac":                 {Code: `return c.hmac("sha256", "k", "a", "hex")`, Want: `"78da91511e675587f5b9df78bedebaf5560da2abb88162ee875dcdf744951d9e"`},
		"createHmac":           {Code: `return c.createHmac("sha256", "k").update("a").digest("hex") === c.hmac("sha256", "k", "a", "hex")`, Want: `true`},
		"hexEncode":            {Code: `return c.hexEncode(new Uint8Array([1, 255]))`, Want: `"01ff"`},
		"hmac, RFC 4231":       {Code: `return ["224", "256", "384", "512"].map(n => c.hmac("sha" + n, "Jefe", "what do ya want for nothing?", "hex").slice(0, 16))`, Want: `["a30e01098bc6dbbf","5bdcc146bf60754e","af45d2e376484031","164b7a7bfcf819e2"]`},
		"hmac, RFC 2104":       {Code: `return c.hmac("md5", "Jefe", "what do ya want for nothing?", "hex")`, Want: `"750c783e6ab0b503eaa86e310a5db738"`},
		"hmac of a long key":   {Code: `return c.hmac("sha256", new Uint8Array(131).fill(0xaa), "Test Using Larger Than Block-Size Key - Hash Key First", "hex")`, Want: `"60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"`},
		"timingSafeEqual":      {Code: `return [c.timingSafeEqual("ab", new Uint8Array([97, 98])), c.timingSafeEqual("a", "b"), c.timingSafeEqual("a", "ab"), c.timingSafeEqual("", "")]`, Want: `[true,false,false,true]`},
		"of a number":          {Code: `c.md5(5)`, Err: `TypeError: md5 failed: invalid type number, expected a string, an ArrayBuffer or a typed array`},
		"timingSafeEqual of 1": {Code: `c.timingSafeEqual("a", 1)`, Err: `TypeError: timingSafeEqual failed: invalid type number, expected a string, an ArrayBuffer or a typed array`},
		"of nothing":           {Code: `c.sha256()`, Err: `TypeError: sha256 failed: invalid type undefined, expected a string, an ArrayBuffer or a typed array`},
		"update of an object":  {Code: `c.createHash("md5").update({})`, Err: `TypeError: update failed: invalid type Object, expected a string, an ArrayBuffer or a typed array`},
		"update of no hash":    {Code: `const { update } = c.createHash("md5"); update("a")`, Err: `TypeError: this method must be called on what createHash or createHmac has returned`},
		"hmac without a key":   {Code: `c.hmac("md5")`, Err: `TypeError: hmac failed: invalid type undefined, expected a string, an ArrayBuffer or a typed array`},
		"not computing":        {Code: `const b = new Uint8Array(16 << 20), h = c.createHash("md5"); for (let i = 0; i < 6; i++) { c.md5(b); h.update(b); c.hmac("md5", "k", b) } return "ok"`, Want: `"ok"`},
		"an unknown name":      {Code: `c.createHmac("x", "k")`, Err: `TypeError: createHmac: unknown algorithm "x", expected one of md5, sha1, sha224, sha256, sha384, sha512, sha512-224, sha512-256`},
	})
}

func TestRandom(t *testing.T) {
	host.Run(t, map[string]hosttest.Case{
		"randomBytes":           {Code: `return [c.randomBytes(5).byteLength, c.hexEncode(c.randomBytes(16)) === c.hexEncode(c.randomBytes(16))]`, Want: `[5,false]`},
		"randomBytes of none":   {Code: `c.randomBytes(0)`, Err: `TypeError: randomBytes: invalid size 0, expected an integer from 1 to 1048576`},
		"randomBytes, too many": {Code: `c.randomBytes(1e12)`, Err: `TypeError: randomBytes: invalid size 1000000000000, expected an integer from 1 to 1048576`},
		"randomInt of one":      {Code: `return [c.randomInt(5, 6), c.randomInt(1), c.randomInt(-3, -2)]`, Want: `[5,0,-3]`},
		"randomInt of many":     {Code: `const seen = new Set(); for (let i = 0; i < 200; i++) seen.add(c.randomInt(3)); return [...seen].sort()`, Want: `[0,1,2]`},
		"randomInt of nothing":  {Code: `c.randomInt()`, Err: `TypeError: randomInt: expected safe integers, as in randomInt(max) or randomInt(min, max)`},
		"randomInt, no range":   {Code: `c.randomInt(5, 5)`, Err: `TypeError: randomInt: the range from 5 to 5 is empty: max must be greater than min`},
		"randomUUID":            {Code: `return /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(c.randomUUID()) && c.randomUUID() !== c.randomUUID()`, Want: `true`},
	})
}
