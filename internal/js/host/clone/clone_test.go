package clone_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/dgate-io/caddy-dgate/internal/js"
	"github.com/dgate-io/caddy-dgate/internal/js/host/buffer"
	"github.com/dgate-io/caddy-dgate/internal/js/host/clone"
	"github.com/dgate-io/caddy-dgate/internal/js/host/domexception"
	"github.com/dgate-io/caddy-dgate/internal/js/host/hosttest"
	"github.com/dgate-io/caddy-dgate/internal/js/host/weburl"
)

var host = hosttest.Host{
	Globals: append(weburl.Globals(), clone.Global(), buffer.Global(), domexception.Global()),
	Limits:  js.Limits{CPU: time.Minute},
	Prelude: `const c = structuredClone, failure = (f) => { try { f(); return "none" } catch (e) { return (e instanceof DOMException ? "DOM " : "") + e } };`,
}

func TestStructuredClone(t *testing.T) {
	host.Run(t, map[string]hosttest.Case{
		"primitives":          {Code: `return [c(1), c("a"), c(true), c(null), c(undefined) === undefined, Object.is(c(-0), -0), c(NaN) !== c(NaN)]`, Want: `[1,"a",true,null,true,true,true]`},
		"plain objects":       {Code: `const a = { z: 1, b: { c: [1, { d: null }] }, u: undefined, ["__proto__"]: 5 }, b = c(a); b.b.c[1].d = 2; return [a, b, Object.keys(b), b.b !== a.b]`, Want: `[{"z":1,"b":{"c":[1,{"d":null}]},"__proto__":5},{"z":1,"b":{"c":[1,{"d":2}]},"__proto__":5},["z","b","u","__proto__"],true]`},
		"arrays":              {Code: `const a = [1, , 3]; a.x = "y"; const b = c(a); return [b, 1 in b, b.length, b.x, Array.isArray(b)]`, Want: `[[1,null,3],false,3,"y",true]`},
		"cycles":              {Code: `const a = { list: [] }; a.self = a; a.list.push(a, a.list); const b = c(a); return [b.self === b, b.list[0] === b, b.list[1] === b.list, b !== a]`, Want: `[true,true,true,true]`},
		"the same twice":      {Code: `const o = {}; const [a, b] = c([o, o]); return a === b`, Want: `true`},
		"Map":                 {Code: `const k = { a: 1 }, m = new Map([[k, k], ["b", new Map([[1, 2]])]]); m.set("self", m); const n = c(m); const [[x, y]] = n; return [n instanceof Map, n.size, x === y, x !== k, n.get("b").get(1), n.get("self") === n]`, Want: `[true,3,true,true,2,true]`},
		"Set":                 {Code: `const s = new Set([1, { a: 1 }]); s.add(s); const n = c(s); return [n instanceof Set, n.size, n.has(1), n.has(n), [...n][1]]`, Want: `[true,3,true,true,{"a":1}]`},
		"Date":                {Code: `const d = c(new Date(5)); return [d instanceof Date, d.getTime(), isNaN(c(new Date(NaN)))]`, Want: `[true,5,true]`},
		"RegExp":              {Code: `const r = /a(b)/gi; r.lastIndex = 3; const n = c(r); return [n instanceof RegExp, n.source, n.flags, n.lastIndex, n !== r]`, Want: `[true,"a(b)","gi",0,true]`},
		"boxed":               {Code: `return [c(new Number(1)), c(new String("a")), c(new Boolean(false))].map(x => [typeof x, x])`, Want: `[["object",1],["object","a"],["object",false]]`},
		"Error":               {Code: `const e = new TypeError("m", { cause: { a: 1 } }), n = c(e); return [n instanceof TypeError, n.name, n.message, n.cause, n.stack === e.stack, n !== e, Object.keys(n)]`, Want: `[true,"TypeError","m",{"a":1},true,true,[]]`},
		"an Error of a class": {Code: `class X extends RangeError { name = "X"; x = 1 }; const n = c(new X("m")); return [n.constructor === Error, n.name, n.message, n.x === undefined]`, Want: `[true,"Error","m",true]`},
		"ArrayBuffer":         {Code: `const b = new Uint8Array([1, 2]).buffer, n = c(b); new Uint8Array(b)[0] = 9; return [n instanceof ArrayBuffer, [...new Uint8Array(n)]]`, Want: `[true,[1,2]]`},
		"typed arrays":        {Code: `const b = new ArrayBuffer(8), [x, y, d] = c([new Uint16Array(b, 2, 2), new Float64Array(b), new DataView(b, 1, 2)]); x[0] = 7; return [x instanceof Uint16Array, x.length, x.byteOffset, x.buffer === y.buffer, d.getUint8(1), d.byteLength, new Uint8Array(b)[2]]`, Want: `[true,2,2,true,7,2,0]`},
		"a Buffer":            {Code: `const n = c(Buffer.from("hi")); return [n.constructor === Uint8Array, [...n]]`, Want: `[true,[104,105]]`},
		"a class's object":    {Code: `class P { x = 1; #y = 2; get z() { return 3 } }; const n = c(new P()); return [n, n.constructor === Object]`, Want: `[{"x":1},true]`},
		"getters":             {Code: `return c({ get a() { return [1] } })`, Want: `{"a":[1]}`},
		"getters that throw":  {Code: `c({ get a() { throw new Error("no") } })`, Err: `Error: no`},
		"symbols as keys":     {Code: `return Object.getOwnPropertySymbols(c({ [Symbol("a")]: 1 })).length`, Want: `0`},
		"deep":                {Code: `let a = {}; for (let i = 0; i < 5000; i++) a = { a }; let b = c(a), n = 0; while (b.a) { b = b.a; n++ } return n`, Want: `5000`},
		"a function":          {Code: `return [failure(() => c(() => 1)), failure(() => c({ a: [function () {}] })), failure(() => c(class {}))]`, Want: `["DOM DataCloneError: structuredClone: a Function cannot be cloned","DOM DataCloneError: structuredClone: a Function cannot be cloned","DOM DataCloneError: structuredClone: a Function cannot be cloned"]`},
		"others":              {Code: `return [Symbol("s"), Promise.resolve(), new WeakMap(), new WeakSet(), new Proxy({}, {}), new URL("http://h")].map(x => failure(() => c(x)))`, Want: `["DOM DataCloneError: structuredClone: a symbol cannot be cloned","DOM DataCloneError: structuredClone: a Promise cannot be cloned","DOM DataCloneError: structuredClone: a WeakMap cannot be cloned","DOM DataCloneError: structuredClone: a WeakSet cannot be cloned","DOM DataCloneError: structuredClone: a Object cannot be cloned","DOM DataCloneError: structuredClone: a URL cannot be cloned"]`},
		"nothing":             {Code: `c()`, Err: `TypeError: structuredClone: expected a value`},
		"transferred":         {Code: `const b = new Uint8Array([1, 2]).buffer, v = new Uint8Array(b), n = c({ b }, { transfer: [b] }); return [[...new Uint8Array(n.b)], b.byteLength, v.length, failure(() => c(b, { transfer: [b] }))]`, Want: `[[1,2],0,0,"DOM DataCloneError: structuredClone: an ArrayBuffer was transferred before"]`},
		"transferred, else":   {Code: `const b = new ArrayBuffer(1); return [failure(() => c(1, { transfer: [{}] })), failure(() => c(1, { transfer: [b, b] })), failure(() => c([b, () => 1], { transfer: [b] })), b.byteLength]`, Want: `["DOM DataCloneError: structuredClone: what is transferred must be an ArrayBuffer, and only once","DOM DataCloneError: structuredClone: what is transferred must be an ArrayBuffer, and only once","DOM DataCloneError: structuredClone: a Function cannot be cloned",1]`},
	})
}

// TestInterrupted clones something without end.
func TestInterrupted(t *testing.T) {
	host := host
	host.Limits = js.Limits{CPU: js.DefaultCPU}
	host.Run(t, map[string]hosttest.Case{
		"without end": {Code: `const a = { get a() { return { ...Object.getOwnPropertyDescriptors({}), get a() { return a.a } } } }; c(a)`, Err: `computed for longer than 100ms`},
	})
}

// FuzzStructuredClone clones what JSON can say.
func FuzzStructuredClone(f *testing.F) {
	f.Add(`{"a":[1,"b",null,{"__proto__":{}}],"length":-1}`)
	f.Add(`1E700`) // which goja does not parse
	host := hosttest.Host{Globals: []js.Global{clone.Global()}, Limits: host.Limits}
	f.Fuzz(func(t *testing.T, text string) {
		if !json.Valid([]byte(text)) {
			t.Skip()
		}
		quoted, _ := json.Marshal(text)
		got, err := host.Eval(t, `let v; try { v = JSON.parse(`+string(quoted)+`) } catch { return true }; return JSON.stringify(structuredClone(v)) === JSON.stringify(v)`)
		if err != nil || got != "true" {
			t.Errorf("%s: %s %v", text, got, err)
		}
	})
}

// BenchmarkStructuredClone copies 1,000 small objects.
func BenchmarkStructuredClone(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := host.Eval(b, `const list = Array.from({ length: 1000 }, (_, i) => ({ id: i, tags: ["a", "b"] })); c(list)`); err != nil {
			b.Fatal(err)
		}
	}
}
