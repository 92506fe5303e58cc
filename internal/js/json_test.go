package js

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/dop251/goja"
	"github.com/google/go-cmp/cmp"
)

// jsonVM returns a VM and goja's own JSON.parse and stringify on it.
func jsonVM(t testing.TB) (vm *VM, parse, stringify func(v goja.Value) (goja.Value, error)) {
	t.Helper()
	vm = newTestVM(t, newTestEngine(), Limits{}, `export const requestHandler = () => {}`)
	get := func(name string) func(goja.Value) (goja.Value, error) {
		fn, ok := goja.AssertFunction(vm.builtin("JSON").Get(name))
		if !ok {
			t.Fatal("no JSON." + name)
		}
		return func(v goja.Value) (goja.Value, error) { return fn(goja.Undefined(), v) }
	}
	return vm, get("parse"), get("stringify")
}

// jsonTexts are texts with something special about them.
var jsonTexts = []string{
	``, ` `, `null`, `true`, `false`, `nul`, `nullx`, `tru`, `True`, `undefined`, `NaN`, `Infinity`, `-Infinity`,
	`0`, `-0`, `01`, `+1`, `-`, `1.`, `.1`, `1.0`, `1e5`, `1E+5`, `1e-5`, `1e`, `1e+`, `0x1`, `1_0`, `--1`, `1 2`,
	`123456789012345`, `1234567890123456`, `9007199254740993`, `1e308`, `1e309`, `-1e309`, `1e-400`, `0.1`, `100000000000000000000000`, `00`, `-01`, `0e0`, `-0.0`,
	`""`, `"a"`, `"a`, `"\"`, `"\n"`, "\"\n\"", "\"\t\"", "\"\x7f\"", `"\u0041"`, `"\u004"`, `"\u00zz"`, `"\x41"`, `"\/"`, `"\a"`, `'a'`,
	`"\uD83D\uDE00"`, `"\uD83D"`, `"\uDE00"`, `"\uD83Dx"`, `"\uD83D\u0041"`, `"\uD83D\uD83D\uDE00"`, `"\uD83D\n"`, `"😀"`, `"é"`, `"\u2028"`, "\"\u2028\"", "\"\xff\"", "\"\xed\xa0\xbd\"", `"\uFFFD"`,
	`[]`, `[ ]`, `[1]`, `[1,]`, `[,1]`, `[1 2]`, `[1,2`, `[`, `]`, `[[]]`, `[1]]`, `[1}`, `{]`,
	`{}`, `{ }`, `{"a":1}`, `{"a":1,}`, `{,"a":1}`, `{"a"}`, `{"a":}`, `{a:1}`, `{"a" 1}`, `{"a":1 "b":2}`, `{"a":1`, `{`, `}`, `{1:2}`, `{"a":1}}`, `{"a",1}`, `{:1}`,
	`{"a":1,"a":2}`, `{"a":1,"b":2,"a":3}`, `{"__proto__":{"x":1}}`, `{"__proto__":1,"__proto__":2}`, `{"constructor":1}`, `{"toString":1}`, `{"":1}`, `{"1":1,"0":0,"a":2,"-1":3}`, `{"length":1}`, `{"\u0061":1,"a":2}`, `{"\uD83D":1}`,
	"\ufeff{}", "\u00a0{}", "\v1", "\f1", "\r\n\t 1 \r\n\t", "1\x00", "\x00", `/**/1`, `1//`,
	`[1,"a",null,true,{"b":[{}]}]`, `{"a":{"b":{"c":[1,2,{"d":"e"}]}}}`,
	strings.Repeat("[", 500) + strings.Repeat("]", 500), strings.Repeat(`{"a":`, 300) + "1" + strings.Repeat("}", 300),
	`["` + strings.Repeat("x", 1000) + `"]`, `{"` + strings.Repeat("k", 100) + `":1}`,
}

// sameAsGoja parses text both ways and compares.
func sameAsGoja(t *testing.T, vm *VM, parse, stringify func(goja.Value) (goja.Value, error), text string) {
	t.Helper()
	in := vm.Runtime().ToValue(text)
	want, wantErr := parse(in)
	got, err := vm.parseJSON(in.String())
	if (err == nil) != (wantErr == nil) {
		t.Fatalf("%.200q: got error %v, want %v", text, err, wantErr)
	}
	if err != nil {
		return
	}
	a, errA := stringify(got)
	b, errB := stringify(want)
	if errA != nil || errB != nil {
		t.Fatalf("%.200q: stringify: %v, %v", text, errA, errB)
	}
	if diff := cmp.Diff(b.String(), a.String()); diff != "" {
		t.Fatalf("%.200q (-goja +got):\n%s", text, diff)
	}
	if !sameValue(got, want) {
		t.Fatalf("%.200q: got %s, want %s", text, vm.Inspect(got), vm.Inspect(want))
	}
}

// sameValue compares what stringify does not show: -0, prototypes and own properties.
func sameValue(a, b goja.Value) bool {
	x, ok := a.(*goja.Object)
	y, ok2 := b.(*goja.Object)
	if !ok || !ok2 {
		return ok == ok2 && a.SameAs(b) && a.ExportType() == b.ExportType()
	}
	keys := x.GetOwnPropertyNames()
	if x.ClassName() != y.ClassName() || !cmp.Equal(keys, y.GetOwnPropertyNames()) || x.Prototype() != y.Prototype() {
		return false
	}
	for _, k := range keys {
		if k != "__proto__" && !sameValue(x.Get(k), y.Get(k)) {
			return false
		}
	}
	return true
}

func TestParseJSON(t *testing.T) {
	vm, parse, stringify := jsonVM(t)
	for _, text := range jsonTexts {
		sameAsGoja(t, vm, parse, stringify, text)
	}
}

func FuzzParseJSON(f *testing.F) {
	for _, text := range jsonTexts {
		f.Add(text)
	}
	vm, parse, stringify := jsonVM(f)
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Count(text, "[")+strings.Count(text, "{") > 1000 {
			t.Skip()
		}
		sameAsGoja(t, vm, parse, stringify, text)
	})
}

func TestJSONInScripts(t *testing.T) {
	tests := map[string]struct{ code, want string }{
		"object":       {`return JSON.parse('{"a":[1,"b"]}').a[1]`, "b"},
		"number":       {`return JSON.parse(5)`, "5"},
		"object given": {`return JSON.parse({ toString: () => '[7]' })[0]`, "7"},
		"reviver":      {`return JSON.parse('{"a":1}', (k, v) => k === "a" ? v + 1 : v).a`, "2"},
		"syntax error": {`try { JSON.parse("{b}") } catch (e) { return e.name + ": " + e.message + (e instanceof SyntaxError) }`, `SyntaxError: invalid character 'b' looking for beginning of object key stringtrue`},
		"nothing":      {`try { JSON.parse() } catch (e) { return e.name }`, `SyntaxError`},
		"symbol":       {`try { JSON.parse(Symbol()) } catch (e) { return e.name }`, `SyntaxError`}, // as in goja
		"no setters":   {`Object.defineProperty(Object.prototype, "a", { set() { throw 1 } }); return JSON.parse('{"a":1}').a`, "1"},
		"pollution":    {`const o = JSON.parse('{"__proto__":{"polluted":1}}'); return String(o.polluted) + String({}.polluted) + Object.keys(o)`, "undefinedundefined__proto__"},
		"stringify":    {`return JSON.stringify({ b: 1, a: undefined, c: [undefined, 1, () => {}], d: new Date(0), "é": "\ud800" }, null, 1)`, "{\n \"b\": 1,\n \"c\": [\n  null,\n  1,\n  null\n ],\n \"d\": \"1970-01-01T00:00:00.000Z\",\n \"é\": \"\\ud800\"\n}"},
		"name, length": {`return JSON.parse.name + JSON.parse.length`, "parse2"},
		"too deep":     {`try { JSON.parse("[".repeat(20000) + "]".repeat(20000)) } catch (e) { return e.message }`, "JSON nested too deep"},
		"deep":         {`return JSON.parse("[".repeat(9000) + "]".repeat(9000)).length`, "1"},
		"descriptor":   {`const d = Object.getOwnPropertyDescriptor(JSON.parse('{"a":1}'), "a"); return "" + d.writable + d.enumerable + d.configurable`, "truetruetrue"},
		"key order":    {`return Object.keys(JSON.parse('{"b":1,"a":2,"2":3,"1":4}')).join()`, "1,2,b,a"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := eval(t, "export function requestHandler() { "+tt.code+" }"); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestStringify(t *testing.T) {
	vm, _, stringify := jsonVM(t)
	rt := vm.Runtime()
	for _, code := range []string{
		`1`, `-0`, `NaN`, `"a\n\u2028<&>"`, `"\ud800"`, `null`, `undefined`, `true`, `(() => 1)`, `Symbol()`, `[]`, `[undefined]`, `({})`, `({a:undefined})`,
		`new Date(0)`, `({toJSON: () => 5})`, `Object("a")`, `Object(1)`, `new Map([[1, 2]])`, `/a/`, `new Error("x")`, `({a:{b:[1,{c:null}]}})`, `[[[]]]`, `"é"`,
	} {
		v, err := rt.RunProgram(goja.MustCompile("t", "("+code+")", false))
		if err != nil {
			t.Fatal(err)
		}
		want, err := stringify(v)
		if err != nil {
			t.Fatal(err)
		}
		got, err := vm.Stringify(v)
		if err != nil {
			t.Fatal(err)
		}
		if goja.IsUndefined(want) != (got == nil) || got != nil && string(got) != want.String() {
			t.Errorf("%s: got %s, want %s", code, got, want)
		}
	}
	for _, code := range []string{`const a = {}; a.a = a; a`, `({ toJSON() { throw new Error("x") } })`, `({ get a() { throw 1 } })`, `1n`} {
		v, err := rt.RunProgram(goja.MustCompile("t", "{"+code+"}", false))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := vm.Stringify(v); err == nil {
			t.Errorf("%s: no error", code)
		}
	}
}

// jsonOf returns a realistic JSON text of about n bytes.
func jsonOf(n int) string {
	type item struct {
		ID    int               `json:"id"`
		Name  string            `json:"name"`
		Price float64           `json:"price"`
		Tags  []string          `json:"tags"`
		Attrs map[string]string `json:"attributes"`
		On    bool              `json:"active"`
	}
	var items []item
	for i := 0; ; i++ {
		items = append(items, item{i, "Item number " + strings.Repeat("x", i%7), float64(i) * 1.25, []string{"red", "größe", "a\"b"}, map[string]string{"color": "blue", "size": "XL"}, i%2 == 0})
		if data, err := json.Marshal(items); err != nil || len(data) >= n {
			return string(data)
		}
	}
}
