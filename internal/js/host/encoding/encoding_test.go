package encoding_test

import (
	"testing"

	"github.com/dgate-io/caddy-dgate/internal/js/host/encoding"
	"github.com/dgate-io/caddy-dgate/internal/js/host/hosttest"
)

func TestGlobals(t *testing.T) {
	host := hosttest.Host{Globals: encoding.Globals()}
	host.Run(t, map[string]hosttest.Case{
		"btoa":                   {Code: `return [btoa("hello"), btoa(""), btoa("\xff\x00"), btoa(5)]`, Want: `["aGVsbG8=","","/wA=","NQ=="]`},
		"btoa beyond Latin-1":    {Code: `btoa("€")`, Err: `TypeError: btoa: '€' is outside of Latin-1; encode text with TextEncoder, or use Uint8Array.prototype.toBase64`},
		"btoa of nothing":        {Code: `btoa()`, Err: `TypeError: btoa: expected a string`},
		"atob":                   {Code: `return [atob("aGVsbG8="), atob("aGVs bG8"), atob(""), atob("/wA=").charCodeAt(0)]`, Want: `["hello","hello","",255]`},
		"atob of nonsense":       {Code: `atob("a*b")`, Err: `TypeError: atob: the text is not base64`},
		"atob, too short":        {Code: `atob("a")`, Err: `TypeError: atob: the text is not base64`},
		"there and back":         {Code: `const s = Array.from({ length: 256 }, (_, i) => String.fromCharCode(i)).join(""); return atob(btoa(s)) === s`, Want: `true`},
		"TextEncoder":            {Code: `const e = new TextEncoder(); return [Array.from(e.encode("aü€")), e.encode().length, e.encoding, e instanceof TextEncoder, TextEncoder.name]`, Want: `[[97,195,188,226,130,172],0,"utf-8",true,"TextEncoder"]`},
		"encodeInto":             {Code: `const b = new Uint8Array(4); const r = new TextEncoder().encodeInto("a€€", b); return [r.read, r.written, Array.from(b)]`, Want: `[2,4,[97,226,130,172]]`},
		"TextDecoder":            {Code: `const d = new TextDecoder(); return [d.decode(new Uint8Array([97, 195, 188])), d.decode(new Uint8Array([0xef, 0xbb, 0xbf, 98]).buffer), d.decode(), d.decode(new Uint8Array([255])), d.encoding]`, Want: `["aü","b","","�","utf-8"]`},
		"TextDecoder, fatal":     {Code: `new TextDecoder("utf-8", { fatal: true }).decode(new Uint8Array([255]))`, Err: `TypeError: decode: the bytes are not valid UTF-8`},
		"TextDecoder, of others": {Code: `new TextDecoder("latin1")`, Err: `RangeError: TextDecoder: the encoding "latin1" is not supported, only utf-8 is`},
		"TextDecoder of text":    {Code: `new TextDecoder().decode("x")`, Err: `TypeError: decode: expected an ArrayBuffer or a typed array, got string`},
		"both":                   {Code: `return new TextDecoder().decode(new TextEncoder().encode("𝄞")) === "𝄞"`, Want: `true`},
	})
}
