package hook_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dgate-io/caddy-dgate/internal/js"
)

func TestRequestHandler(t *testing.T) {
	tests := map[string]struct {
		code   string
		want   answer
		header http.Header // subset that is compared, nil values mean absent
	}{
		"status and json":              {code: `s.status(418).json({a:1})`, want: answer{418, `{"a":1}`}, header: http.Header{"Content-Type": {"application/json"}}},
		"status alone":                 {code: `s.status(418)`, want: answer{418, ""}},
		"status as text":               {code: `s.status("404").end()`, want: answer{404, ""}},
		"statusCode":                   {code: `s.statusCode = 404; s.send("x")`, want: answer{404, "x"}},
		"nothing":                      {code: ``, want: answer{204, ""}},
		"return of a string":           {code: `return "x"`, want: answer{204, ""}},
		"headers only":                 {code: `s.headers.set("x-a", "1")`, want: answer{204, ""}, header: http.Header{"X-A": {"1"}}},
		"send three times":             {code: `s.send("a");s.send("b");s.end("c")`, want: answer{200, "abc"}},
		"send an ArrayBuffer":          {code: `s.send(new Uint8Array([104,105]).buffer)`, want: answer{200, "hi"}},
		"send a typed array":           {code: `s.send(new Uint8Array([104,105,33]).subarray(1))`, want: answer{200, "i!"}},
		"send text beyond ASCII":       {code: `s.send("ü€𝄞")`, want: answer{200, "ü€𝄞"}},
		"send without argument":        {code: `s.status(201).send()`, want: answer{201, ""}},
		"end without argument":         {code: `s.end()`, want: answer{200, ""}},
		"status after send":            {code: `s.send("a"); s.status(500); s.headers.set("x","y"); s.send("b")`, want: answer{200, "ab"}},
		"headersSent":                  {code: `const a = s.headersSent; s.send(""); s.send(a + "," + s.headersSent)`, want: answer{200, "false,true"}},
		"json drops undefined":         {code: `s.json({u:undefined,a:1})`, want: answer{200, `{"a":1}`}},
		"json of a Date":               {code: `s.json({d:new Date(0)})`, want: answer{200, `{"d":"1970-01-01T00:00:00.000Z"}`}},
		"json of markup":               {code: `s.json({h:"<a>&"})`, want: answer{200, `{"h":"<a>&"}`}},
		"json of functions and NaN":    {code: `s.json({f:()=>1, n:NaN})`, want: answer{200, `{"n":null}`}},
		"json keeps order":             {code: `s.json({z:1,a:{c:1,b:2}})`, want: answer{200, `{"z":1,"a":{"c":1,"b":2}}`}},
		"json of a string":             {code: `s.json("str")`, want: answer{200, `"str"`}},
		"json of null":                 {code: `s.json(null)`, want: answer{200, `null`}},
		"json of undefined":            {code: `s.json()`, want: answer{200, `null`}},
		"json of a number":             {code: `s.json(5)`, want: answer{200, `5`}},
		"json of arrays":               {code: `s.json([1,[2]])`, want: answer{200, `[1,[2]]`}},
		"redirect, relative":           {code: `s.redirect("rel/path")`, want: answer{307, "<a href=\"/t/7/a/rel/path\">Temporary Redirect</a>.\n\n"}, header: http.Header{"Location": {"/t/7/a/rel/path"}}},
		"redirect, absolute":           {code: `s.redirect("https://x.org/a?b")`, want: answer{307, "<a href=\"https://x.org/a?b\">Temporary Redirect</a>.\n\n"}, header: http.Header{"Location": {"https://x.org/a?b"}}},
		"redirect with a status":       {code: `s.status(302).redirect("/x"); s.send("more")`, want: answer{302, "<a href=\"/x\">Found</a>.\n\nmore"}},
		"redirect, status first":       {code: `s.redirect(303, "/x")`, want: answer{303, "<a href=\"/x\">See Other</a>.\n\n"}},
		"redirectPermanent":            {code: `s.redirectPermanent("/x")`, want: answer{301, "<a href=\"/x\">Moved Permanently</a>.\n\n"}},
		"redirect cannot inject":       {code: `s.redirect("/x\r\nX-J: b")`, want: answer{307, "<a href=\"/x\r\nX-J: b\">Temporary Redirect</a>.\n\n"}, header: http.Header{"Location": {"/x  X-J: b"}, "X-J": nil}},
		"location":                     {code: `s.location("/there").status(201).end()`, want: answer{201, ""}, header: http.Header{"Location": {"/there"}}},
		"cookies":                      {code: `s.cookie("a","b").cookie("c","d e",{path:"/p",maxAge:60,secure:true,httpOnly:true,sameSite:"strict"})`, want: answer{204, ""}, header: http.Header{"Set-Cookie": {"a=b", `c="d e"; Path=/p; Max-Age=60; HttpOnly; Secure; SameSite=Strict`}}},
		"cookie that expires":          {code: `s.cookie("a","b;c",{expires:new Date(0),maxAge:-1,sameSite:"LAX",domain:"x.org"})`, want: answer{204, ""}, header: http.Header{"Set-Cookie": {"a=bc; Domain=x.org; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; SameSite=Lax"}}},
		"cookies of the request":       {code: `s.json([s.getCookie("k").value, s.getCookie("none"), s.getCookies().map(c => c.name)])`, want: answer{200, `["v",null,["k","l"]]`}},
		"headers set and add":          {code: `s.headers.set("x-a","1");s.headers.add("X-A","2");s.send(String(s.headers.values("x-a").length))`, want: answer{200, "2"}, header: http.Header{"X-A": {"1", "2"}}},
		"headers cannot inject":        {code: `s.headers.set("X-I","a\r\nX-J: b")`, want: answer{204, ""}, header: http.Header{"X-I": {"a  X-J: b"}, "X-J": nil}},
		"headers of anything":          {code: `s.headers.set("a", undefined); s.headers.set("b", ["x","y"]); s.headers.c = 5`, want: answer{204, ""}, header: http.Header{"A": {""}, "B": {"x,y"}, "C": {"5"}}},
		"headers: get":                 {code: `s.send(q.headers.get("ACCEPT") + "|" + q.headers.get("x-missing") + "|" + q.headers["x-multi"] + "|" + q.headers.get("X-Multi"))`, want: answer{200, "text/html||a, b|a"}},
		"headers: has and delete":      {code: `const h = q.headers; const a = h.has("accept"), b = "Accept" in h; h.delete("accept"); delete h["x-multi"]; s.json([a, b, h.has("accept"), h.keys()])`, want: answer{200, `[true,true,false,["Cookie"]]`}},
		"headers: iteration":           {code: `const l = []; for (const [k, v] of q.headers) l.push(k + "=" + v); q.headers.forEach((v, k) => l.push(k)); s.json(l)`, want: answer{200, `["Accept=text/html","Cookie=k=v; l=m","X-Multi=a, b","Accept","Cookie","X-Multi"]`}},
		"headers: JSON":                {code: `s.json(q.headers)`, want: answer{200, `{"Accept":"text/html","Cookie":"k=v; l=m","X-Multi":"a, b"}`}},
		"headers: clone":               {code: `const c = q.headers.clone(); c.set("accept", "no"); s.send(q.headers.get("accept") + c.get("accept"))`, want: answer{200, "text/htmlno"}},
		"headers: spread":              {code: `s.json(Object.keys({...q.headers}).length)`, want: answer{200, `3`}},
		"query: get":                   {code: `s.json([q.query.get("none"), q.query.get("q"), q.query.has("q"), q.query.encode(), q.query.q, q.query.values("q"), ctx.query().get("z")])`, want: answer{200, `["","1",true,"q=1\u0026q=2\u0026z=+x","1",["1","2"]," x"]`}},
		"query: JSON and iteration":    {code: `s.json([q.query, [...q.query]])`, want: answer{200, `[{"q":"1","z":" x"},[["q","1"],["q","2"],["z"," x"]]]`}},
		"pathParam, missing":           {code: `s.json([ctx.pathParam("nope"), ctx.pathParam("id")])`, want: answer{200, `["","7"]`}},
		"pathParams":                   {code: `s.json(ctx.pathParams())`, want: answer{200, `{"id":"7","*":"a/b"}`}},
		"ctx.set and get":              {code: `ctx.set("k",1); s.json([ctx.get("k"), ctx.get("none")])`, want: answer{200, `[1,null]`}},
		"ctx: a property of one's own": {code: `ctx.user = {n:1}; ctx.user.n++; s.json([ctx.user.n, "user" in ctx])`, want: answer{200, `[2,true]`}},
		"route and namespace":          {code: `s.json([ctx.route().service, ctx.route().modules, ctx.namespace().tags, ctx.route()["modules,omitempty"], ctx.route().getName()])`, want: answer{200, `["svc",["test"],["a","b"],["test"],"rt"]`}},
		"service":                      {code: `s.json([ctx.service().urls[1], ctx.service().retryTimeout, ctx.service()["retries,omitempty"], Object.keys(ctx.service()).length])`, want: answer{200, `["http://b",5,3,12]`}},
		"upstream is null":             {code: `s.json(ctx.upstream())`, want: answer{200, `null`}},
		"request, JSON":                {code: `s.json(q)`, want: answer{200, `{"method":"GET","path":"/t/7/a/b","headers":{"Accept":"text/html","Cookie":"k=v; l=m","X-Multi":"a, b"},"query":{"q":"1","z":" x"},"host":"example.com:8080","remoteAddress":"192.0.2.1","proto":"HTTP/1.1","contentLength":0}`}},
		"request as a field":           {code: `s.json([ctx.request.method, ctx.request.headers.get("accept"), ctx.request.path, typeof ctx.request])`, want: answer{200, `["GET","text/html","/t/7/a/b","function"]`}},
		"request as a field, set":      {code: `ctx.request.user = 1; ctx.request.path = "/x"; s.json([q.user, q.path, "user" in ctx.request, Object.keys(ctx.request), String(ctx.request.call(null) === q)])`, want: answer{200, `[1,"/x",true,[],"true"]`}},
		"request: a property":          {code: `q.user = {n: 1}; q.user.n = 2; s.json(ctx.request().user)`, want: answer{200, `{"n":2}`}},
		"locals":                       {code: `s.locals.a = 1; s.json(ctx.response().locals)`, want: answer{200, `{"a":1}`}},
		"short forms":                  {code: `ctx.setHeader("x-a", "b"); ctx.status(201); ctx.json({p: ctx.params.id, q: ctx.queryParam("q"), n: ctx.queryParam("none")})`, want: answer{201, `{"p":"7","q":"1","n":null}`}, header: http.Header{"X-A": {"b"}}},
		"readBody of nothing":          {code: `s.json([q.readBody().byteLength, (await q.readBody()).byteLength, q.body])`, want: answer{200, `[0,0,""]`}},
		"spread of a string":           {code: `s.send([..."ab"].join())`, want: answer{200, "a,b"}},
		"a timer":                      {code: `await new Promise(r=>setTimeout(r,20)); s.send("ok")`, want: answer{200, "ok"}},
		"a late timer":                 {code: `setTimeout(()=>s.send("late"),20)`, want: answer{204, ""}},
		"error caught":                 {code: `try { s.send({}) } catch (e) { s.send(e.name) }`, want: answer{200, "TypeError"}},
		"destructured ctx":             {code: `const { json } = ctx; json(1)`, want: answer{200, "1"}},
		"sleep":                        {code: `const t = Date.now(); sleep(0.05); sleep("10ms"); sleep(-1); await dgate.asyncSleep(0.01); s.send(String(Date.now() - t >= 65))`, want: answer{200, "true"}},
		"retry":                        {code: `let n = 0; s.json([retry(3,i=>{n++; return i==1}), n])`, want: answer{200, `[true,2]`}},
		"createHash":                   {code: `s.send(createHash("sha1").update("a").update("b").digest("hex"))`, want: answer{200, "da23614e02469a0d7c7bd1bdab5c9c474b1904dc"}},
		"sha256":                       {code: `s.send(sha256("a","base64url"))`, want: answer{200, "ypeBEsobvcr6wjGzmiPcTaeG7_gUfE5yuYB3ha_uSLs="}},
		"randomInt":                    {code: `s.json(randomInt(5,6))`, want: answer{200, "5"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := get()
			r.Header = http.Header{"Accept": {"text/html"}, "X-Multi": {"a", "b"}, "Cookie": {"k=v; l=m"}}
			w, err := serve(t, newPool(t, handlerModule(tt.code), js.Limits{}), r)
			if err != nil {
				t.Fatalf("hook failed: %v", err)
			}
			if want := strings.ReplaceAll(tt.want.Body, `\u0026`, "&"); w.Code != tt.want.Status || w.Body.String() != want {
				t.Errorf("answer (-want +got):\n%s", cmp.Diff(answer{tt.want.Status, want}, answer{w.Code, w.Body.String()}))
			}
			for name, want := range tt.header {
				if diff := cmp.Diff(want, w.Header()[name], cmp.Transformer("nil", func(s []string) []string { return append([]string{}, s...) })); diff != "" {
					t.Errorf("header %s (-want +got):\n%s", name, diff)
				}
			}
		})
	}
}

func TestRequestHandlerThrows(t *testing.T) {
	tests := map[string]struct{ code, want string }{
		"an error":                   {`throw new Error("x")`, "Error: x"},
		"send of an object":          {`s.send({a:1})`, "TypeError: response.send: invalid type Object, expected a string, an ArrayBuffer or a typed array (response.json for other values)"},
		"send of a number":           {`s.send(5)`, "TypeError: response.send: invalid type number, expected a string, an ArrayBuffer or a typed array (response.json for other values)"},
		"json of a cycle":            {`const o = {}; o.o = o; s.json(o)`, "TypeError: Converting circular structure to JSON"},
		"json of a promise":          {`s.json(Promise.resolve(1))`, "TypeError: response.json: the value is a Promise: is an await missing?"},
		"status out of range":        {`s.status(99)`, "TypeError: response.status: 99 is not a status: expected an integer from 200 to 599"},
		"status of nothing":          {`s.status()`, "TypeError: response.status: undefined is not a status: expected an integer from 200 to 599"},
		"redirect to nothing":        {`s.redirect()`, "TypeError: redirect: expected a URL, got undefined"},
		"redirect after send":        {`s.send("a"); s.redirect("/x")`, "TypeError: response.redirect: the response has been sent"},
		"cookie without a name":      {`s.cookie("a b", "c")`, `TypeError: response.cookie: "a b" is not a valid name of a cookie`},
		"cookie with a bad sameSite": {`s.cookie("a", "c", {sameSite: "maybe"})`, `TypeError: response.cookie: sameSite is "maybe", expected "lax", "strict" or "none"`},
		"cookie with bad options":    {`s.cookie("a", "c", 5)`, `TypeError: response.cookie: expected an object of options, got number`},
		"header with a bad name":     {`s.headers.set("a b", "c")`, `TypeError: headers.set: "a b" is not a valid name of a header`},
		"a method without headers":   {`const { get } = q.headers; get("a")`, `TypeError: this method must be called on headers, as in headers.get(name)`},
		"forEach of no function":     {`q.headers.forEach(1)`, `TypeError: headers.forEach: expected a function, got number`},
		"set of a function":          {`ctx.set("k", () => 1)`, `TypeError: ctx.set("k"): a Function cannot be kept; use a string, number, boolean, plain object, array, Date or ArrayBuffer`},
		"set of a promise":           {`ctx.set("k", Promise.resolve(1))`, `TypeError: ctx.set("k"): a Promise cannot be kept (is an await missing?); use a string, number, boolean, plain object, array, Date or ArrayBuffer`},
		"set of a map":               {`ctx.set("k", new Map())`, `TypeError: ctx.set("k"): a Map cannot be kept; use a string, number, boolean, plain object, array, Date or ArrayBuffer`},
		"a bad path":                 {`q.path = "x"`, `TypeError: request.path: "x" does not start with /`},
		"a path with a query":        {`q.path = "/x?y"`, `TypeError: request.path: "/x?y" holds a query or fragment; set request.query for the query`},
		"a bad host":                 {`q.host = "a/b"`, `TypeError: request.host: "a/b" is not a host or host:port`},
		"a bad method":               {`q.method = "A B"`, `TypeError: request.method: "A B" is not a method`},
		"no method":                  {`q.method = null`, `TypeError: request.method: expected a string, got null`},
		"an empty method":            {`q.method = ""`, `TypeError: request.method: "" is not a method`},
		"the method CONNECT":         {`q.method = "connect"`, `TypeError: request.method: CONNECT is for proxies and cannot be sent to an upstream`},
		"no path":                    {`q.path = undefined`, `TypeError: request.path: expected a string, got undefined`},
		"no host":                    {`q.host = 5`, `TypeError: request.host: expected a string, got number`},
		"waitUntil of a hook":        {`ctx.waitUntil(Promise.resolve())`, `TypeError: ctx.waitUntil is for the method fetch of a default export; await the promise in other hooks`},
		"a read-only field":          {`q.proto = "x"`, `TypeError: request.proto is read-only`},
		"a changed service":          {`ctx.service().name = "x"`, `TypeError: name is read-only: services, routes and namespaces are changed through the admin API`},
		"readJson of bad JSON":       {`q.readJson()`, "SyntaxError: unexpected end of JSON input"},
		"writeBody of an object":     {`q.writeBody({})`, "TypeError: writeBody: invalid type Object, expected a string, an ArrayBuffer or a typed array (writeJson for other values)"},
		"fail":                       {`dgate.fail("msg")`, "GoError: msg"},
		"sleep of an object":         {`sleep({})`, "TypeError: sleep() requires a number or string as a first argument, got Object"},
		"retry of throwing":          {`let n = 0; retry(3, () => { throw new Error("e" + n++) })`, "Error: e2"},
		"retry of nothing":           {`retry(0, () => 1)`, "TypeError: retry: expected how often to try, from 1 to 10000, got 0"},
		"waits for ever":             {`await new Promise(()=>{})`, "waits for a promise that can never settle"},
		"loops for ever":             {`while (true) {}`, "computed for longer than 1s"},
		"an unknown digest":          {`createHash("md4")`, `TypeError: createHash: unknown algorithm "md4", expected one of md5, sha1, sha224, sha256, sha384, sha512, sha512-224, sha512-256`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, err := serve(t, newPool(t, handlerModule(tt.code), js.Limits{}), get())
			if diff := cmp.Diff(tt.want, failure(err)); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
			if w.Body.Len() > 1 { // one case sends a byte first
				t.Errorf("something was written: %q", w.Body)
			}
		})
	}
}

func TestHandlerBody(t *testing.T) {
	tests := map[string]struct{ body, code, want string }{
		"read twice":        {"hello", `s.json([q.readBody().byteLength, q.readBody().byteLength, q.body])`, `[5,5,"hello"]`},
		"awaited":           {"hello", `s.json((await q.readBody()).byteLength)`, `5`},
		"JSON keeps order":  {`{"b":1,"a":[2]}`, `s.json(q.readJson())`, `{"b":1,"a":[2]}`},
		"changing the copy": {"abc", `new Uint8Array(q.readBody())[0] = 0; s.send(q.readBody())`, `abc`},
		"written":           {"abc", `q.writeBody("new"); s.send(q.readBody())`, `new`},
		"bad JSON caught":   {"bad", `try { q.readJson() } catch (e) { s.send(e.name + (e instanceof Error)) }`, `SyntaxErrortrue`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, err := serve(t, newPool(t, handlerModule(tt.code), js.Limits{}), post(tt.body))
			if err != nil {
				t.Fatalf("hook failed: %v", err)
			}
			if diff := cmp.Diff(tt.want, w.Body.String()); diff != "" {
				t.Errorf("body (-want +got):\n%s", diff)
			}
		})
	}
}

// TestHandlerOverHTTP checks what only a real server shows: what is sent on the wire.
func TestHandlerOverHTTP(t *testing.T) {
	tests := map[string]struct {
		code   string
		want   answer
		length int64 // -1: sent in chunks
	}{
		"a body that may not be":  {`s.headers.set("X-I", "a\r\nb"); s.status(204).send("dropped")`, answer{204, ""}, 0},
		"sent at once":            {`s.send("a"); s.send("b")`, answer{200, "ab"}, 2},
		"sent after a wait":       {`await dgate.asyncSleep(0.001); s.json({ a: 1 })`, answer{200, `{"a":1}`}, 7},
		"no body, after a wait":   {`await dgate.asyncSleep(0.001); s.status(404).end()`, answer{404, ""}, 0},
		"sent before a wait":      {`s.send("a"); await dgate.asyncSleep(0.001)`, answer{200, "a"}, -1},
		"sent between waits":      {`await dgate.asyncSleep(0.001); s.send("a"); await dgate.asyncSleep(0.001); s.send("b")`, answer{200, "ab"}, -1},
		"redirected after a wait": {`await dgate.asyncSleep(0.001); s.location("/x").status(302).end()`, answer{302, ""}, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool := newPool(t, handlerModule(tt.code), js.Limits{})
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				vm := borrow(t, pool)
				if err := newScope(w, r).RequestHandler(vm); err != nil {
					t.Errorf("hook failed: %v", err)
				}
			}))
			defer srv.Close()
			resp, err := srv.Client().Transport.RoundTrip(httptest.NewRequestWithContext(t.Context(), http.MethodGet, srv.URL, nil))
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if diff := cmp.Diff(tt.want, answer{resp.StatusCode, readAll(t, resp.Body)}); diff != "" {
				t.Errorf("answer (-want +got):\n%s", diff)
			}
			if resp.ContentLength != tt.length {
				t.Errorf("length %d, want %d", resp.ContentLength, tt.length)
			}
			if v := resp.Header.Get("X-I"); v != "" && v != "a  b" {
				t.Errorf("X-I is %q", v)
			}
		})
	}
}
