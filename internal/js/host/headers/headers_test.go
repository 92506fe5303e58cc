package headers_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/dop251/goja"

	"github.com/dgate-io/caddy-dgate/internal/js"
	"github.com/dgate-io/caddy-dgate/internal/js/host/headers"
	"github.com/dgate-io/caddy-dgate/internal/js/host/hosttest"
	"github.com/dgate-io/caddy-dgate/internal/js/host/native"
)

var host = hosttest.Host{Globals: []js.Global{
	headers.Global(),
	// view and web are headers as hosts show them; their objects are not made by scripts.
	native.Function("view", 0, func(vm *js.VM, _ goja.FunctionCall) goja.Value {
		return new(headers.View).Open(vm, nil, sample())
	}),
	native.Function("web", 0, func(vm *js.VM, _ goja.FunctionCall) goja.Value {
		return new(headers.View).Web(vm, sample())
	}),
	// from is what reads the headers of fetch and its like.
	native.Function("from", 1, func(vm *js.VM, call goja.FunctionCall) goja.Value {
		return new(headers.View).Open(vm, nil, headers.From(vm, "from", call.Argument(0)))
	}),
}}

func sample() http.Header {
	return http.Header{"X-B": {"1", "2"}, "Accept": {"text/html"}, "Set-Cookie": {"a=1", "b=2"}, "Get": {"evil"}, "Tostring": {"evil"}}
}

// members are what headers must have of every object, whatever a client has sent, and
// how that is still to be read.
func members(headers string) string {
	return `const h = ` + headers + `; h.set("hasOwnProperty", "evil"); h.set("valueOf", "evil"); h.set("__proto__", "evil");
		return [typeof h.hasOwnProperty, typeof h.valueOf, typeof h.constructor, typeof h.toString, h.get("valueOf")]`
}

func TestHeaders(t *testing.T) {
	host.Run(t, map[string]hosttest.Case{
		"nothing":              {Code: `return [...new Headers()]`, Want: `[]`},
		"an object":            {Code: `return [...new Headers({ "X-B": 1, a: "x" })]`, Want: `[["a","x"],["x-b","1"]]`},
		"pairs":                {Code: `return [...new Headers([["b", "1"], ["A", "2"], ["B", "3"]])]`, Want: `[["a","2"],["b","1, 3"]]`},
		"a Map":                {Code: `return [...new Headers(new Map([["b", "1"]]))]`, Want: `[["b","1"]]`},
		"other headers":        {Code: `const a = new Headers({ a: "1" }), b = new Headers(a); b.set("a", "2"); return [a.get("a"), b.get("a")]`, Want: `["1","2"]`},
		"headers of a request": {Code: `return [...new Headers(view())].length`, Want: `6`},
		"text":                 {Code: `new Headers("a")`, Err: `TypeError: Headers: expected an object of headers, got string`},
		"half a pair":          {Code: `new Headers([["a"]])`, Err: `TypeError: Headers: expected pairs of name and value`},
		"a bad name":           {Code: `new Headers({ "a b": "1" })`, Err: `TypeError: Headers: "a b" is not a valid name of a header`},
		"get":                  {Code: `const h = web(); return [h.get("x-b"), h.get("nope"), h.get("SET-COOKIE")]`, Want: `["1, 2",null,"a=1, b=2"]`},
		"get of a bad name":    {Code: `web().get("a b")`, Err: `TypeError: headers.get: "a b" is not a valid name of a header`},
		"set":                  {Code: `const h = web(); h.set("x-b", " 3 "); h.set("new", 4); return [h.get("X-B"), h.get("new")]`, Want: `["3","4"]`},
		"set of a bad value":   {Code: `web().set("a", "1\r\nb: 2")`, Err: `TypeError: headers.set: "1\r\nb: 2" is not a valid value of a header`},
		"set of a symbol":      {Code: `web().set("a", Symbol("x"))`, Err: `TypeError: a symbol cannot be the value of a header`},
		"append":               {Code: `const h = new Headers(); h.append("a", "1"); h.append("A", "2"); h.add("a", "3"); return h.get("a")`, Want: `"1, 2, 3"`},
		"append a bad value":   {Code: `web().append("a", "\0")`, Err: `TypeError: headers.append: "\x00" is not a valid value of a header`},
		"delete":               {Code: `const h = web(); h.delete("X-b"); h.del("accept"); h.delete("nope"); return [h.has("x-b"), h.has("accept")]`, Want: `[false,false]`},
		"has":                  {Code: `const h = web(); h.set("empty", ""); return [h.has("ACCEPT"), h.has("nope"), h.has("empty"), h.get("empty")]`, Want: `[true,false,true,""]`},
		"keys":                 {Code: `return [...web().keys()]`, Want: `["accept","get","set-cookie","set-cookie","tostring","x-b"]`},
		"values":               {Code: `return [...web().values()]`, Want: `["text/html","evil","a=1","b=2","evil","1, 2"]`},
		"values of a name":     {Code: `return web().values("x-b")`, Want: `["1","2"]`},
		"entries are iterated": {Code: `const it = web().entries(); return [it.next(), it[Symbol.iterator]() === it]`, Want: `[{"value":["accept","text/html"],"done":false},true]`},
		"for of":               {Code: `const l = []; for (const [k, v] of web()) l.push(k + "=" + v); return l`, Want: `["accept=text/html","get=evil","set-cookie=a=1","set-cookie=b=2","tostring=evil","x-b=1, 2"]`},
		"forEach":              {Code: `const h = web(), l = []; h.forEach(function (v, k, all) { l.push(this.x + k, v, all === h) }, { x: "_" }); return l.slice(0, 3)`, Want: `["_accept","text/html",true]`},
		"getSetCookie":         {Code: `return [web().getSetCookie(), new Headers().getSetCookie()]`, Want: `[["a=1","b=2"],[]]`},
		"clone":                {Code: `const a = web(), b = a.clone(); b.delete("accept"); return [a.has("accept"), b.has("accept"), b instanceof Headers]`, Want: `[true,false,true]`},
		"instanceof":           {Code: `return [new Headers() instanceof Headers, web() instanceof Headers, view() instanceof Headers]`, Want: `[true,true,false]`},
		"a property":           {Code: `const h = web(); return [h.accept, h["x-b"], h.nope, "accept" in h]`, Want: `["text/html","1, 2",null,true]`},
		"methods come first":   {Code: `const h = web(); return [typeof h.get, typeof h.toString]`, Want: `["function","function"]`},
		"not of clients":       {Code: members("web()"), Want: `["function","function","function","function","evil"]`},
		"JSON":                 {Code: `return new Headers({ "A-B": "1" })`, Want: `{"a-b":"1"}`},
		"class":                {Code: `return [Headers.name, String(new Headers()), typeof Headers.prototype.get]`, Want: `["Headers","[object Headers]","function"]`},
		"a subclass":           {Code: `class H extends Headers { first() { return this.get("a") } }; const h = new H({ a: "1" }); return [h.first(), h instanceof Headers]`, Want: `["1",true]`},
		"a method alone":       {Code: `const { get } = new Headers(); get("a")`, Err: `TypeError: this method must be called on headers, as in headers.get(name)`},
		"assigned":             {Code: `const h = new Headers(); h["x-a"] = "1"; return h.get("x-a")`, Want: `"1"`},
		"a method is assigned": {Code: `new Headers().get = 1`, Err: `TypeError: headers.get is a method; use headers.set("get", value)`},
	})
}

// TestViews holds what the headers of ctx.request() do otherwise.
func TestViews(t *testing.T) {
	host.Run(t, map[string]hosttest.Case{
		"missing is empty":    {Code: `return [view().get("nope"), view().get("x-b")]`, Want: `["","1"]`},
		"names as on the web": {Code: `return view().keys()`, Want: `["Accept","Get","Set-Cookie","Tostring","X-B"]`},
		"add, values and del": {Code: `const h = view(); h.add("a", 1); h.add("a", 2); h.del("x-b"); return [h.values("a"), h.has("x-b")]`, Want: `[["1","2"],false]`},
		"entries":             {Code: `return view().entries().length`, Want: `6`},
		"not of clients":      {Code: members("view()"), Want: `["function","function","function","function","evil"]`},
		"not to be assigned":  {Code: `view().valueOf = 1`, Err: `TypeError: headers.valueOf is a method; use headers.set("valueOf", value)`},
		"from a view":         {Code: `return from(view()).get("accept")`, Want: `"text/html"`},
		"from Headers":        {Code: `return from(web()).get("accept")`, Want: `"text/html"`},
		"from nothing":        {Code: `return [from().keys(), from(null).keys()]`, Want: `[[],[]]`},
	})
}

// FuzzHeaders gives names and values of any kind: what is taken is what comes out,
// in one line.
func FuzzHeaders(f *testing.F) {
	f.Add("x-a", "1")
	f.Add("a b", "\r\n")
	f.Add("__proto__", "\u00fc\x00")
	f.Fuzz(func(t *testing.T, name, value string) {
		quoted := func(s string) string {
			return "`" + strings.NewReplacer("\\", "\\\\", "`", "\\`", "$", "\\$", "\r", "\\r").Replace(strings.ToValidUTF8(s, "?")) + "`"
		}
		got, err := host.Eval(t, `const h = new Headers(); try { h.set(`+quoted(name)+`, `+quoted(value)+`) } catch (e) { return e instanceof TypeError }
			const [[k, v]] = [...h]; return k === `+quoted(name)+`.toLowerCase() && v === `+quoted(value)+`.replace(/^[ \t\r\n]+|[ \t\r\n]+$/g, "") && !/[\r\n\0]/.test(v)`)
		if err != nil || got != "true" {
			t.Errorf("%q: %q: got %s, error %v", name, value, got, err)
		}
	})
}
