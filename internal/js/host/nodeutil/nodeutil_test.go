package nodeutil_test

import (
	"testing"

	"github.com/dgate-io/caddy-dgate/internal/js"
	"github.com/dgate-io/caddy-dgate/internal/js/host/buffer"
	"github.com/dgate-io/caddy-dgate/internal/js/host/encoding"
	"github.com/dgate-io/caddy-dgate/internal/js/host/hosttest"
	"github.com/dgate-io/caddy-dgate/internal/js/host/nodeutil"
	"github.com/dgate-io/caddy-dgate/internal/js/host/weburl"
)

func TestModule(t *testing.T) {
	host := hosttest.Host{
		Modules: []js.Module{nodeutil.Module(encoding.Text()...), {Name: "console", Exports: js.Console()}},
		Globals: append(encoding.Globals(), buffer.Global(), weburl.Globals()[0]),
		Prelude: `import util, { format, inspect, types, promisify, inherits } from "node:util"; import * as c from "console"; import own from "node:console";`,
	}
	host.Run(t, map[string]hosttest.Case{
		"format":                {Code: `return [format("%s is %d, %j %o%%", "a", 1.5, { b: 1 }, [2], "rest"), format({ a: 1 }, "b"), format()]`, Want: `["a is 1.5, {\"b\":1} [ 2 ]% rest","{ a: 1 } b",""]`},
		"format of a long text": {Code: `return format("%s", "x".repeat(100000)).length`, Want: `100000`},
		"inspect":               {Code: `return [inspect({ a: { b: { c: {} } } }, { depth: 0 }), inspect({ a: { b: 1 } }, false, 1), inspect("it's"), inspect("a"), inspect(null), inspect()]`, Want: `["{…}","{ a: {…} }","\"it's\"","'a'","null","undefined"]`},
		"inspect, deep":         {Code: `let a = 1; for (let i = 0; i < 20; i++) a = [a]; return [inspect(a, { depth: null }), inspect(a, { depth: Infinity }) === inspect(a, { depth: 50 }), inspect(a).includes("…")]`, Want: `["` + "[ [ [ [ [ [ [ [ [ [ [ [ [ [ [ [ [ [ [ [ 1 ] ] ] ] ] ] ] ] ] ] ] ] ] ] ] ] ] ] ] ]" + `",true,true]`},
		"inspect of the host's": {Code: `return [inspect(Buffer.from("abc")), inspect(Buffer.alloc(60)).slice(-12), inspect(new URL("http://h/?a=1").searchParams), inspect(inspect.custom)]`, Want: `["<Buffer 61 62 63>","0 … 10 more>","URLSearchParams [ [ 'a', '1' ] ]","Symbol(nodejs.util.inspect.custom)"]`},
		"types": {
			Code: `const all = { date: new Date(), map: new Map(), set: new Set(), list: [], re: /a/, error: new Error(), promise: Promise.resolve(), proxy: new Proxy({}, {}), bytes: new Uint8Array(1), buffer: Buffer.alloc(1), floats: new Float64Array(1), memory: new ArrayBuffer(1), object: {}, nothing: null };
			return Object.keys(types).map(t => t + ": " + Object.keys(all).filter(k => types[t](all[k])).join(" "))`,
			Want: `["isArrayBuffer: memory","isDate: date","isMap: map","isNativeError: error","isPromise: promise","isProxy: proxy","isRegExp: re","isSet: set","isTypedArray: bytes buffer floats","isUint8Array: bytes buffer"]`,
		},
		"promisify":              {Code: `const f = promisify(function (a, b, done) { done(a === 0 && new Error("zero"), this.n + a + b) }); return [await f.call({ n: 1 }, 2, 3), await f.call({}, 0, 1).catch(e => e.message)]`, Want: `[6,"zero"]`},
		"promisify, customised":  {Code: `const g = () => 1, f = () => 0; f[promisify.custom] = g; return promisify(f) === g`, Want: `true`},
		"promisify of no thing":  {Code: `promisify(5)`, Err: `TypeError: promisify: expected a function, got number`},
		"inherits":               {Code: `function A() {} A.prototype.x = () => 1; function B() {} inherits(B, A); return [new B().x(), new B() instanceof A, B.super_ === A, Object.keys(B)]`, Want: `[1,true,true,[]]`},
		"inherits from no thing": {Code: `inherits(function () {}, null)`, Err: `TypeError: inherits: expected two constructors`},
		"classes of others":      {Code: `return [util.TextEncoder === TextEncoder, util.TextDecoder === TextDecoder]`, Want: `[true,true]`},
		"the module console":     {Code: `return [c.log === console.log, own.error === console.error, typeof c.table]`, Want: `[true,true,"function"]`},
	})
}
