package hook_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dgate-io/caddy-dgate/internal/hook"
	"github.com/dgate-io/caddy-dgate/internal/js"
)

func gzipped(text string) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write([]byte(text))
	_ = w.Close()
	return b.Bytes()
}

// upstream answers by path, as the tests need it.
func upstream(w http.ResponseWriter, r *http.Request) {
	http.SetCookie(w, &http.Cookie{Name: "c", Value: "v", Path: "/"})
	switch r.URL.Path {
	case "/json":
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"b":1,"a":2}`)
	case "/gzip":
		data := gzipped(`{"zipped":true}`)
		w.Header().Set("Content-Encoding", "gzip")
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(data)
	case "/bomb":
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(gzipped(string(make([]byte, 1<<20))))
	case "/br":
		w.Header().Set("Content-Encoding", "br")
		_, _ = io.WriteString(w, "x")
	case "/503":
		w.WriteHeader(503)
		_, _ = io.WriteString(w, "down")
	case "/304":
		w.WriteHeader(304)
	case "/part":
		w.Header().Set("Etag", `"strong"`)
		w.Header().Set("Content-Range", "bytes 0-4/10")
		w.Header().Set("Accept-Ranges", "bytes")
		w.Header().Set("Digest", "sha-256=x")
		w.Header().Set("Content-Md5", "x")
		w.Header().Set("Last-Modified", "Thu, 01 Jan 1970 00:00:00 GMT")
		w.WriteHeader(206)
		_, _ = io.WriteString(w, "plain")
	case "/weak":
		w.Header().Set("Etag", `W/"weak"`)
		_, _ = io.WriteString(w, "plain")
	case "/cut":
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, "plain")
	case "/big":
		_, _ = w.Write(make([]byte, 1<<17))
	default:
		_, _ = io.WriteString(w, "plain")
	}
}

// modifying is a transport that runs responseModifier on what comes back.
type modifying struct {
	t     *testing.T
	pool  *js.Pool
	scope *hook.Scope
	next  http.RoundTripper
	err   error
}

func (m *modifying) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := m.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if m.err = m.scope.ResponseModifier(borrow(m.t, m.pool), resp); m.err != nil {
		resp.Body.Close()
		return nil, m.err
	}
	return resp, nil
}

// proxied sends a request through a proxy with the module, over real connections.
func proxied(t *testing.T, module, method, path string) (*http.Response, string, error) {
	t.Helper()
	back := httptest.NewServer(http.HandlerFunc(upstream))
	t.Cleanup(back.Close)
	target, err := url.Parse(back.URL)
	if err != nil {
		t.Fatal(err)
	}
	pool := newPool(t, module, js.Limits{})
	var failed error
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m := &modifying{t: t, pool: pool, scope: newScope(w, r), next: back.Client().Transport}
		proxy := httputil.ReverseProxy{
			Rewrite:      func(p *httputil.ProxyRequest) { p.SetURL(target) },
			Transport:    m,
			ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(500) },
		}
		proxy.ServeHTTP(w, r)
		failed = m.err
	}))
	t.Cleanup(front.Close)
	req, err := http.NewRequestWithContext(t.Context(), method, front.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept-Encoding", "gzip")
	transport := &http.Transport{DisableCompression: true}
	defer transport.CloseIdleConnections()
	resp, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatalf("request: %v", err)
	}
	body := readAll(t, resp.Body)
	resp.Body.Close()
	return resp, body, failed
}

func TestResponseModifier(t *testing.T) {
	tests := map[string]struct {
		method, path string
		code         string
		want         answer
		header       http.Header
		err          string
	}{
		"nothing":                 {path: "/json", want: answer{200, `{"b":1,"a":2}`}, header: http.Header{"Content-Length": {"13"}}},
		"headers":                 {path: "/503", code: `u.headers.set("x-a", "b"); u.headers.del("Set-Cookie")`, want: answer{503, "down"}, header: http.Header{"X-A": {"b"}, "Set-Cookie": nil}},
		"fields":                  {path: "/plain", code: `u.headers.set("x-a", [u.statusCode, u.statusText, u.protocol, u.contentLength, u.uncompressed].join("|"))`, want: answer{200, "plain"}, header: http.Header{"X-A": {"200|200 OK|HTTP/1.1|5|false"}}},
		"read only":               {path: "/plain", code: `await u.readBody(); await u.readBody()`, want: answer{200, "plain"}, header: http.Header{"Content-Length": {"5"}}},
		"read, not awaited":       {path: "/plain", code: `u.readBody()`, want: answer{200, "plain"}},
		"read twice at once":      {path: "/plain", code: `const [a, b] = await Promise.all([u.readBody(), u.readBody()]); u.headers.set("x-a", a.byteLength + b.byteLength)`, want: answer{200, "plain"}, header: http.Header{"X-A": {"10"}}},
		"read as a field":         {path: "/plain", code: `const p = u.readBody(); u.headers.set("x-a", u.body); await p`, want: answer{200, "plain"}, header: http.Header{"X-A": {"plain"}}},
		"field, then promise":     {path: "/plain", code: `u.body; u.headers.set("x-a", (await u.readBody()).byteLength)`, want: answer{200, "plain"}, header: http.Header{"X-A": {"5"}}},
		"readJson and writeJson":  {path: "/json", code: `const v = await u.readJson(); v.c = 3; u.writeJson(v)`, want: answer{200, `{"b":1,"a":2,"c":3}`}, header: http.Header{"Content-Length": {"19"}, "Content-Type": {"application/json"}}},
		"read what was written":   {path: "/json", code: `u.writeBody("new"); u.headers.set("x-a", (await u.readBody()).byteLength)`, want: answer{200, "new"}, header: http.Header{"X-A": {"3"}}},
		"a part, untouched":       {path: "/part", code: `await u.readBody()`, want: answer{206, "plain"}, header: http.Header{"Etag": {`"strong"`}, "Content-Range": {"bytes 0-4/10"}, "Digest": {"sha-256=x"}}},
		"a part, rewritten":       {path: "/part", code: `u.writeBody("new")`, want: answer{200, "new"}, header: http.Header{"Etag": nil, "Content-Range": nil, "Accept-Ranges": nil, "Digest": nil, "Content-Md5": nil, "Last-Modified": {"Thu, 01 Jan 1970 00:00:00 GMT"}}},
		"a part, of another":      {path: "/part", code: `u.writeBody("new"); u.headers.set("content-range", "bytes 1-3/7"); u.headers.set("etag", '"mine"')`, want: answer{206, "new"}, header: http.Header{"Etag": {`"mine"`}, "Content-Range": {"bytes 1-3/7"}}},
		"a weak ETag":             {path: "/weak", code: `u.writeBody("new")`, want: answer{200, "new"}, header: http.Header{"Etag": {`W/"weak"`}}},
		"Content-Length is set":   {path: "/plain", code: `u.headers.set("content-length", "2")`, want: answer{200, "plain"}, header: http.Header{"Content-Length": {"5"}}},
		"Content-Length, written": {path: "/plain", code: `u.writeBody("new").headers.set("content-length", "2")`, want: answer{200, "new"}, header: http.Header{"Content-Length": {"3"}}},
		"Content-Length is gone":  {path: "/plain", code: `u.headers.del("content-length")`, want: answer{200, "plain"}, header: http.Header{"Content-Length": {"5"}}},
		"a broken body":           {path: "/cut", code: `await u.readBody()`, want: answer{500, ""}, err: "Error: read the upstream's body: unexpected EOF"},
		"status and writeBody":    {path: "/plain", code: `u.status(202).writeBody("w")`, want: answer{202, "w"}, header: http.Header{"Content-Length": {"1"}}},
		"statusCode":              {path: "/plain", code: `u.statusCode = 201`, want: answer{201, "plain"}},
		"status without a body":   {path: "/plain", code: `u.status(204)`, want: answer{204, ""}, header: http.Header{"Content-Length": nil}},
		"writeBody of nothing":    {path: "/plain", code: `u.writeBody("")`, want: answer{200, ""}, header: http.Header{"Content-Length": {"0"}}},
		"body as a field":         {path: "/plain", code: `res.body = "field"`, want: answer{200, "field"}},
		"redirect":                {path: "/plain", code: `u.redirect("http://r/x")`, want: answer{307, ""}, header: http.Header{"Location": {"http://r/x"}}},
		"redirectPermanent":       {path: "/plain", code: `u.redirectPermanent("/x")`, want: answer{301, ""}, header: http.Header{"Location": {"/x"}}},
		"gzip, untouched":         {path: "/gzip", code: ``, want: answer{200, string(gzipped(`{"zipped":true}`))}, header: http.Header{"Content-Encoding": {"gzip"}}},
		"gzip, read":              {path: "/gzip", code: `u.headers.set("x-a", (await u.readJson()).zipped)`, want: answer{200, string(gzipped(`{"zipped":true}`))}, header: http.Header{"Content-Encoding": {"gzip"}, "X-A": {"true"}}},
		"gzip, written":           {path: "/gzip", code: `const v = await u.readJson(); v.x = 1; u.writeJson(v)`, want: answer{200, `{"zipped":true,"x":1}`}, header: http.Header{"Content-Encoding": nil, "Content-Length": {"21"}}},
		"a bomb":                  {path: "/bomb", code: `await u.readBody()`, err: "Error: the upstream's body is larger than the limit of 65536 bytes", want: answer{500, ""}},
		"an unknown encoding":     {path: "/br", code: `await u.readBody()`, err: `Error: cannot decode the upstream's body: its content-encoding is "br", expected gzip, deflate or identity`, want: answer{500, ""}},
		"over the limit":          {path: "/big", code: `await u.readBody()`, err: "Error: the upstream's body is larger than the limit of 65536 bytes", want: answer{500, ""}},
		"over the limit, caught":  {path: "/big", code: `try { await u.readBody() } catch (e) {}`, want: answer{200, string(make([]byte, 1<<17))}},
		"readJson of no JSON":     {path: "/plain", code: `try { await u.readJson() } catch (e) { u.writeBody(e.name + (e instanceof Error)) }`, want: answer{200, "SyntaxErrortrue"}},
		"HEAD, read":              {method: "HEAD", path: "/plain", code: `u.headers.set("x-a", (await u.readBody()).byteLength)`, want: answer{200, ""}, header: http.Header{"X-A": {"0"}, "Content-Length": {"5"}}},
		"HEAD, written":           {method: "HEAD", path: "/plain", code: `u.writeBody("ab")`, want: answer{200, ""}, header: http.Header{"Content-Length": {"2"}}},
		"HEAD, read and written":  {method: "HEAD", path: "/plain", code: `await u.readBody(); u.writeBody("ab")`, want: answer{200, ""}, header: http.Header{"Content-Length": nil}},
		"304, read and written":   {path: "/304", code: `await u.readBody(); u.writeBody("x")`, want: answer{304, ""}},
		"query and cookie":        {path: "/plain?k=v", code: `u.headers.set("x-a", u.query().get("k") + u.cookie()[0].name)`, want: answer{200, "plain"}, header: http.Header{"X-A": {"vc"}}},
		"no response":             {path: "/plain", code: `u.headers.set("x-a", String(ctx.response()))`, want: answer{200, "plain"}, header: http.Header{"X-A": {"null"}}},
		"a short form":            {path: "/plain", code: `ctx.json(1)`, err: "TypeError: ctx.json is not available in responseModifier: change ctx.upstream() instead", want: answer{500, ""}},
		"throws":                  {path: "/plain", code: `throw new Error("x")`, err: "Error: x", want: answer{500, ""}},
		"sets a field":            {path: "/plain", code: `u.nope = 1`, err: "TypeError: upstream.nope cannot be set; statusCode and body can, and headers.set(name, value)", want: answer{500, ""}},
		"JSON":                    {path: "/plain", code: `u.writeBody(Object.keys(JSON.parse(JSON.stringify(u))).join())`, want: answer{200, "headers,statusCode,statusText,trailer,protocol,uncompressed,contentLength,transferEncoding"}},
		"readWriteBody":           {path: "/plain", code: `u.headers.set("x-a", await util.readWriteBody(u, async (t) => t.toUpperCase()))`, want: answer{200, "PLAIN"}, header: http.Header{"X-A": {"PLAIN"}}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			method := tt.method
			if method == "" {
				method = "GET"
			}
			resp, body, err := proxied(t, prelude+"export async function responseModifier(ctx, res) { const u = ctx.upstream();\n"+tt.code+"\n}", method, tt.path)
			if failure(err) != tt.err {
				t.Errorf("error %q, want %q", failure(err), tt.err)
			}
			if diff := cmp.Diff(tt.want, answer{resp.StatusCode, body}); diff != "" {
				t.Errorf("answer (-want +got):\n%s", diff)
			}
			for name, want := range tt.header {
				if diff := cmp.Diff(append([]string{}, want...), append([]string{}, resp.Header[name]...)); diff != "" {
					t.Errorf("header %s (-want +got):\n%s", name, diff)
				}
			}
		})
	}
}

// endless is a body that never ends.
type endless struct{ closed chan struct{} }

func (b endless) Read(p []byte) (int, error) {
	<-b.closed
	return 0, io.ErrClosedPipe
}

func (b endless) Close() error { close(b.closed); return nil }

func TestResponseModifierLeavesStreamsAlone(t *testing.T) {
	pool := newPool(t, `export function responseModifier(ctx) { ctx.upstream().headers.set("x-a", "b") }`, js.Limits{})
	for _, status := range []int{200, 101} {
		body := endless{make(chan struct{})}
		resp := &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {"text/event-stream"}}, Body: body, ContentLength: -1}
		if err := newScope(httptest.NewRecorder(), get()).ResponseModifier(borrow(t, pool), resp); err != nil {
			t.Fatal(err)
		}
		if resp.Body != body || resp.Header.Get("X-A") != "b" {
			t.Errorf("status %d: body %T, headers %v", status, resp.Body, resp.Header)
		}
	}
}

func TestResponseModifierTimesOut(t *testing.T) {
	pool := newPool(t, `export async function responseModifier(ctx) { await ctx.upstream().readBody() }`, js.Limits{Timeout: 50 * time.Millisecond})
	resp := &http.Response{StatusCode: 200, Header: http.Header{}, Body: endless{make(chan struct{})}, ContentLength: -1}
	err := newScope(httptest.NewRecorder(), get()).ResponseModifier(borrow(t, pool), resp)
	if js.KindOf(err) != js.Timeout {
		t.Errorf("error %v, want a timeout", err)
	}
	resp.Body.Close() // ends the reading
}

func TestSwitchedProtocols(t *testing.T) {
	tests := map[string]struct {
		code, err string
		kept      bool
	}{
		"reads":   {`await u.readBody()`, "TypeError: the upstream has switched protocols: there is no body to read", true},
		"writes":  {`u.writeBody("x")`, "TypeError: the upstream has switched protocols: its answer has no body; set another status first", true},
		"refuses": {`u.status(403).writeBody("no")`, "", false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			pool := newPool(t, "export async function responseModifier(ctx, u) {\n"+tt.code+"\n}", js.Limits{})
			body := endless{make(chan struct{})}
			resp := &http.Response{StatusCode: 101, Header: http.Header{}, Body: body}
			err := newScope(httptest.NewRecorder(), get()).ResponseModifier(borrow(t, pool), resp)
			if failure(err) != tt.err {
				t.Errorf("error %q, want %q", failure(err), tt.err)
			}
			if kept := resp.Body == io.ReadCloser(body); kept != tt.kept {
				t.Errorf("body kept: %v, want %v", kept, tt.kept)
			}
		})
	}
}

// TestLateBody runs the hook as a handler in front of another does, which knows
// the head of the answer before its body.
func TestLateBody(t *testing.T) {
	tests := map[string]struct {
		code  string
		wants bool
		done  bool
		body  string // after Finish; "-" for none
	}{
		"head only":       {code: `u.headers.set("x", "y")`, done: true, body: "-"},
		"reads":           {code: `u.headers.set("x", (await u.readBody()).byteLength)`, wants: true, body: "body"},
		"reads, writes":   {code: `u.writeBody(util(await u.readBody()) + "!")`, wants: true, body: "4!"},
		"writes":          {code: `u.writeBody("new")`, done: true, body: "new"},
		"reads and waits": {code: `await Promise.all([u.readBody(), u.readJson().catch(() => 0)])`, wants: true, body: "body"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool := newPool(t, "const util = (b) => String(b.byteLength); export async function responseModifier(ctx, u) {\n"+tt.code+"\n}", js.Limits{})
			resp := &http.Response{StatusCode: 200, Header: http.Header{}}
			run := newScope(httptest.NewRecorder(), get()).StartResponseModifier(borrow(t, pool), resp)
			if run.Done() != tt.done || run.WantsBody() != tt.wants {
				t.Errorf("done %v, wants body %v", run.Done(), run.WantsBody())
			}
			run.Deliver([]byte("body"))
			if err := run.Finish(); err != nil {
				t.Fatal(err)
			}
			got := "-"
			if resp.Body != nil {
				got = readAll(t, resp.Body)
			}
			if got != tt.body && !(tt.body == "-" && got == "body") {
				t.Errorf("body %q, want %q", got, tt.body)
			}
		})
	}
}

func TestUpstreamBodyTooLargeIsTold(t *testing.T) {
	pool := newPool(t, `export async function responseModifier(ctx) { await ctx.upstream().readBody() }`, js.Limits{})
	resp := &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(make([]byte, 1<<17))), ContentLength: -1}
	if err := newScope(httptest.NewRecorder(), get()).ResponseModifier(borrow(t, pool), resp); !errors.Is(err, hook.ErrBodyTooLarge) {
		t.Errorf("error %v, want ErrBodyTooLarge", err)
	}
}
