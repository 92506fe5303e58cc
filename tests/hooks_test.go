package tests

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dgate-io/caddy-dgate/tests/harness"
)

// Failures of an upstream's body are the upstream's, also when a script has read it.
func TestBrokenBodyInHook(t *testing.T) {
	up := harness.NewUpstream(t, "up", harness.HTTP)
	g := startGateway(t, caddyfile)
	g.service("up", nil, up.URL)
	const read = `export const responseModifier = async (ctx, up) => { await up.readBody() };`
	g.route("fails", "up", read, nil)
	if answer := g.do(harness.Request{URL: "/fails?abort"}); answer.Status != 502 {
		t.Errorf("uncaught: %s", answer)
	}
	g.route("handled", "up", read+`export const errorHandler = (ctx, e) => ctx.status(418).send(e.message)`, nil)
	if answer := g.do(harness.Request{URL: "/handled?abort"}); answer.Status != 418 || answer.Body != "read the upstream's body: unexpected EOF" {
		t.Errorf("handled: %s", answer)
	}
	g.route("caught", "up", `export const responseModifier = async (ctx, up) => { try { await up.readBody() } catch (e) { up.status(203).writeBody("instead") } }`, nil)
	if answer := g.do(harness.Request{URL: "/caught?abort"}); answer.Status != 203 || answer.Body != "instead" {
		t.Errorf("caught: %s", answer)
	}
}

// A small Worker runs as it is: in front of nothing, as a proxy, and with work after its answer.
func TestWorker(t *testing.T) {
	up := harness.NewUpstream(t, "up", harness.HTTP)
	g := startGateway(t, caddyfile)
	g.service("up", nil, up.URL)
	g.route("worker", "", `export default {
	async fetch(request, env, ctx) {
		const url = new URL(request.url);
		switch (url.pathname) {
			case "/worker/json": return Response.json({ method: request.method, search: url.search, body: await request.text() }, { status: 201 });
			case "/worker/proxy": return fetch("`+up.URL+`" + url.search, request);
			case "/worker/late": ctx.waitUntil(fetch("`+up.URL+`/late")); return new Response("at once");
			case "/worker/nothing": return;
		}
		return new Response("no such page", { status: 404 });
	},
}`, nil)
	tests := map[string]struct {
		req    harness.Request
		status int
		body   string
	}{
		"JSON":            {harness.Request{Method: "POST", URL: "/worker/json?a=b", Body: strings.NewReader("content")}, 201, `{"method":"POST","search":"?a=b","body":"content"}`},
		"another page":    {harness.Request{URL: "/worker/x"}, 404, "no such page"},
		"no Response":     {harness.Request{URL: "/worker/nothing"}, 500, ""},
		"what it proxies": {harness.Request{URL: "/worker/proxy?status=503&body=down"}, 503, "down"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			g := &gateway{g.Caddy, t}
			if answer := g.do(tt.req); answer.Status != tt.status || answer.Body != tt.body {
				t.Errorf("got %s", answer)
			}
		})
	}
	if e := g.echo(harness.Request{Method: "PUT", URL: "/worker/proxy", Body: strings.NewReader("sent on"), Header: http.Header{"X-Own": {"1"}}}); e.Method != "PUT" || e.Body != "sent on" || e.Headers["X-Own"] != "1" {
		t.Errorf("the upstream got %+v", e)
	}
	if answer := g.do(harness.Request{Method: "HEAD", URL: "/worker/x"}); answer.Status != 404 || answer.Body != "" || answer.Header.Get("Content-Length") != "12" {
		t.Errorf("HEAD: %s", answer)
	}
	before := up.Requests()
	if answer := g.do(harness.Request{URL: "/worker/late"}); answer.Body != "at once" {
		t.Errorf("got %s", answer)
	}
	if err := harness.Await(func() error {
		if up.Requests() == before {
			return errors.New("nothing was done after the answer")
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	answer := g.do(harness.Request{
		Method: "PUT", URL: g.Admin + "/dgate/api/v1/route/default/both", Header: http.Header{"Content-Type": {"application/json"}},
		Body: strings.NewReader(`{"paths":["/both"],"methods":["GET"],"service":"up","modules":["worker"]}`),
	})
	if want := "route both has a service, so requestHandler of module worker will not be called"; !strings.Contains(answer.Body, want) {
		t.Errorf("no warning: %s", answer)
	}
}

// A stream that a hook returns is passed on piece by piece, and one that breaks off does not look whole.
func TestReturnedStream(t *testing.T) {
	up := harness.NewUpstream(t, "up", harness.HTTP)
	g := startGateway(t, caddyfile)
	tests := map[string]string{
		"passed on": `return fetch(B)`,
		"scripted":  `const r = await fetch(B); return new Response(r.body.pipeThrough(new TransformStream()), r)`,
	}
	n := 0
	for name, code := range tests {
		n++
		t.Run(name, func(t *testing.T) {
			g := &gateway{g.Caddy, t}
			route := fmt.Sprintf("stream%d", n)
			g.route(route, "", `export const requestHandler = async (ctx) => { const B = "`+up.URL+`/?" + ctx.query(); `+code+` }`, nil)
			resp, err := harness.Client.Get(g.Site + "/" + route + "?events=5")
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			n, err := harness.Events(harness.Client, resp.Body, func(string) {})
			if n != 5 || err != nil {
				t.Errorf("%d events, error %v", n, err)
			}
			if answer, err := harness.Get(g.Site + "/" + route + "?abort"); err == nil {
				t.Errorf("half an answer looked like a whole one: %s", answer)
			}
		})
	}
}

// What a script sets on the request is what the upstream gets.
func TestRequestIsSettable(t *testing.T) {
	up := harness.NewUpstream(t, "up", harness.HTTP)
	g := startGateway(t, caddyfile)
	g.service("up", nil, up.URL+"/base")
	tests := map[string]struct {
		code string
		want harness.Echo // of method, path, query, host and body; the host is that of the upstream if it is empty
	}{
		"nothing":     {``, harness.Echo{Method: "POST", Path: "/base/a%2Fb", Query: "q=1", Body: "sent"}},
		"method":      {`q.method = "patch"`, harness.Echo{Method: "PATCH", Path: "/base/a%2Fb", Query: "q=1", Body: "sent"}},
		"path":        {`q.path = "/x y/z"`, harness.Echo{Method: "POST", Path: "/base/x%20y/z", Query: "q=1", Body: "sent"}},
		"query":       {`q.query.set("q", "2"); q.query.add("n", "ü")`, harness.Echo{Method: "POST", Path: "/base/a%2Fb", Query: "q=2&n=%C3%BC", Body: "sent"}},
		"no query":    {`q.query = null`, harness.Echo{Method: "POST", Path: "/base/a%2Fb", Body: "sent"}},
		"host":        {`q.host = "other.example:8080"`, harness.Echo{Method: "POST", Path: "/base/a%2Fb", Query: "q=1", Host: "other.example:8080", Body: "sent"}},
		"body":        {`q.body = "other"`, harness.Echo{Method: "POST", Path: "/base/a%2Fb", Query: "q=1", Body: "other"}},
		"as fields":   {`ctx.request.method = "PUT"; ctx.request.query = { a: 1 }`, harness.Echo{Method: "PUT", Path: "/base/a%2Fb", Query: "a=1", Body: "sent"}},
		"Host header": {`q.headers.set("Host", "ignored.example"); q.headers.set("Content-Length", "1")`, harness.Echo{Method: "POST", Path: "/base/a%2Fb", Query: "q=1", Body: "sent"}},
	}
	n := 0
	for name, tt := range tests {
		n++
		t.Run(name, func(t *testing.T) {
			g := &gateway{g.Caddy, t}
			route := fmt.Sprintf("set%d", n)
			g.route(route, "up", "export const requestModifier = (ctx) => { const q = ctx.request();\n"+tt.code+"\n}", nil)
			e := g.echo(harness.Request{Method: "POST", URL: "/" + route + "/a%2Fb?q=1", Body: strings.NewReader("sent")})
			want := tt.want
			if want.Host == "" {
				want.Host = strings.TrimPrefix(up.URL, "http://")
			}
			got := harness.Echo{Method: e.Method, Path: e.Path, Query: e.Query, Host: e.Host, Body: e.Body}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("the upstream got (-want +got):\n%s", diff)
			}
		})
	}
}

// On any site, too, hooks return Responses, and a Worker answers.
func TestReturnedOnSite(t *testing.T) {
	g := startSite(t, `	header X-Site 1
	handle /worker* {
		dgate_js worker.js
	}
	handle /guarded* {
		dgate_js guard.js
		respond "behind"
	}
	route /replaced* {
		dgate_js replace.js
		header X-Next 1
		respond "behind"
	}`, map[string]string{
		"worker.js":  `export default { fetch: (request) => Response.json({ path: new URL(request.url).pathname }) }`,
		"guard.js":   `export const requestModifier = (ctx) => { if (!ctx.queryParam("key")) return new Response("no key", { status: 401 }) }`,
		"replace.js": `export const responseModifier = async (ctx, up) => new Response(new ReadableStream({ start(c) { c.enqueue(new TextEncoder().encode("in place")); c.close() } }), { status: 203 })`,
	})
	tests := map[string]struct {
		path, want string
	}{
		"a Worker":              {"/worker/x", `200 {"path":"/worker/x"}`},
		"a guard that answers":  {"/guarded", `401 no key`},
		"a guard that does not": {"/guarded?key=1", `200 behind`},
		"an answer replaced":    {"/replaced", `203 in place`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			g := &gateway{g.Caddy, t}
			answer := g.do(harness.Request{URL: tt.path})
			if got := fmt.Sprintf("%d %s", answer.Status, answer.Body); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if answer.Header.Get("X-Site") != "1" || answer.Header.Get("X-Next") != "" {
				t.Errorf("headers: %v", answer.Header)
			}
		})
	}
}
