package encoding_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/dgate-io/caddy-dgate/internal/js"
	"github.com/dgate-io/caddy-dgate/internal/js/host/encoding"
	"github.com/dgate-io/caddy-dgate/internal/js/host/hosttest"
)

func TestGlobals(t *testing.T) {
	host := hosttest.Host{Globals: encoding.Globals()}
	host.Run(t, map[string]hosttest.Case{
		"btoa":                   {Code: `return [btoa("hello"), btoa(""), btoa("\xff\x00"), btoa(5)]`, Want: `["aGVsbG8=","","/wA=","NQ=="]`},
		"btoa beyond Latin-1":    {Code: `btoa("€")`, Err: `InvalidCharacterError: btoa: '€' is outside of Latin-1; encode text with TextEncoder, or use Uint8Array.prototype.toBase64`},
		"btoa of nothing":        {Code: `btoa()`, Err: `TypeError: btoa: expected a string`},
		"atob":                   {Code: `return [atob("aGVsbG8="), atob("aGVs bG8"), atob(""), atob("/wA=").charCodeAt(0)]`, Want: `["hello","hello","",255]`},
		"atob of nonsense":       {Code: `atob("a*b")`, Err: `InvalidCharacterError: atob: the text is not base64`},
		"atob, too short":        {Code: `atob("a")`, Err: `InvalidCharacterError: atob: the text is not base64`},
		"there and back":         {Code: `const s = Array.from({ length: 256 }, (_, i) => String.fromCharCode(i)).join(""); return atob(btoa(s)) === s`, Want: `true`},
		"TextEncoder":            {Code: `const e = new TextEncoder(); return [Array.from(e.encode("aü€")), e.encode().length, e.encoding, e instanceof TextEncoder, TextEncoder.name]`, Want: `[[97,195,188,226,130,172],0,"utf-8",true,"TextEncoder"]`},
		"encodeInto":             {Code: `const b = new Uint8Array(4); const r = new TextEncoder().encodeInto("a€€", b); return [r.read, r.written, Array.from(b)]`, Want: `[2,4,[97,226,130,172]]`},
		"TextDecoder":            {Code: `const d = new TextDecoder(); return [d.decode(new Uint8Array([97, 195, 188])), d.decode(new Uint8Array([0xef, 0xbb, 0xbf, 98]).buffer), d.decode(), d.decode(new Uint8Array([255])), d.encoding]`, Want: `["aü","b","","�","utf-8"]`},
		"TextDecoder, fatal":     {Code: `new TextDecoder("utf-8", { fatal: true }).decode(new Uint8Array([255]))`, Err: `TypeError: decode: the bytes are not valid UTF-8`},
		"TextDecoder, of others": {Code: `new TextDecoder("big5")`, Err: `RangeError: TextDecoder: the encoding "big5" is not supported, expected one of utf-8, utf-16le, utf-16be, windows-1252`},
		"TextDecoder, legacy":    {Code: `const d = new TextDecoder(" Latin1 "); return [Array.from(d.decode(new Uint8Array([65, 0x80, 0x81, 0xff])), c => c.charCodeAt(0)), d.encoding]`, Want: `[[65,8364,129,255],"windows-1252"]`},
		"TextDecoder, UTF-16":    {Code: `return [new TextDecoder("utf-16").decode(new Uint8Array([0xff, 0xfe, 65, 0, 0x34, 0xd8, 0x1e, 0xdd])), new TextDecoder("utf-16be").decode(new Uint8Array([0, 65, 0xd8, 0x34])), new TextDecoder("utf-16le").decode(new Uint8Array([65, 0, 66]))]`, Want: `["A𝄞","A�","A�"]`},
		"UTF-16, fatal":          {Code: `new TextDecoder("utf-16le", { fatal: true }).decode(new Uint8Array([0x34, 0xd8]))`, Err: `TypeError: decode: the bytes are not valid UTF-16LE`},
		"maximal subparts":       {Code: `return new TextDecoder().decode(new Uint8Array([0xe2, 0x82, 65, 0xff, 0xff, 0xf0, 0x9d]))`, Want: `"�A���"`},
		"a stream":               {Code: `const d = new TextDecoder(), e = [0xef, 0xbb, 0xbf, 0xe2, 0x82, 0xac, 65].map(x => d.decode(new Uint8Array([x]), { stream: true })); return [...e, d.decode()]`, Want: `["","","","","","€","A",""]`},
		"a stream that breaks":   {Code: `const d = new TextDecoder(); return [d.decode(new Uint8Array([65, 0xe2]), { stream: true }), d.decode(), d.decode(new Uint8Array([66]))]`, Want: `["A","�","B"]`},
		"a stream of UTF-16":     {Code: `const d = new TextDecoder("utf-16le"); return [65, 0, 0x34, 0xd8, 0x1e, 0xdd].map(x => d.decode(new Uint8Array([x]), { stream: true }))`, Want: `["","A","","","","𝄞"]`},
		"a stream, fatal":        {Code: `const d = new TextDecoder("utf-8", { fatal: true }); d.decode(new Uint8Array([0xe2]), { stream: true }); try { d.decode() } catch (e) { return [e.name, d.decode(new Uint8Array([65]))] }`, Want: `["TypeError","A"]`},
		"a byte order mark kept": {Code: `return new TextDecoder("utf-8", { ignoreBOM: true }).decode(new Uint8Array([0xef, 0xbb, 0xbf, 65])).length`, Want: `2`},
		"what a TextDecoder has": {Code: `const d = new TextDecoder("utf8", { fatal: 1 }); return [d, d instanceof TextDecoder, TextDecoder.name]`, Want: `[{"encoding":"utf-8","fatal":true,"ignoreBOM":false},true,"TextDecoder"]`},
		"decode of another":      {Code: `TextDecoder.prototype.decode.call({})`, Err: `TypeError: decode must be called on a TextDecoder`},
		"TextDecoder of text":    {Code: `new TextDecoder().decode("x")`, Err: `TypeError: decode: expected an ArrayBuffer or a typed array, got string`},
		"both":                   {Code: `return new TextDecoder().decode(new TextEncoder().encode("𝄞")) === "𝄞"`, Want: `true`},
	})
}

// FuzzDecoder decodes a stream in two parts, and at once.
func FuzzDecoder(f *testing.F) {
	f.Add([]byte("a€𝄞"), 2)
	f.Add([]byte{0xe2, 0x82, 0xff, 0xf0, 0x9d, 0x84}, 4)
	host := hosttest.Host{Globals: encoding.Globals(), Limits: js.Limits{CPU: time.Minute}}
	f.Fuzz(func(t *testing.T, data []byte, at int) {
		got, err := host.Eval(t, fmt.Sprintf(`const data = new Uint8Array([%s]), at = %d;
			const sum = Array.from(data, c => String.fromCharCode(c)).join("");
			if (atob(btoa(sum)) !== sum) throw new Error("base64");
			return ["utf-8", "utf-16le", "utf-16be", "latin1"].filter(name => {
				const d = new TextDecoder(name);
				return d.decode(data.subarray(0, at), { stream: true }) + d.decode(data.subarray(at)) !== d.decode(data);
			})`, numbers(data), at))
		if err != nil || got != "[]" {
			t.Errorf("%x, %d: %s %v", data, at, got, err)
		}
	})
}

// numbers is bytes as the elements of an array.
func numbers(data []byte) string {
	items := make([]string, len(data))
	for i, b := range data {
		items[i] = strconv.Itoa(int(b))
	}
	return strings.Join(items, ",")
}
