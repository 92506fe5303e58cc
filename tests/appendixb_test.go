package tests

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"github.com/google/go-cmp/cmp"

	"github.com/dgate-io/caddy-dgate/tests/harness"
)

// probe is one row of a table of what modules do: a snippet, and what comes of it.
type probe struct {
	code   string          // of the handler, or of the whole module
	send   harness.Request // its URL is what follows the route
	want   string          // status and body; HERE stands for the path of the route, UP for the upstream
	header http.Header     // of the answer, a subset; nil means absent
}

// prelude is in front of the snippets: what modules import, and an upstream to fetch from.
const prelude = `
import { sleep, retry } from "dgate";
import { setCache, getCache } from "dgate/storage";
import { getDocument, addDocument } from "dgate/state";
import { createHash, sha256, hmac, randomInt } from "dgate/crypto";
const B = "UP";
`

// handler makes a snippet a requestHandler that has the request as q and the response as s.
func handler(prelude, snippet string) string {
	return prelude + "export const requestHandler = async (ctx) => { const q = ctx.request(), s = ctx.response();\n" + snippet + "\n}"
}

// probes puts a route for each row, and compares what its answer is.
func (g *gateway) probes(t *testing.T, up *harness.Upstream, service string, module func(code string) string, rows map[string]probe) {
	n := 0
	for name, row := range rows {
		n++
		route := fmt.Sprintf("%s%d", strings.ToLower(strings.NewReplacer("/", "-", "Test", "").Replace(t.Name())), n)
		fill := strings.NewReplacer("UP", up.URL, "HERE", "/"+route, "DIAL", strings.TrimPrefix(up.URL, "http://"))
		t.Run(name, func(t *testing.T) {
			g := &gateway{g.Caddy, t}
			g.route(route, service, fill.Replace(module(row.code)), fields{"paths": []string{"/" + route + "/{id}/*"}})
			req := row.send
			if req.URL == "" {
				req.URL = "/7/a/b"
			}
			req.URL = "/" + route + req.URL
			answer := g.do(req)
			if got, want := fmt.Sprintf("%d %s", answer.Status, answer.Body), fill.Replace(row.want); got != want {
				t.Errorf("answer (-want +got):\n%s", cmp.Diff(want, got))
			}
			for name, want := range row.header {
				for i := range want {
					want[i] = fill.Replace(want[i])
				}
				if diff := cmp.Diff(want, answer.Header[name]); diff != "" {
					t.Errorf("header %s (-want +got):\n%s", name, diff)
				}
			}
		})
	}
}

// rejected adds a document that must not be added, and answers with why it is not.
func rejected(document string) string {
	return `try { await addDocument(` + document + `); s.send("added") } catch (e) { s.json([e instanceof Error, e.message]) }`
}

// Snippets of requestHandler: the first table of appendix B of the reference of the original DGate,
// with the wanted results.
func TestAppendixBHandler(t *testing.T) {
	up := harness.NewUpstream(t, "up", harness.HTTP)
	g := startGateway(t, caddyfile)
	if err := harness.Put(g.Admin+"/dgate/api/v1/namespace/other", `{}`); err != nil {
		t.Fatal(err)
	}
	g.put("collection", "col", fields{"schema": fields{"type": "object", "required": []string{"a"}}})
	jsonType := http.Header{"Content-Type": {"application/json"}}
	g.probes(t, up, "", func(code string) string { return handler(prelude, code) }, map[string]probe{
		"status and json":       {code: `s.status(418).json({a:1})`, want: `418 {"a":1}`, header: jsonType},
		"status alone":          {code: `s.status(418)`, want: `418 `},
		"nothing":               {want: `204 `},
		"a string is returned":  {code: `return "x"`, want: `204 `},
		"send three times":      {code: `s.send("a");s.send("b");s.end("c")`, want: `200 abc`},
		"send an ArrayBuffer":   {code: `s.send(new Uint8Array([104,105]).buffer)`, want: `200 hi`},
		"send an object":        {code: `s.send({a:1})`, want: `500 `},
		"json of undefined":     {code: `s.json({u:undefined,a:1})`, want: `200 {"a":1}`},
		"json of a Date":        {code: `s.json({d:new Date(0)})`, want: `200 {"d":"1970-01-01T00:00:00.000Z"}`},
		"json of markup":        {code: `s.json({h:"<a>&"})`, want: `200 {"h":"<a>&"}`},
		"json of a function":    {code: `s.json({f:()=>1,n:NaN})`, want: `200 {"n":null}`},
		"json of a cycle":       {code: `const o = {}; o.o = o; s.json(o)`, want: `500 `, header: http.Header{"Content-Type": nil}},
		"json of a string":      {code: `s.json("str")`, want: `200 "str"`},
		"json of null":          {code: `s.json(null)`, want: `200 null`},
		"json of a number":      {code: `s.json(5)`, want: `200 5`},
		"json of arrays":        {code: `s.json([1,[2]])`, want: `200 [1,[2]]`},
		"a relative redirect":   {code: `s.redirect("rel/path")`, send: harness.Request{URL: "/7/rest/"}, want: "307 <a href=\"HERE/7/rest/rel/path\">Temporary Redirect</a>.\n\n", header: http.Header{"Location": {"HERE/7/rest/rel/path"}}},
		"cookies":               {code: `s.cookie("a","b").cookie("c","d e",{path:"/p",maxAge:60,secure:true,httpOnly:true,sameSite:"strict"})`, want: `204 `, header: http.Header{"Set-Cookie": {"a=b", `c="d e"; Path=/p; Max-Age=60; HttpOnly; Secure; SameSite=Strict`}}},
		"headers set and add":   {code: `s.headers.set("x-a","1");s.headers.add("X-A","2");s.json(s.headers.values("x-a").length)`, want: `200 2`, header: http.Header{"X-A": {"1", "2"}}},
		"no injected header":    {code: `s.headers.set("X-I","a\r\nX-J: b")`, want: `204 `, header: http.Header{"X-I": {"a  X-J: b"}, "X-J": nil}},
		"the body, twice":       {code: `s.json([q.readBody().byteLength, q.readBody().byteLength])`, send: harness.Request{Method: "POST", Body: strings.NewReader("hello")}, want: `200 [5,5]`},
		"bad JSON, caught":      {code: `try { q.readJson() } catch (e) { s.json([e instanceof Error, e.name, e.message]) }`, send: harness.Request{Method: "POST", Body: strings.NewReader("bad")}, want: `200 [true,"SyntaxError","invalid character 'b' looking for beginning of value"]`},
		"bad JSON, uncaught":    {code: `q.readJson()`, send: harness.Request{Method: "POST", Body: strings.NewReader("bad")}, want: `500 `},
		"a missing pathParam":   {code: `s.json(ctx.pathParam("nope"))`, want: `200 ""`},
		"pathParams":            {code: `s.json(ctx.pathParams())`, want: `200 {"id":"7","*":"a/b"}`},
		"ctx.set and get":       {code: `ctx.set("k",1);s.json(ctx.get("k"))`, want: `200 1`},
		"route and namespace":   {code: `s.json([ctx.route().service, ctx.route().modules.length, Array.isArray(ctx.namespace().tags)])`, want: `200 ["",1,true]`},
		"missing header, query": {code: `s.json([q.headers.get("x-missing"), q.query.get("none")])`, want: `200 ["",""]`},
		"query has and encode":  {code: `s.send(q.query.has("q") + " " + q.query.encode())`, send: harness.Request{URL: "/7/a?q=1&q=2&z=+x"}, want: `200 true q=1&q=2&z=+x`},
		"JSON of ctx":           {code: `s.json([Object.keys(JSON.parse(JSON.stringify(ctx))), ctx.id === JSON.parse(JSON.stringify(ctx)).id, ctx.id.length > 5])`, want: `200 [["id"],true,true]`},
		"an error is thrown":    {code: `throw new Error("x")`, want: `500 `},
		"a timer":               {code: `await new Promise(r=>setTimeout(r,200)); s.send("ok")`, want: `200 ok`},
		"never settles":         {code: `return new Promise(()=>{})`, want: `500 `},
		"loops for ever":        {code: `while(true){}`, want: `500 `},
		"a late timer":          {code: `setTimeout(()=>s.send("late"),50)`, want: `204 `},
		"spread of a string":    {code: `s.send([..."ab"].join())`, want: `200 a,b`},
		"createHash":            {code: `s.send(createHash("sha1").update("a").update("b").digest("hex"))`, want: `200 da23614e02469a0d7c7bd1bdab5c9c474b1904dc`},
		"sha256":                {code: `s.send(sha256("a","base64url"))`, want: `200 ypeBEsobvcr6wjGzmiPcTaeG7_gUfE5yuYB3ha_uSLs=`},
		"hmac":                  {code: `s.send(hmac("sha256","k","a","hex"))`, want: `200 78da91511e675587f5b9df78bedebaf5560da2abb88162ee875dcdf744951d9e`},
		"randomInt":             {code: `s.json(randomInt(5,6))`, want: `200 5`},
		"the cache":             {code: `setCache("k",{a:1},{ttl:60});s.json(getCache("k"))`, want: `200 {"a":1}`},
		"sleep half a second":   {code: `const t = Date.now(); sleep(0.5); s.json(Date.now() - t >= 495)`, want: `200 true`},
		"retry":                 {code: `let n = 0; const got = retry(3,i=>{n++; return i==1}); s.json([got, n])`, want: `200 [true,2]`},
		"retry of what throws":  {code: `retry(3,()=>{throw new Error("no")})`, want: `500 `},
		"retry, caught":         {code: `let n = 0; try { retry(3,()=>{throw new Error("no " + ++n)}) } catch (e) { s.send(e.message) }`, want: `200 no 3`},
		"fetch, a lower method": {code: `s.send((await (await fetch(B,{method:"post"})).json()).method)`, want: `200 POST`},
		"redirects: manual":     {code: `const r = await fetch(B + "/?status=307&header=location:/there",{redirects:"manual"}); s.json([r.status, r.headers.get("location")])`, want: `200 [307,"/there"]`},
		"redirect: manual":      {code: `const r = await fetch(B + "/?status=307&header=location:/there",{redirect:"manual"}); s.json([r.status, r.headers.get("location")])`, want: `200 [307,"/there"]`},
		"a missing document":    {code: `s.json(await getDocument("zz", "col"))`, want: `200 null`},
		"a document":            {code: `await addDocument({id: "d", collection: "col", data: {a: 1}}); s.json((await getDocument("d", "col")).data)`, want: `200 {"a":1}`},
		"a schema is violated":  {code: rejected(`{id: "v", collection: "col", data: {b: 1}}`), want: `200 [true,"data.a is required"]`},
		"an unknown collection": {code: rejected(`{id: "u", collection: "nope", data: {a: 1}}`), want: `200 [true,"collection not found: nope"]`},
		"a foreign namespace":   {code: rejected(`{id: "f", collection: "col", namespace: "other", data: {a: 1}}`), want: `200 [true,"addDocument: a module of namespace default cannot write to namespace other"]`},
		"text twice":            {code: `const r = await fetch(B); await r.text(); try { await r.text() } catch (e) { s.send(e.name + ": " + e.message) }`, want: `200 TypeError: body already used`},
	})
	if answer := g.do(harness.Request{URL: g.Admin + "/dgate/readyz"}); answer.Status != http.StatusOK {
		t.Errorf("after all that, readyz says %s", answer)
	}
}

// Hooks around an upstream that echoes: the second table of appendix B.
func TestAppendixBService(t *testing.T) {
	up := harness.NewUpstream(t, "up", harness.HTTP)
	other := harness.NewUpstream(t, "other", harness.HTTP)
	dead := harness.NewUpstream(t, "dead", harness.Dead)
	g := startGateway(t, caddyfile)
	g.service("up", nil, up.URL)
	g.service("both", nil, up.URL, other.URL)
	g.service("dead", fields{"retries": 0}, dead.URL)

	g.probes(t, up, "up", func(code string) string { return code }, map[string]probe{
		"an answer in front of the upstream": {code: `export const requestModifier = (ctx) => ctx.response().status(401).send("denied")`, want: `401 denied`},
		"headers of the upstream":            {code: `export const responseModifier = (ctx) => { ctx.upstream().headers.set("x-set", "1") }`, send: harness.Request{URL: "/7/a?body=b&status=503"}, want: `503 b`, header: http.Header{"X-Set": {"1"}}},
		"JSON read and written":              {code: `export const responseModifier = async (ctx) => { const u = ctx.upstream(), v = await u.readJson(); u.writeJson([v.path, v.method]) }`, want: `200 ["/a/b","GET"]`, header: http.Header{"Content-Length": {"14"}}},
		"status and body":                    {code: `export const responseModifier = (ctx) => { ctx.upstream().status(202).writeBody("w") }`, want: `202 w`, header: http.Header{"Content-Length": {"1"}}},
		"a redirect":                         {code: `export const responseModifier = (ctx) => { ctx.upstream().redirect("http://r/x") }`, want: `307 `, header: http.Header{"Location": {"http://r/x"}}},
		"responseModifier throws":            {code: `export const responseModifier = () => { throw new Error("x") }`, want: `500 `},
		"errorHandler after it":              {code: `export const responseModifier = () => { throw new Error("x") }; export const errorHandler = (ctx, e) => ctx.response().status(418).send(e.message)`, want: `418 x`},
	})

	g.route("change", "up", `export const requestModifier = (ctx) => { const h = ctx.request().headers; h.set("x-set", "1"); h.del("x-gone") }`, nil)
	if e := g.echo(harness.Request{URL: "/change", Header: http.Header{"X-Gone": {"1"}}}); e.Headers["X-Set"] != "1" || e.Headers["X-Gone"] != "" {
		t.Errorf("headers that the upstream got: %v", e.Headers)
	}
	g.route("write", "up", `export const requestModifier = (ctx) => ctx.request().writeBody("newbody")`, nil)
	if e := g.echo(harness.Request{Method: "PUT", URL: "/write", Body: strings.NewReader("old")}); e.Body != "newbody" || e.Headers["Content-Length"] != "7" {
		t.Errorf("the upstream got body %q, length %s", e.Body, e.Headers["Content-Length"])
	}
	g.route("read", "up", `export const requestModifier = (ctx) => { ctx.request().readBody() }`, nil)
	if e := g.echo(harness.Request{Method: "PUT", URL: "/read", Body: strings.NewReader("original")}); e.Body != "original" {
		t.Errorf("the upstream got body %q", e.Body)
	}
	g.route("second", "both", `export const fetchUpstream = (ctx) => ctx.service().urls[1]`, nil)
	for range 2 {
		if e := g.echo(harness.Request{URL: "/second/x"}); e.Upstream != "other" || e.Path != "/x" {
			t.Errorf("upstream %s got path %s", e.Upstream, e.Path)
		}
	}
	g.route("schemeless", "up", fmt.Sprintf(`export const fetchUpstream = () => %q`, strings.TrimPrefix(other.URL, "http://")+"/q"), nil)
	if e := g.echo(harness.Request{URL: "/schemeless/x"}); e.Upstream != "other" || e.Path != "/q/x" {
		t.Errorf("upstream %s got path %s", e.Upstream, e.Path)
	}
	g.route("refused", "dead", `export const errorHandler = (ctx, e) => ctx.response().json([e.message, e instanceof Error])`, nil)
	var refused [2]any
	answer := g.do(harness.Request{URL: "/refused"})
	if err := json.Unmarshal([]byte(answer.Body), &refused); err != nil {
		t.Fatalf("%v\n%s", err, answer)
	}
	if want := "dial tcp " + strings.TrimPrefix(dead.URL, "http://") + ": connect: connection refused"; refused[0] != want || refused[1] != true {
		t.Errorf("errorHandler got %q, want %q", refused[0], want)
	}
	g.route("hookless", "both", `export const nothing = 1`, nil)
	seen := map[string]int{}
	for range 4 {
		seen[g.echo(harness.Request{URL: "/hookless"}).Upstream]++
	}
	if diff := cmp.Diff(map[string]int{"up": 2, "other": 2}, seen); diff != "" {
		t.Errorf("round robin (-want +got):\n%s", diff)
	}
	g.route("upgrade", "up", `export const responseModifier = (ctx) => { ctx.upstream().headers.set("x-set", "1") }`, nil)
	conn, resp, err := websocket.Dial(t.Context(), g.Site+"/upgrade", &websocket.DialOptions{HTTPClient: harness.Client}) //nolint:bodyclose // Dial has read it
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.CloseNow() }()
	if resp.StatusCode != http.StatusSwitchingProtocols || resp.Header.Get("X-Set") != "1" {
		t.Errorf("upgrade: status %d, X-Set %q", resp.StatusCode, resp.Header.Get("X-Set"))
	}
}
