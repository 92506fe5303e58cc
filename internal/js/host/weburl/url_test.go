package weburl_test

import (
	"testing"
	"time"

	"github.com/dgate-io/caddy-dgate/internal/js"
	"github.com/dgate-io/caddy-dgate/internal/js/host/hosttest"
	"github.com/dgate-io/caddy-dgate/internal/js/host/weburl"
)

var host = hosttest.Host{Globals: weburl.Globals(), Modules: []js.Module{weburl.Module()}, Limits: js.Limits{CPU: time.Minute}, Prelude: `import * as u from "url";`}

func TestURL(t *testing.T) {
	host.Run(t, map[string]hosttest.Case{
		"parts":               {Code: `const x = new URL("https://u:p@h.org:81/a/b?c=d#e"); return [x.protocol, x.host, x.hostname, x.port, x.pathname, x.search, x.hash, x.username, x.password, x.origin, x.searchParams.get("c")]`, Want: `["https:","h.org:81","h.org","81","/a/b","?c=d","#e","u","p","https://h.org:81","d"]`},
		"normalised":          {Code: `return [new URL("HTTP://EXAMPLE.org:80/a/../b c").href, new URL("http://127.1/").hostname, new URL("data:x").origin]`, Want: `["http://example.org/b%20c","127.0.0.1","null"]`},
		"a base":              {Code: `return [new URL("../x?y", "http://h/a/b/c").href, new URL("//o/p", "https://h").href, new URL("z", new URL("http://h/a/")).href]`, Want: `["http://h/a/x?y","https://o/p","http://h/a/z"]`},
		"changes":             {Code: `const x = new URL("http://h/?a"); x.pathname = "/ä"; x.hostname = "o.org"; x.port = "81"; x.hash = "f"; x.search = "?k=v"; return [String(x), JSON.stringify({ x }), x.searchParams.get("k")]`, Want: `["http://o.org:81/%C3%A4?k=v#f","{\"x\":\"http://o.org:81/%C3%A4?k=v#f\"}","v"]`},
		"changes, live":       {Code: `const x = new URL("http://h/?a=1"), p = x.searchParams; p.set("a", "v w"); p.append("b", "ü"); const one = x.href; x.search = "c=3"; return [one, p.get("c"), p === x.searchParams, p.size]`, Want: `["http://h/?a=v+w&b=%C3%BC","3",true,1]`},
		"nonsense":            {Code: `try { new URL("nope") } catch (e) { return [e instanceof TypeError, e.message] }`, Want: `[true,"Invalid URL: nope"]`},
		"nothing":             {Code: `new URL()`, Err: `TypeError: URL: expected a URL as first argument`},
		"href of nonsense":    {Code: `new URL("http://h").href = "x"`, Err: `TypeError: Invalid URL: x`},
		"canParse":            {Code: `return [URL.canParse("http://h"), URL.canParse("x"), URL.canParse("x", "http://h")]`, Want: `[true,false,true]`},
		"URL.parse":           {Code: `return [URL.parse("x"), URL.parse("x", "http://h").href, URL.parse("http://h") instanceof URL]`, Want: `[null,"http://h/x",true]`},
		"origins":             {Code: `return ["https://h:1/x", "ftp://h", "file:///x", "blob:https://h/x", "blob:x", "foo://h"].map(u => new URL(u).origin)`, Want: `["https://h:1","ftp://h","null","https://h","null","null"]`},
		"searchParams stays":  {Code: `"use strict"; new URL("http://h").searchParams = 1`, Err: `TypeError: URL.searchParams cannot be set`},
		"members of others":   {Code: `new URL("http://h").foo = 1`, Err: `TypeError: URL has no member "foo" to be set`},
		"classes":             {Code: `return [u.URL === URL, new URL("http://h") instanceof URL, URL.name, new URL("http://h").searchParams instanceof URLSearchParams]`, Want: `[true,true,"URL",true]`},
		"a subclass":          {Code: `class X extends URL { get own() { return this.host + "!" } } return new X("http://h").own`, Want: `"h!"`},
		"toString of another": {Code: `URL.prototype.toString.call({})`, Err: `TypeError: this method must be called on a URL`},
	})
}

func TestURLSearchParams(t *testing.T) {
	host.Run(t, map[string]hosttest.Case{
		"an object":     {Code: `const p = new URLSearchParams({ a: "1", b: 2 }); p.append("a", "3"); return [p.getAll("a"), String(p), [...p].length, p.has("c"), p.get("c"), p.size]`, Want: `[["1","3"],"a=1&b=2&a=3",3,false,null,3]`},
		"text":          {Code: `return [...new URLSearchParams("?a=1+2&b=%C3%BC&&c&d=%zz%41")]`, Want: `[["a","1 2"],["b","ü"],["c",""],["d","%zzA"]]`},
		"pairs":         {Code: `return String(new URLSearchParams([["a", "*~ "], ["b", "&="]]))`, Want: `"a=*%7E+&b=%26%3D"`},
		"a copy":        {Code: `const p = new URLSearchParams("a=1"), q = new URLSearchParams(p); q.set("a", 2); return [p.get("a"), q.get("a")]`, Want: `["1","2"]`},
		"set and sort":  {Code: `const p = new URLSearchParams("z=1&a=1&z=2"); p.set("z", 3); p.sort(); p.delete("none"); return [String(p), [...p.keys()], Array.from(p.values()), p.entries().next().value]`, Want: `["a=1&z=3",["a","z"],["1","3"],["a","1"]]`},
		"set of many":   {Code: `const p = new URLSearchParams("a=1&b=2&a=3&c=4"); p.set("a", "x"); p.set("d", ""); return String(p)`, Want: `"a=x&b=2&c=4&d="`},
		"with a value":  {Code: `const p = new URLSearchParams("a=1&a=2&b=1"); const h = [p.has("a", "2"), p.has("a", "3"), p.has("a", undefined)]; p.delete("a", "1"); p.delete("b", "2"); return [h, String(p)]`, Want: `[[true,false,true],"a=2&b=1"]`},
		"broken text":   {Code: `return [...new URLSearchParams("a=%E2%82&b=%ff%ff&c=\ud800&?d=%4")]`, Want: `[["a","�"],["b","��"],["c","�"],["?d","%4"]]`},
		"from a Map":    {Code: `return String(new URLSearchParams(new Map([["a", 1], ["b", "x y"]])))`, Want: `"a=1&b=x+y"`},
		"null":          {Code: `return String(new URLSearchParams(null))`, Want: `"null="`},
		"of a URL's ?":  {Code: `return [...new URL("http://h/??a=1").searchParams]`, Want: `[["?a","1"]]`},
		"emptied":       {Code: `const x = new URL("http://h/?a=1#f"); x.searchParams.delete("a"); return x.href`, Want: `"http://h/#f"`},
		"live, by href": {Code: `const x = new URL("http://h/?a=1"), p = x.searchParams; x.href = "http://h/?b=2"; return [p.get("b"), p.has("a")]`, Want: `["2",false]`},
		"too little":    {Code: `new URLSearchParams().append("a")`, Err: `TypeError: URLSearchParams.append: not enough arguments, expected 2, got 1`},
		"forEach":       {Code: `const l = []; new URLSearchParams("a=1&b=2").forEach((v, k) => l.push(k + v)); return l`, Want: `["a1","b2"]`},
		"nothing":       {Code: `return String(new URLSearchParams())`, Want: `""`},
		"bad pairs":     {Code: `new URLSearchParams([["a"]])`, Err: `TypeError: URLSearchParams: expected pairs of name and value`},
		"a bad forEach": {Code: `new URLSearchParams().forEach(undefined)`, Err: `TypeError: URLSearchParams.forEach: expected a function, got undefined`},
		"another this":  {Code: `URLSearchParams.prototype.get.call({}, "a")`, Err: `TypeError: this method must be called on a URLSearchParams`},
	})
}
