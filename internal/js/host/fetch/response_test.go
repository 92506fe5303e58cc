package fetch_test

import (
	"testing"

	"github.com/dgate-io/caddy-dgate/internal/js/host/fetch"
	"github.com/dgate-io/caddy-dgate/internal/js/host/hosttest"
)

func TestResponse(t *testing.T) {
	host, _ := newHost(t, fetch.Options{})
	host.Run(t, map[string]hosttest.Case{
		"nothing":               {Code: `const r = new Response(); return [r.status, r.statusText, r.ok, r.url, r.redirected, r.type, r.body, r.bodyUsed, [...r.headers], await r.text(), r._debug_time]`, Want: `[200,"",true,"",false,"default",null,false,[],"",null]`},
		"text":                  {Code: `const r = new Response("ü"); return [r.headers.get("content-type"), await r.text(), r.bodyUsed]`, Want: `["text/plain;charset=UTF-8","ü",true]`},
		"bytes":                 {Code: `const r = new Response(new Uint8Array([1, 2, 3]).subarray(1)); return [r.headers.has("content-type"), Array.from(await r.bytes())]`, Want: `[false,[2,3]]`},
		"a form":                {Code: `const r = new Response(new URLSearchParams({ a: "b c" })); return [r.headers.get("content-type"), await r.text()]`, Want: `["application/x-www-form-urlencoded;charset=UTF-8","a=b+c"]`},
		"a number":              {Code: `return new Response(42).text()`, Want: `"42"`},
		"an object":             {Code: `new Response({})`, Err: `TypeError: Response: body must be a string, an ArrayBuffer, a typed array, a URLSearchParams or a ReadableStream, got Object; use JSON.stringify for objects`},
		"options":               {Code: `const r = new Response("x", { status: 404, statusText: "Nope", headers: { "Content-Type": "a/b", "X-A": "1" } }); return [r.status, r.statusText, r.ok, r.headers]`, Want: `[404,"Nope",false,{"content-type":"a/b","x-a":"1"}]`},
		"options of a Response": {Code: `const a = new Response("x", { status: 404, headers: { a: "1" } }), b = new Response("y", a); b.headers.set("a", "2"); return [b.status, a.headers.get("a"), b.headers.get("a"), await b.text()]`, Want: `[404,"1","2","y"]`},
		"options of text":       {Code: `new Response("", "x")`, Err: `TypeError: Response: expected an object of options, got string`},
		"a bad status":          {Code: `return [99, 199, 600, 200.5, "x"].map(status => { try { new Response("", { status }) } catch (e) { return e.name } })`, Want: `["RangeError","RangeError","RangeError","RangeError","RangeError"]`},
		"no body by status":     {Code: `new Response("x", { status: 204 })`, Err: `TypeError: Response: an answer of status 204 has no body`},
		"empty body by status":  {Code: `return new Response("", { status: 304 }).body`, Want: `null`},
		"json":                  {Code: `const r = Response.json({ a: 1 }, { status: 201 }); return [r.status, r.headers.get("content-type"), await r.json()]`, Want: `[201,"application/json",{"a":1}]`},
		"json, another type":    {Code: `return Response.json(1, { headers: { "content-type": "a/b" } }).headers.get("content-type")`, Want: `"a/b"`},
		"json of undefined":     {Code: `Response.json()`, Err: `TypeError: Response.json: undefined cannot be written as JSON`},
		"redirect":              {Code: `const r = Response.redirect("https://x.org/a", 301); return [r.status, r.headers.get("location"), r.body]`, Want: `[301,"https://x.org/a",null]`},
		"redirect, relative":    {Code: `const r = Response.redirect("/a\r\nb"); return [r.status, r.headers.get("location")]`, Want: `[302,"/a  b"]`},
		"redirect, status":      {Code: `return [301, 302, 303, 307, "308", undefined].map(status => Response.redirect("/a", status).status)`, Want: `[301,302,303,307,308,302]`},
		"redirect, bad status":  {Code: `return [300, 304, 305, 399, 200, 302.5, "x"].map(status => { try { return Response.redirect("/a", status).status } catch (e) { return e.name } })`, Want: `["RangeError","RangeError","RangeError","RangeError","RangeError","RangeError","RangeError"]`},
		"redirect, not by 304":  {Code: `Response.redirect("/a", 304)`, Err: `RangeError: Response.redirect: 304 is no status that redirects: expected 301, 302, 303, 307 or 308`},
		"redirect to nothing":   {Code: `Response.redirect()`, Err: `TypeError: Response.redirect: expected a URL, got undefined`},
		"error":                 {Code: `const r = Response.error(); return [r.type, r.status, r.ok]`, Want: `["error",0,false]`},
		"clone":                 {Code: `const a = new Response("x", { headers: { a: "1" } }), b = a.clone(); b.headers.set("a", "2"); return [await a.text(), await b.text(), a.headers.get("a"), a.bodyUsed, b instanceof Response]`, Want: `["x","x","1",true,true]`},
		"clones share nothing":  {Code: `const a = new Response(new Uint8Array([1])), b = a.clone(); (await a.bytes())[0] = 9; return (await b.bytes())[0]`, Want: `1`},
		"clone of a used one":   {Code: `const r = new Response("x"); await r.text(); r.clone()`, Err: `TypeError: body already used`},
		"used twice":            {Code: `const r = new Response("x"); await r.text(); await r.json()`, Err: `TypeError: body already used`},
		"no body, twice":        {Code: `const r = new Response(); await r.text(); return [r.bodyUsed, await r.text()]`, Want: `[false,""]`},
		"bad JSON":              {Code: `return new Response("{").json().catch(e => e instanceof SyntaxError)`, Want: `true`},
		"a byte order mark":     {Code: `return [await new Response("\ufeffa").text(), await new Response("\ufeff1").json()]`, Want: `["a",1]`},
		"instanceof":            {Code: `return [new Response() instanceof Response, (await fetch(B + "/404")) instanceof Response]`, Want: `[true,true]`},
		"a subclass":            {Code: `class R extends Response { hi() { return this.status } }; return new R("", { status: 201 }).hi()`, Want: `201`},
		"added properties":      {Code: `const r = new Response(); r.foo = 1; const has = "foo" in r, keys = Object.keys(r).includes("foo"); delete r.foo; return [has, keys, r.foo]`, Want: `[true,true,null]`},
		"class":                 {Code: `return [Response.name, String(new Response()), typeof Response.prototype.text]`, Want: `["Response","[object Response]","function"]`},
		"a method alone":        {Code: `const { clone } = new Response(); clone()`, Err: `TypeError: this method must be called on a Request or a Response, as in response.text()`},
	})
}

func TestRequest(t *testing.T) {
	host, _ := newHost(t, fetch.Options{})
	host.Run(t, map[string]hosttest.Case{
		"a URL":                  {Code: `const r = new Request("HTTP://Example.org:80/a b?q#f"); return [r.method, r.url, r.redirect, r.body, r.bodyUsed, [...r.headers]]`, Want: `["GET","http://example.org/a%20b?q#f","follow",null,false,[]]`},
		"a URL object":           {Code: `return new Request(new URL("https://x.org/")).url`, Want: `"https://x.org/"`},
		"a relative URL":         {Code: `new Request("/a")`, Err: `TypeError: Request: invalid URL "/a": expected an absolute one that begins with http:// or https://`},
		"options":                {Code: `const r = new Request("http://x", { method: "post", headers: { a: "1" }, body: "b", redirect: "manual" }); return [r.method, r.headers, r.redirect, await r.text(), r.bodyUsed]`, Want: `["POST",{"a":"1","content-type":"text/plain;charset=UTF-8"},"manual","b",true]`},
		"of a Request":           {Code: `const a = new Request("http://x", { method: "POST", headers: { a: "1" }, body: "b" }), b = new Request(a, { headers: { c: "2" } }); return [b.method, b.url, b.headers, await b.text(), a.bodyUsed]`, Want: `["POST","http://x/",{"c":"2"},"b",true]`},
		"another body":           {Code: `const a = new Request("http://x", { method: "POST", body: "b" }), b = new Request(a, { body: "c" }); return [await a.text(), await b.text()]`, Want: `["b","c"]`},
		"of a URL and a Request": {Code: `const a = new Request("http://x", { method: "POST", headers: { a: "1" }, body: "b" }), b = new Request("http://y/", a); return [b.url, b.method, b.headers.get("a"), await b.text()]`, Want: `["http://y/","POST","1","b"]`},
		"made a GET":             {Code: `const a = new Request("http://x", { method: "POST", body: "b" }), b = new Request(a, { method: "GET" }); return [b.body, a.bodyUsed]`, Want: `[null,false]`},
		"of a used one":          {Code: `const a = new Request("http://x", { method: "POST", body: "b" }); await a.text(); new Request(a)`, Err: `TypeError: body already used`},
		"clone":                  {Code: `const a = new Request("http://x", { method: "POST", body: "b" }), b = a.clone(); return [await a.text(), await b.text(), b.method, b instanceof Request]`, Want: `["b","b","POST",true]`},
		"json":                   {Code: `return new Request("http://x", { method: "POST", body: '{"a":1}' }).json()`, Want: `{"a":1}`},
		"methods":                {Code: `return ["delete", "Get", "head", "options", "post", "put", "patch", "Query"].map(method => new Request("http://x", { method }).method)`, Want: `["DELETE","GET","HEAD","OPTIONS","POST","PUT","patch","Query"]`},
		"a password":             {Code: `new Request("http://u:p@x")`, Err: `TypeError: Request: the URL of a request must not have a user or password: set the header Authorization`},
		"a user":                 {Code: `new Request("http://u@x")`, Err: `TypeError: Request: the URL of a request must not have a user or password: set the header Authorization`},
		"a bad method":           {Code: `new Request("http://x", { method: "a b" })`, Err: `TypeError: Request: "a b" is not a method`},
		"a refused method":       {Code: `new Request("http://x", { method: "connect" })`, Err: `TypeError: Request: requests of method CONNECT are not allowed`},
		"added properties":       {Code: `const r = new Request("http://x"); r.params = { id: "1" }; return r.params.id`, Want: `"1"`},
		"a field is set":         {Code: `new Request("http://x").method = "POST"`, Err: `TypeError: method of a request cannot be set`},
		"fetched":                {Code: `const r = new Request(B + "/echo", { method: "PUT", body: "b", headers: { "x-a": "1" } }); const got = await (await fetch(r)).json(); return [got.method, got.body, got.x, r.bodyUsed]`, Want: `["PUT","b","1",true]`},
		"fetched, changed":       {Code: `const r = new Request(B + "/echo", { method: "PUT", body: "b" }); const got = await (await fetch(r, { method: "PATCH", body: "c" })).json(); return [got.method, got.body, r.bodyUsed]`, Want: `["PATCH","c",false]`},
		"fetched twice":          {Code: `const r = new Request(B + "/echo", { method: "PUT", body: "b" }); await fetch(r); await fetch(r)`, Err: `TypeError: body already used`},
		"class":                  {Code: `return [Request.name, String(new Request("http://x"))]`, Want: `["Request","[object Request]"]`},
	})
}
