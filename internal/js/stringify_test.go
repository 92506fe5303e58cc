package js

import (
	"testing"

	"github.com/dop251/goja"
)

// TestStringifyArguments compares JSON.stringify with goja's own.
func TestStringifyArguments(t *testing.T) {
	vm, _, _ := jsonVM(t)
	rt := vm.Runtime()
	theirs, _ := goja.AssertFunction(vm.builtin("JSON").Get("stringify"))
	ours, _ := goja.AssertFunction(vm.newJSONStringify())
	const value = `{ b: 1.5, a: [1, "x", null, undefined, () => 1, Symbol()], c: { d: { e: "é\ud83d\ude00\udead\u0001\t\"" } }, n: new Number(3), s: new String("s"), t: new Boolean(false), u: undefined, f() {}, 2: 2, 1: -0, date: new Date(0), m: Object.assign(new Map(), { k: 1 }), x: Infinity, j: { toJSON(k) { return k } }, z: Object.assign(Object.create({ inherited: 1 }), { own: 1 }), g: { get a() { return 1 } }, arr: Object.assign([1], { x: 1 }), p: new Proxy([1, 2], {}), q: new Proxy({ a: 1 }, {}) }`
	tests := map[string]string{
		"alone":                value,
		"indent":               value + `, null, 2`,
		"much indent":          value + `, null, 99`,
		"indent of text":       value + `, null, "--→"`,
		"indent of long text":  value + `, null, "abcdefghijklmn"`,
		"indent of objects":    value + `, null, new Number(3)`,
		"indent of objects 2":  value + `, null, new String("xy")`,
		"indent of nonsense":   value + `, null, {}`,
		"indent below zero":    value + `, null, -1`,
		"indent of a fraction": value + `, null, 2.9`,
		"keys":                 value + `, ["a", "c", "d", 1, "a", new String("b"), {}, null]`,
		"no keys":              value + `, [], 1`,
		"replacer":             value + `, (k, v) => typeof v === "number" ? v + 1 : v`,
		"replacer, this":       `{ a: [1] }, function (k, v) { return k === "" ? v : [k, Object.keys(this)] + v }`,
		"replacer, nothing":    `{ a: 1 }, () => undefined`,
		"replacer of nonsense": `{ a: 1 }, 5`,
		"empty":                `{ a: [], b: {}, c: 1 }`,
		"undefined":            `undefined`,
		"function":             `() => 1`,
		"symbol":               `Symbol()`,
		"cycle":                `(() => { const a = []; a.push(a); return a })()`,
		"throws":               `{ toJSON() { throw new Error("x") } }`,
		"raw":                  `{ a: JSON.rawJSON("1.0") }`,
		"revoked":              `(() => { const r = Proxy.revocable([], {}); r.revoke(); return r.proxy })()`,
		"key of half a pair":   `["\ud800"]`,
	}
	for name, args := range tests {
		t.Run(name, func(t *testing.T) {
			v, err := rt.RunProgram(goja.MustCompile("t", "["+args+"]", false))
			if err != nil {
				t.Fatal(err)
			}
			var list []goja.Value
			if err := rt.ExportTo(v, &list); err != nil {
				t.Fatal(err)
			}
			want, wantErr := theirs(goja.Undefined(), list...)
			got, err := ours(goja.Undefined(), list...)
			if (err == nil) != (wantErr == nil) || err == nil && !want.StrictEquals(got) {
				t.Errorf("got %v, %v\nwant %v, %v", got, err, want, wantErr)
			}
		})
	}
}
