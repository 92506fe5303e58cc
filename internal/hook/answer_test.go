package hook_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dgate-io/caddy-dgate/internal/hook"
	"github.com/dgate-io/caddy-dgate/internal/js"
)

// behind is a server that scripts fetch from.
func behind(t *testing.T) string {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Back", "1")
		w.Header().Set("Keep-Alive", "5")
		w.WriteHeader(418)
		_, _ = io.WriteString(w, r.Method+" from behind")
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}

// hooked is a request of the whole chain of a hook, and what is left of it.
func hooked(t *testing.T, name, code string) (w *httptest.ResponseRecorder, answered bool, err error) {
	t.Helper()
	pool := newPool(t, "const B = "+fmt.Sprintf("%q", behind(t))+";\nexport async function "+name+"(ctx) {\n"+code+"\n}", js.Limits{})
	vm := borrow(t, pool)
	w = httptest.NewRecorder()
	s := newScope(w, get())
	switch name {
	case "fetchUpstream":
		_, err = s.FetchUpstream(vm)
		answered = s.Answered()
	case "requestModifier":
		answered, err = s.RequestModifier(vm)
	case "requestHandler":
		err = s.RequestHandler(vm)
		answered = s.Answered()
	case "errorHandler":
		answered, err = s.ErrorHandler(vm, io.EOF)
	}
	if err == nil {
		err = s.SendRest()
	}
	return w, answered, err
}

// TestReturnedResponse answers with what a hook returns.
func TestReturnedResponse(t *testing.T) {
	tests := map[string]struct {
		code   string
		want   answer
		header http.Header
	}{
		"of text":            {`return new Response("text", { status: 201, headers: { "x-a": "b" } })`, answer{201, "text"}, http.Header{"X-A": {"b"}, "Content-Length": {"4"}, "Content-Type": {"text/plain;charset=UTF-8"}}},
		"of JSON":            {`return Response.json({ a: 1 })`, answer{200, `{"a":1}`}, http.Header{"Content-Type": {"application/json"}}},
		"of bytes":           {`return new Response(new Uint8Array([104, 105]))`, answer{200, "hi"}, http.Header{"Content-Length": {"2"}}},
		"of nothing":         {`return new Response()`, answer{200, ""}, nil},
		"without content":    {`return new Response(null, { status: 204 })`, answer{204, ""}, nil},
		"that redirects":     {`return Response.redirect("http://h/x", 302)`, answer{302, ""}, http.Header{"Location": {"http://h/x"}}},
		"of fetch":           {`return fetch(B)`, answer{418, "GET from behind"}, http.Header{"X-Back": {"1"}, "Keep-Alive": nil, "Content-Length": {"15"}}},
		"of fetch, copied":   {`const r = await fetch(B); return new Response(await r.text(), r)`, answer{418, "GET from behind"}, http.Header{"X-Back": {"1"}}},
		"of fetch, its body": {`const r = await fetch(B); return new Response(r.body, r)`, answer{418, "GET from behind"}, http.Header{"X-Back": {"1"}}},
		"that streams": {`const e = new TextEncoder(); let n = 0; return new Response(new ReadableStream({ async pull(c) {
			await new Promise((r) => setTimeout(r, 1)); if (++n > 3) c.close(); else c.enqueue(e.encode(n + ";")) } }), { status: 203 })`, answer{203, "1;2;3;"}, http.Header{"Content-Length": nil}},
		"with a header": {`ctx.response().headers.set("x-mine", "1"); return new Response("x")`, answer{200, "x"}, http.Header{"X-Mine": {"1"}}},
		"with cookies":  {`ctx.response().cookie("a", "1"); return new Response("x", { headers: [["set-cookie", "b=2"]] })`, answer{200, "x"}, http.Header{"Set-Cookie": {"a=1", "b=2"}}},
		"with a length": {`return new Response("text", { headers: { "content-length": "2", connection: "close" } })`, answer{200, "text"}, http.Header{"Content-Length": {"4"}, "Connection": nil}},
	}
	for name, tt := range tests {
		for _, fn := range []string{"fetchUpstream", "requestModifier", "requestHandler", "errorHandler"} {
			t.Run(name+" by "+fn, func(t *testing.T) {
				t.Parallel()
				w, answered, err := hooked(t, fn, tt.code)
				if err != nil || !answered {
					t.Fatalf("answered %v, error %v", answered, err)
				}
				if diff := cmp.Diff(tt.want, answer{w.Code, w.Body.String()}); diff != "" {
					t.Errorf("answer (-want +got):\n%s", diff)
				}
				for name, want := range tt.header {
					if diff := cmp.Diff(want, w.Header()[name]); diff != "" {
						t.Errorf("header %s (-want +got):\n%s", name, diff)
					}
				}
			})
		}
	}
}

func TestReturnedResponseFails(t *testing.T) {
	const stream = `return new Response(new ReadableStream({ `
	tests := map[string]struct{ code, want, sent string }{
		"a used body":     {`const r = await fetch(B); await r.text(); return r`, "TypeError: body already used", ""},
		"an error":        {`return Response.error()`, "Error: the response is a Response.error()", ""},
		"after an answer": {`ctx.response().send("a"); return new Response("x")`, "Error: the hook has returned a response after it had sent one", "a"},
		"a broken stream": {stream + `pull(c) { throw new Error("broken") } }))`, "Error: broken", ""},
		"a stuck stream":  {stream + `pull(c) { return new Promise(() => {}) } }))`, "waits for a promise that can never settle", ""},
		"of no bytes":     {stream + `start(c) { c.enqueue({}) } }))`, "TypeError: a body is a stream of bytes: expected a typed array, an ArrayBuffer or a string as a chunk, got Object", ""},
		"before a piece":  {stream + `start(c) { c.enqueue("a"); c.error(new Error("broken")) } }))`, "Error: broken", ""},
		"after a piece":   {`let n = 0; ` + stream + `pull(c) { if (n++) throw new Error("broken"); c.enqueue("a") } }))`, "Error: broken", "a"},
		"a status":        {`return new Response("x", { status: 101 })`, `RangeError: Response: 101 is not a status: expected an integer from 200 to 599`, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w, answered, err := hooked(t, "requestHandler", tt.code)
			if failure(err) != tt.want || answered != (tt.sent != "") || w.Body.String() != tt.sent {
				t.Errorf("error %q, want %q; answered %v with %q, want %q", failure(err), tt.want, answered, w.Body, tt.sent)
			}
		})
	}
}

// TestResponseModifierReturns puts what the hook returns in place of the upstream's answer.
func TestResponseModifierReturns(t *testing.T) {
	tests := map[string]struct {
		method, path, code string
		want               answer
		header             http.Header
		err                string
	}{
		"text":              {path: "/json", code: `return new Response("new", { status: 201, headers: { "x-a": "b" } })`, want: answer{201, "new"}, header: http.Header{"X-A": {"b"}, "Set-Cookie": nil, "Content-Length": {"3"}, "Content-Type": {"text/plain;charset=UTF-8"}}},
		"the same, changed": {path: "/gzip", code: `const v = await u.readJson(); v.more = 1; return new Response(JSON.stringify(v), { status: u.statusCode, headers: u.headers })`, want: answer{200, `{"zipped":true,"more":1}`}, header: http.Header{"Content-Encoding": nil, "Content-Type": {"application/json"}, "Content-Length": {"24"}}},
		"a part, changed":   {path: "/part", code: `return new Response("new", { status: u.statusCode, headers: u.headers })`, want: answer{200, "new"}, header: http.Header{"Etag": nil, "Content-Range": nil}},
		"nothing":           {path: "/json", code: `return new Response(null, { status: 204 })`, want: answer{204, ""}},
		"to HEAD":           {method: "HEAD", path: "/json", code: `return new Response("new")`, want: answer{200, ""}, header: http.Header{"Content-Length": {"3"}}},
		"what is fetched":   {path: "/503", code: `return fetch("BACK")`, want: answer{418, "GET from behind"}, header: http.Header{"X-Back": {"1"}, "Content-Length": {"15"}}},
		"no Response":       {path: "/503", code: `return { status: 200 }`, want: answer{503, "down"}},
		"a used one":        {path: "/503", code: `const r = new Response("x"); await r.text(); return r`, want: answer{500, ""}, err: "TypeError: body already used"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			method := tt.method
			if method == "" {
				method = http.MethodGet
			}
			code := strings.ReplaceAll(tt.code, "BACK", behind(t))
			resp, body, err := proxied(t, `export async function responseModifier(ctx, u) { `+code+` }`, method, tt.path)
			if failure(err) != tt.err {
				t.Fatalf("error %q, want %q", failure(err), tt.err)
			}
			if diff := cmp.Diff(tt.want, answer{resp.StatusCode, body}); diff != "" {
				t.Errorf("answer (-want +got):\n%s", diff)
			}
			for name, want := range tt.header {
				if diff := cmp.Diff(want, resp.Header[name]); diff != "" {
					t.Errorf("header %s (-want +got):\n%s", name, diff)
				}
			}
		})
	}
}

// TestWorker runs modules in the form that Workers have.
// TestWorkerSignal tells a Worker that its client has left, if it wants to know.
func TestWorkerSignal(t *testing.T) {
	tests := map[string]struct {
		code, want, err string
	}{
		"the client leaves":          {code: `await fetch(B).catch(() => 0); await left; return new Response(r.signal.reason.name)`, want: "AbortError"},
		"a copy":                     {code: `const copy = new Request(r); await fetch(B).catch(() => 0); await left; return new Response(String(copy.signal.aborted))`, want: "true"},
		"the client stays":           {code: `await left`, err: "took longer than 300ms"},
		"nobody asks for the signal": {code: `await fetch(B); return new Response("x")`, err: "the caller has gone"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, leave := context.WithCancel(t.Context())
			defer leave()
			srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { leave() }))
			defer srv.Close()
			watch := ""
			if strings.Contains(tt.code, "left") {
				watch = `const left = new Promise((gone) => r.signal.addEventListener("abort", gone));`
			}
			code := fmt.Sprintf("const B = %q; export default { async fetch(r) { %s %s } }", srv.URL, watch, tt.code)
			w, err := serve(t, newPool(t, code, js.Limits{Timeout: 300 * time.Millisecond}), get().WithContext(ctx))
			if w.Body.String() != tt.want || failure(err) != tt.err {
				t.Errorf("%q, error %q, want %q, %q", w.Body, failure(err), tt.want, tt.err)
			}
		})
	}
}

func TestWorker(t *testing.T) {
	tests := map[string]struct {
		code string
		want answer
		err  string
	}{
		"a Response":       {code: `return new Response("x", { status: 202 })`, want: answer{202, "x"}},
		"the request":      {code: `return Response.json([request.method, request.url, request.headers.get("x-a"), request instanceof Request])`, want: answer{200, `["POST","http://example.com/t/7/a/b?q=1",null,true]`}},
		"its body":         {code: `return new Response(await request.text() + "!")`, want: answer{200, "body!"}},
		"env":              {code: `return Response.json([env.GREETING, env === process.env, env.HOME])`, want: answer{200, `["hello",true,null]`}},
		"ctx":              {code: `return Response.json([ctx.route().name, ctx.pathParam("id"), ctx.passThroughOnException()])`, want: answer{200, `["rt","7",null]`}},
		"this":             {code: `return new Response(this.name)`, want: answer{200, "worker"}},
		"forwarding":       {code: `return fetch(B, request)`, want: answer{418, "POST from behind"}},
		"an answer of ctx": {code: `ctx.response().status(203).send("x")`, want: answer{203, "x"}},
		"a status of ctx":  {code: `ctx.status(203)`, want: answer{203, ""}},
		"nothing":          {code: ``, want: answer{200, ""}, err: "TypeError: fetch returned undefined, expected a Response"},
		"no Response":      {code: `return "x"`, want: answer{200, ""}, err: "TypeError: fetch returned string, expected a Response"},
		"an object":        {code: `return {}`, want: answer{200, ""}, err: "TypeError: fetch returned Object, expected a Response"},
		"an exception":     {code: `throw new Error("x")`, want: answer{200, ""}, err: "Error: x"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool := newPool(t, "const B = "+fmt.Sprintf("%q", behind(t))+";\nexport default { name: 'worker', async fetch(request, env, ctx) {\n"+tt.code+"\n} }", js.Limits{})
			r := httptest.NewRequest(http.MethodPost, "http://example.com/t/7/a/b?q=1", strings.NewReader("body"))
			w, err := serve(t, pool, r)
			if failure(err) != tt.err {
				t.Fatalf("error %q, want %q", failure(err), tt.err)
			}
			if diff := cmp.Diff(tt.want, answer{w.Code, w.Body.String()}); diff != "" {
				t.Errorf("answer (-want +got):\n%s", diff)
			}
		})
	}
}

// TestWaitUntilEnds checks that work after the answer does not go on for ever.
func TestWaitUntilEnds(t *testing.T) {
	tests := map[string]string{
		"never settles": `ctx.waitUntil(new Promise(() => {}))`,
		"adds more":     `const more = () => { ctx.waitUntil(new Promise((r) => setImmediate(r))); setImmediate(more) }; more()`,
		"computes":      `ctx.waitUntil(new Promise((r) => setTimeout(r, 1)).then(() => { for (;;); }))`,
		"no promise":    `ctx.waitUntil(5); ctx.waitUntil()`,
	}
	for name, code := range tests {
		t.Run(name, func(t *testing.T) {
			pool := newPool(t, `export default { fetch(request, env, ctx) { `+code+`; return new Response("x") } }`, js.Limits{Timeout: 100 * time.Millisecond})
			vm := borrow(t, pool)
			s := newScope(httptest.NewRecorder(), get())
			if err := s.RequestHandler(vm); err != nil {
				t.Fatal(err)
			}
			done := make(chan struct{})
			s.Linger(func() { close(done) })
			<-done
		})
	}
}

// TestRedirectStaysHere resolves targets against hostile paths.
func TestRedirectStaysHere(t *testing.T) {
	tests := map[string]struct{ path, target, want string }{
		"two slashes":          {"//evil.example/x", "?a", "/evil.example/x?a"},
		"two slashes, a file":  {"//evil.example/x", "y", "/evil.example/y"},
		"a backslash":          {"/%5Cevil.example/x", "y", "/%5Cevil.example/y"},
		"a space":              {"/a%20b/c", "d", "/a%20b/d"},
		"dots":                 {"/a/b/c", "../../../../d", "/d"},
		"another host, wanted": {"/a", "//other.example/x", "//other.example/x"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, "http://example.com"+tt.path, nil)
			w, err := serve(t, newPool(t, handlerModule(fmt.Sprintf("s.redirect(%q)", tt.target)), js.Limits{}), r)
			if err != nil {
				t.Fatal(err)
			}
			if got := w.Header().Get("Location"); got != tt.want {
				t.Errorf("Location is %q, want %q", got, tt.want)
			}
		})
	}
}

// TestWaitUntil checks that the answer is there before what is to be finished after it, and that
// the request is gone by then.
func TestWaitUntil(t *testing.T) {
	arrived, release := make(chan string), make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		arrived <- string(body)
		<-release
	}))
	defer srv.Close()
	pool := newPool(t, `export default { fetch(request, env, ctx) {
	const after = async () => {
		const post = (text) => fetch("`+srv.URL+`", { method: "POST", body: text });
		await post("one");
		let said;
		try { said = ctx.request().method } catch (e) { said = e.message }
		ctx.waitUntil(post(said));
	};
	ctx.waitUntil(after());
	ctx.waitUntil(Promise.reject(new Error("lost")));
	return new Response("answer");
} }`, js.Limits{})
	vm, err := pool.Get(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	s := hook.NewScope(w, get(), info())
	if err := s.RequestHandler(vm); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	s.Linger(func() { close(done) })
	if err := s.SendRest(); err != nil || w.Body.String() != "answer" {
		t.Errorf("error %v, body %q", err, w.Body)
	}
	for _, want := range []string{"one", "request is finished"} {
		if got := <-arrived; got != want {
			t.Errorf("%q was said, want %q", got, want)
		}
		select {
		case <-done:
			t.Error("the VM was given back before all was done")
		default:
		}
		release <- struct{}{}
	}
	<-done
	pool.Put(vm)
}
