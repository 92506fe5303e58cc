package js

import "testing"

// TestLanguage runs what goja lacks and this package adds, and what it changes.
func TestLanguage(t *testing.T) {
	tests := map[string]struct{ code, want string }{
		"async iteration":       {`const g = async function* () { yield 1; yield 2 }; let s = 0; for await (const x of g()) s += x; return s`, "3"},
		"own async iterator":    {`const o = { [Symbol.asyncIterator]() { let n = 0; return { next: async () => ({ done: n > 2, value: n++ }) } } }; let s = ""; for await (const x of o) s += x; return s`, "012"},
		"using":                 {`const log = []; { using a = { [Symbol.dispose]() { log.push("disposed") } }; log.push("used") } return log.join()`, "used,disposed"},
		"await using":           {`const log = []; { await using a = { async [Symbol.asyncDispose]() { log.push("disposed") } }; log.push("used") } return log.join()`, "used,disposed"},
		"Object.groupBy":        {`return JSON.stringify(Object.groupBy([1, 2, 3], x => x % 2 ? "odd" : "even"))`, `{"odd":[1,3],"even":[2]}`},
		"Map.groupBy":           {`return [...Map.groupBy([1, 2, 3], x => x % 2).get(1)].join()`, "1,3"},
		"withResolvers":         {`const { promise, resolve } = Promise.withResolvers(); setTimeout(resolve, 1, "a"); return await promise`, "a"},
		"Promise.try":           {`return await Promise.try(() => { throw 1 }).catch(e => "caught " + e)`, "caught 1"},
		"isWellFormed":          {`return "a\ud800".isWellFormed() + " " + "\ud83d\ude00".isWellFormed() + " " + "a\ud800b".toWellFormed()`, "false true a\ufffdb"},
		"RegExp.escape":         {`return RegExp.escape("a.b*c") + new RegExp(RegExp.escape("(x)")).test("(x)")`, `\x61\.b\*ctrue`},
		"Array.fromAsync":       {`return (await Array.fromAsync([1, Promise.resolve(2)], x => x * 2)).join()`, "2,4"},
		"iterator helpers":      {`return [1, 2, 3, 4].values().filter(x => x % 2 === 0).map(x => x * 10).toArray().join()`, "20,40"},
		"iterator take":         {`const f = function* () { let i = 0; try { for (;;) yield i++ } finally { closed = true } }; let closed = false; return f().drop(2).take(2).toArray().join() + closed`, "2,3true"},
		"iterator reduce":       {`return new Set([1, 2, 3]).values().reduce((a, b) => a + b) + Iterator.from([4]).toArray()[0]`, "10"},
		"class features":        {`class A { #x = 1; static y = 2; static { this.z = 3 } get x() { return this.#x } static has(o) { return #x in o } } return [new A().x, A.y, A.z, A.has(new A())].join()`, "1,2,3,true"},
		"spread and for-of":     {`return [..."ab"].join() + [...new Map([[1, 2]])].join() + [...(function* () { yield 3 })()].join()`, "a,b1,23"},
		"decorators":            {`const d = (v: any, c: any) => () => "decorated"; class A { @d m() { return "plain" } } return new A().m()`, "decorated"},
		"enum":                  {`enum E { A = 1, B } return E.B + E[1]`, "2A"},
		"power":                 {`let x = 3; x **= 2; return 2 ** 10 + x`, "1033"},
		"no property escapes":   {`return [() => new RegExp("\\p{L}", "u"), () => RegExp("a\\P{L}"), () => "x".match("[\\p{L}]"), () => new RegExp(String.raw` + "`\\p{L}`" + `), () => new RegExp("\\\\p{2}").source].map(f => { try { return f() } catch (e) { return e.name + (e instanceof SyntaxError) + e.message.slice(0, 22) } }).join()`, `SyntaxErrortrue\p{…} is not supported,SyntaxErrortrue\p{…} is not supported,SyntaxErrortrue\p{…} is not supported,SyntaxErrortrue\p{…} is not supported,\\p{2}`},
		"methods by their word": {`const k = ["m", "ap"].join(""), a = [1, 2], f = a[k]; a.f = f; return [k in a, f.name, f.length, a.f(x => x * 2), Array.prototype[k] === f].join()`, "true,map,1,2,4,true"},
		"methods replaced":      {`const k = ["m", "ap"].join(""), s = ["so", "rt"].join(""), a = [2, 1]; a[k] = 3; Array.prototype[s] = 4; return [a[k], a[s], [][s], typeof [][k], delete Array.prototype[k], typeof [][k]].join()`, "3,4,4,function,true,undefined"},
		"array as text":         {`const a = [1, [2, 3]], i = a.length - 1; return "" + a + a[i]`, "1,2,32,3"},
		"no BigInt":             {`return ["BigInt", "BigInt64Array", "BigUint64Array"].map(n => typeof globalThis[n] + (n in globalThis)).join() + typeof BigInt + Object.getOwnPropertyNames(DataView.prototype).filter(n => /Big/.test(n)) + typeof new DataView(new ArrayBuffer(8))["getBig" + "Int64"]`, "undefinedfalse,undefinedfalse,undefinedfalseundefinedundefined"},
		"DataView":              {`const v = new DataView(new ArrayBuffer(8)); v.setInt16(0, 258); return v.getUint8(1) + Object.prototype.toString.call(v)`, "2[object DataView]"},
		"globals":               {`return [typeof globalThis.setTimeout, typeof self.console, typeof global.JSON, globalThis === self, typeof nope, globalThis.globalThis === globalThis].join()`, "function,object,object,true,undefined,true"},
		"in globalThis":         {`return ["fetch" in globalThis, "console" in globalThis, "Array" in globalThis].join()`, "false,true,true"},
		"assigned global":       {`globalThis.mine = 1; globalThis.console = { log: () => 2 }; return mine + console.log()`, "3"},
		"redefined global":      {`Object.defineProperty(globalThis, "setTimeout", { value: 7 }); return setTimeout`, "7"},
		"sloppy this":           {`return (function () { return this === undefined || this === globalThis })()`, "true"},
		"undefined is fixed":    {`try { globalThis.undefined = 1 } catch {} return typeof undefined`, "undefined"},
		"instanceof":            {`return [[] instanceof Array, new Uint8Array(1) instanceof Uint8Array, new Error() instanceof Error, (() => 1) instanceof Function, Promise.resolve() instanceof Promise].join()`, "true,true,true,true,true"},
		"constructors":          {`return [[].constructor === Array, new Uint8Array(1).constructor === Uint8Array, new ArrayBuffer(1).constructor === ArrayBuffer, {}.constructor === Object].join()`, "true,true,true,true"},
		"lodash's global":       {`var root = typeof global == "object" && global || typeof self == "object" && self || Function("return this")(); return typeof root.Array`, "function"},
		"timers return ids":     {`const id = setTimeout(() => {}, 1); clearTimeout(id); clearTimeout(undefined); clearInterval({}); return typeof id`, "number"},
		"subclass of Array":     {`class A extends Array { sum() { return this.reduce((a, b) => a + b) } } return A.from([1, 2]).sum() + "" + (new A(3).fill(1) instanceof A)`, "3true"},
		"subclass of bytes":     {`class B extends Uint8Array { first() { return this[0] } } const b = new B([5]); return [b.first(), b instanceof Uint8Array, B.from([6]).first(), b.slice().first()].join()`, "5,true,6,5"},
		"typed arrays":          {`const a = new Uint8Array([1, 2, 300]); const f = new Float64Array(2); return [a.join("-"), a.length, Uint8Array.BYTES_PER_ELEMENT, Uint8Array.of(1).length, a.subarray(1).byteOffset, f.fill(2).join(), Uint8Array.name, ArrayBuffer.isView(a), new Uint8Array(new ArrayBuffer(8), 2, 3).length, new Uint8Array("3").length, new Uint8Array().length].join(" ")`, "1-2-44 3 1 1 1 2,2 Uint8Array true 3 3 0"},
		"repeat":                {`return ["ab".repeat(3), "é".repeat(2), "".repeat(1e9), "a".repeat(0), "a".repeat("2"), "a".repeat(), "a".repeat(NaN), "a".repeat(1.9)].join("|")`, "ababab|éé|||aa|||a"},
		"repeat errors":         {`const e = f => { try { f() } catch (x) { return x.name } }; return [e(() => "a".repeat(-1)), e(() => "a".repeat(Infinity)), e(() => "".repeat(Infinity)), e(() => String.prototype.repeat.call(null, 1)), e(() => "a".repeat(1e9))].join()`, "RangeError,RangeError,RangeError,TypeError,RangeError"},
		"pad":                   {`return ["5".padStart(3, "0"), "5".padEnd(3, "ab"), "abc".padStart(2), "a".padStart(3) + "|", "a".padEnd(5, "xyz"), "a".padStart(3, ""), "é".padStart(3, "ü"), "a".padEnd(undefined), "5".padStart(3.9, "0")].join(",")`, "005,5ab,abc,  a|,axyzx,a,üüé,a,005"},
		"repeat of a number":    {`return String.prototype.repeat.call(12, 2) + String.prototype.padStart.call(true, 6, "_")`, "1212__true"},
		"join":                  {`const a = [1, null, undefined, "b", [2, [3]], {}]; return [a.join(), a.join("-"), [].join(), [1].join("x"), a.toString(), Array.prototype.join.call({ length: 2, 0: "x" }, "+"), [,1].join()].join("|")`, "1,,,b,2,3,[object Object]|1---b-2,3-[object Object]||1|1,,,b,2,3,[object Object]|x+|,1"},
		"join of a cycle":       {`const a = [1]; a.push(a, 2); return a.join() + "|" + a.join()`, "1,,2|1,,2"},
		"fill and from":         {`return [Array(3).fill(7).join(), [1, 2, 3].fill(0, 1, 2).join(), Array.from("abc", x => x + x).join(), Array.from({ length: 2 }, (_, i) => i).join(), Array.from(new Set([1, 1])).join()].join("|")`, "7,7,7|1,0,3|aa,bb,cc|0,1|1"},
		"replace":               {`return ["aXbX".replace("X", "-"), "aXbX".replaceAll("X", "$&$&"), "abc".replace(/b/g, m => m.toUpperCase()), "2024-01".replace(/(\d+)-(\d+)/, "$2/$1"), "a".replace("b")].join("|")`, "a-bX|aXXbXX|aBc|01/2024|a"},
		"large replace":         {`return "ab".repeat(1000).replace(/a/g, "x".repeat(100)).length + "ab".repeat(50000).replaceAll("zz", "x".repeat(100000)).length`, "201000"},
		"names":                 {`return ["".repeat.name, "".padEnd.length, [].join.name, Array.from.length, "".replaceAll.name].join()`, "repeat,1,join,1,replaceAll"},
		"enumerable":            {`const k = []; for (const x in "a") k.push(x); for (const x in []) k.push(x); for (const x in globalThis) k.push(x); return k.join()`, "0"},
		"generators as hooks":   {`return [...(function* () { yield* [1, 2] })()].length`, "2"},
		"labelled blocks":       {`a: for (;;) { for (;;) break a } return "ok"`, "ok"},
		"error cause":           {`try { throw new Error("a", { cause: "b" }) } catch (e) { return e.cause }`, "b"},
		"queueMicrotask error":  {`queueMicrotask(() => { throw new Error("x") }); await null; return "ok"`, "ok"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := eval(t, "export async function requestHandler() { "+tt.code+" }"); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestBytes(t *testing.T) {
	vm := newTestVM(t, newTestEngine(), Limits{}, `export const requestHandler = (f, x) => f(x)`)
	rt := vm.Runtime()
	tests := map[string]struct {
		code, want string
		ok         bool
	}{
		"string":      {`"é"`, "é", true},
		"ArrayBuffer": {`new Uint8Array([97, 98]).buffer`, "ab", true},
		"typed array": {`new Uint8Array([97, 98, 99]).subarray(1)`, "bc", true},
		"wide array":  {`new Uint16Array([0x6261])`, "ab", true},
		"DataView":    {`new DataView(new Uint8Array([97, 98, 99]).buffer, 1, 1)`, "b", true},
		"String":      {`new String("a")`, "a", true},
		"number":      {`5`, "", false},
		"object":      {`({})`, "", false},
		"fake":        {`({ buffer: new ArrayBuffer(2), byteOffset: 5, byteLength: 9 })`, "", false},
		"null":        {`null`, "", false},
		"array":       {`[1, 2]`, "", false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			v, err := rt.RunString("(" + tt.code + ")")
			if err != nil {
				t.Fatal(err)
			}
			got, ok := vm.Bytes(v)
			if string(got) != tt.want || ok != tt.ok {
				t.Errorf("got %q, %v, want %q, %v", got, ok, tt.want, tt.ok)
			}
		})
	}
	b := []byte("abc")
	if got, ok := vm.Bytes(vm.ArrayBuffer(b)); !ok || &got[0] != &b[0] {
		t.Error("bytes were copied")
	}
}
