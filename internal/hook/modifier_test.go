package hook_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dgate-io/caddy-dgate/internal/hook"
	"github.com/dgate-io/caddy-dgate/internal/js"
)

// echoed is what the upstream got.
type echoed struct {
	Method, URI, Host, Body, Length, Type string
}

// echo is a service that keeps what it got.
func echo(t *testing.T, got *echoed) *httptest.Server {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Errorf("upstream reads the body: %v", err)
		}
		*got = echoed{
			Method: r.Method, URI: r.RequestURI, Host: r.Host, Body: string(body),
			Length: r.Header.Get("Content-Length"), Type: r.Header.Get("Content-Type"),
		}
		w.Header().Set("X-Got", strings.Join(r.Header["X-Test"], "|"))
	}))
	t.Cleanup(srv.Close)
	return srv
}

// sendOn does what a proxy does with a request after its requestModifier.
func sendOn(t *testing.T, to *httptest.Server, r *http.Request, hostSet bool) *http.Response {
	t.Helper()
	out := r.Clone(t.Context())
	target, err := url.Parse(to.URL)
	if err != nil {
		t.Fatal(err)
	}
	out.RequestURI = ""
	out.URL.Scheme, out.URL.Host = target.Scheme, target.Host
	if !hostSet {
		out.Host = ""
	}
	resp, err := to.Client().Transport.RoundTrip(out)
	if err != nil {
		t.Fatalf("send on: %v", err)
	}
	resp.Body.Close()
	return resp
}

func TestRequestModifier(t *testing.T) {
	tests := map[string]struct {
		method, body string
		code         string
		want         echoed
		header       string // what the upstream got as X-Test
	}{
		"headers set and del":    {code: `q.headers.set("x-test","1"); q.headers.add("X-Test","2"); q.headers.del("Accept")`, header: "1|2"},
		"method":                 {code: `q.method = "delete"`, want: echoed{Method: "DELETE"}},
		"path":                   {code: `q.path = "/other/ä b"`, want: echoed{URI: "/other/%C3%A4%20b?q=1&bad=%zz&q=2"}},
		"path, unchanged":        {code: `q.path = q.path`, want: echoed{URI: "/t/a%2Fb?q=1&bad=%zz&q=2"}},
		"host":                   {code: `q.host = "up.example:81"`, want: echoed{Host: "up.example:81"}},
		"query, untouched":       {code: `q.query.get("q")`, want: echoed{URI: "/t/a%2Fb?q=1&bad=%zz&q=2"}},
		"query, set":             {code: `q.query.set("q", "ä&"); q.query.add("n", 5)`, want: echoed{URI: "/t/a%2Fb?q=%C3%A4%26&bad=%zz&n=5"}},
		"query, a property":      {code: `q.query.x = ["1","2"]; delete q.query.q`, want: echoed{URI: "/t/a%2Fb?bad=%zz&x=1&x=2"}},
		"query, replaced":        {code: `q.query = "?a=1&b"`, want: echoed{URI: "/t/a%2Fb?a=1&b"}},
		"query, an object":       {code: `q.query = {a: 1, b: ["x", "y"]}`, want: echoed{URI: "/t/a%2Fb?a=1&b=x&b=y"}},
		"query, URLSearchParams": {code: `q.query = new URLSearchParams({ a: "b c" })`, want: echoed{URI: "/t/a%2Fb?a=b+c"}},
		"query, emptied":         {code: `q.query = null`, want: echoed{URI: "/t/a%2Fb"}},
		"body untouched":         {method: "PUT", body: "original", want: echoed{Body: "original", Length: "8"}},
		"body read":              {method: "PUT", body: "original", code: `q.readBody(); q.readBody()`, want: echoed{Body: "original", Length: "8"}},
		"writeBody":              {method: "PUT", body: "original", code: `q.writeBody("newbody")`, want: echoed{Body: "newbody", Length: "7"}},
		"writeBody after read":   {method: "PUT", body: "abc", code: `q.writeBody(q.body + "ü")`, want: echoed{Body: "abcü", Length: "5"}},
		"writeBody of bytes":     {method: "PUT", body: "x", code: `q.writeBody(new Uint8Array([104, 105]))`, want: echoed{Body: "hi", Length: "2"}},
		"writeBody of nothing":   {method: "PUT", body: "x", code: `q.writeBody("")`, want: echoed{Length: "0"}},
		"writeBody without one":  {method: "POST", code: `q.writeBody("x")`, want: echoed{Body: "x", Length: "1"}},
		"writeJson":              {method: "POST", body: `{"b":1}`, code: `const v = q.readJson(); v.a = "<"; q.writeJson(v)`, want: echoed{Body: `{"b":1,"a":"<"}`, Length: "15", Type: "application/json"}},
		"readWriteBody":          {method: "POST", body: `ab`, code: `await util.readWriteBody(q, (t) => t.toUpperCase() + "!")`, want: echoed{Body: `AB!`, Length: "3"}},
		"body as a field":        {method: "POST", body: `ab`, code: `q.body = q.body + q.body`, want: echoed{Body: `abab`, Length: "4"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool := newPool(t, prelude+"export async function requestModifier(ctx) { const q = ctx.request();\n"+tt.code+"\n}", js.Limits{})
			method := tt.method
			if method == "" {
				method = "GET"
			}
			var body io.Reader
			if tt.body != "" {
				body = strings.NewReader(tt.body)
			}
			r := httptest.NewRequest(method, "http://client.example/t/a%2Fb?q=1&bad=%zz&q=2", body)
			s := newScope(httptest.NewRecorder(), r)
			answered, err := s.RequestModifier(borrow(t, pool))
			if err != nil || answered {
				t.Fatalf("answered %v, error %v", answered, err)
			}
			var got echoed
			resp := sendOn(t, echo(t, &got), r, s.HostChanged())
			if h := resp.Header.Get("X-Got"); h != tt.header {
				t.Errorf("X-Test is %q, want %q", h, tt.header)
			}
			for _, f := range []struct{ name, want, got string }{
				{"method", tt.want.Method, got.Method},
				{"URI", tt.want.URI, got.URI},
				{"host", tt.want.Host, got.Host},
				{"body", tt.want.Body, got.Body},
				{"length", tt.want.Length, got.Length},
				{"type", tt.want.Type, got.Type},
			} {
				if f.want != "" && f.want != f.got {
					t.Errorf("%s is %q, want %q", f.name, f.got, f.want)
				}
			}
			if tt.want.Body == "" && got.Body != "" {
				t.Errorf("body is %q, want none", got.Body)
			}
		})
	}
}

func TestRequestModifierAnswers(t *testing.T) {
	tests := map[string]struct {
		code     string
		answered bool
		want     answer
	}{
		"sends":           {`ctx.response().status(401).send("denied")`, true, answer{401, "denied"}},
		"status alone":    {`ctx.response().status(401)`, true, answer{401, ""}},
		"redirects":       {`ctx.response().redirect("/login")`, true, answer{307, "<a href=\"/login\">Temporary Redirect</a>.\n\n"}},
		"sets a header":   {`ctx.response().headers.set("x", "y")`, false, answer{200, ""}},
		"does nothing":    {``, false, answer{200, ""}},
		"sends and waits": {`ctx.response().send("a"); await dgate.asyncSleep(0.001); ctx.response().send("b")`, true, answer{200, "ab"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool := newPool(t, prelude+"export async function requestModifier(ctx) {\n"+tt.code+"\n}", js.Limits{})
			w := httptest.NewRecorder()
			s := newScope(w, get())
			answered, err := s.RequestModifier(borrow(t, pool))
			if err != nil {
				t.Fatal(err)
			}
			if answered != tt.answered || s.Answered() != tt.answered {
				t.Errorf("answered: %v, want %v", answered, tt.answered)
			}
			if diff := cmp.Diff(tt.want, answer{w.Code, w.Body.String()}); diff != "" {
				t.Errorf("answer (-want +got):\n%s", diff)
			}
		})
	}
}

func TestBodyLimit(t *testing.T) {
	const module = prelude + `export function requestModifier(ctx) { if (ctx.query().has("catch")) { try { ctx.request().readBody() } catch {} } else ctx.request().readBody() }`
	for _, chunked := range []bool{false, true} {
		body := strings.Repeat("x", 1<<16+1)
		newRequest := func(uri string) *http.Request {
			r := httptest.NewRequest("POST", uri, strings.NewReader(body))
			if chunked {
				r.ContentLength = -1
			}
			return r
		}
		pool := newPool(t, module, js.Limits{})
		_, err := newScope(httptest.NewRecorder(), newRequest("/")).RequestModifier(borrow(t, pool))
		if !errors.Is(err, hook.ErrBodyTooLarge) {
			t.Errorf("chunked %v: error is %v, want ErrBodyTooLarge", chunked, err)
		}
		r := newRequest("/?catch")
		if _, err := newScope(httptest.NewRecorder(), r).RequestModifier(borrow(t, pool)); err != nil {
			t.Fatal(err)
		}
		if got := readAll(t, r.Body); got != body {
			t.Errorf("chunked %v: %d bytes are left to send on, want all %d", chunked, len(got), len(body))
		}
	}
}

func TestFetchUpstream(t *testing.T) {
	tests := map[string]struct{ code, want, err string }{
		"a URL of the service":   {code: `return ctx.service().urls[1]`, want: "http://b"},
		"without a scheme":       {code: `return "127.0.0.1:18902/q"`, want: "http://127.0.0.1:18902/q"},
		"a promise":              {code: `return Promise.resolve("https://x.org/a?b=c")`, want: "https://x.org/a?b=c"},
		"an object with an href": {code: `return { href: "http://x.org/" }`, want: "http://x.org/"},
		"a URL object":           {code: `return new URL("/x?y=1", "https://h.org:81")`, want: "https://h.org:81/x?y=1"},
		"nothing":                {code: ``, err: "Error: fetchUpstream returned no URL"},
		"null":                   {code: `return null`, err: "Error: fetchUpstream returned no URL"},
		"an empty string":        {code: `return ""`, err: "Error: fetchUpstream returned no URL"},
		"a number":               {code: `return 5`, err: "Error: fetchUpstream returned number, expected a string or a URL"},
		"another scheme":         {code: `return "ftp://x"`, err: "Error: fetchUpstream returned a URL with scheme ftp, expected http, https, h2c, ws or wss"},
		"no host":                {code: `return "http:///x"`, err: "Error: fetchUpstream returned a URL without a host"},
		"throws":                 {code: `throw new TypeError("t")`, err: "TypeError: t"},
		"a getter that loops":    {code: `return { get href() { while (true) {} } }`, err: "computed for longer than 1s"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, fn := range []string{"fetchUpstream", "fetchUpstreamUrl"} {
				pool := newPool(t, "export const "+fn+" = (ctx) => {\n"+tt.code+"\n}", js.Limits{})
				u, err := newScope(httptest.NewRecorder(), get()).FetchUpstream(borrow(t, pool))
				if failure(err) != tt.err {
					t.Errorf("%s: error %q, want %q", fn, failure(err), tt.err)
				}
				if err == nil && u.String() != tt.want {
					t.Errorf("%s: got %q, want %q", fn, u, tt.want)
				}
			}
		})
	}
}

func TestFetchUpstreamAnswers(t *testing.T) {
	pool := newPool(t, `export const fetchUpstream = (ctx) => { ctx.response().status(403) }`, js.Limits{})
	w := httptest.NewRecorder()
	s := newScope(w, get())
	u, err := s.FetchUpstream(borrow(t, pool))
	if u != nil || err != nil || !s.Answered() || w.Code != 403 {
		t.Errorf("URL %v, error %v, answered %v, status %d", u, err, s.Answered(), w.Code)
	}
}

func TestFailedHookLeavesNoStatus(t *testing.T) {
	pool := newPool(t, `export function requestHandler(ctx) { ctx.response().status(201); throw 1 } export function errorHandler() {}`, js.Limits{})
	s := newScope(httptest.NewRecorder(), get())
	err := s.RequestHandler(borrow(t, pool))
	if err == nil {
		t.Fatal("the hook has not failed")
	}
	if answered, err := s.ErrorHandler(borrow(t, pool), err); answered || err != nil {
		t.Errorf("answered %v, error %v", answered, err)
	}
}

// TestStreaming checks that what a handler sends between waits goes out at once.
func TestStreaming(t *testing.T) {
	pool := newPool(t, handlerModule(`s.send("a"); await dgate.asyncSleep(0.001); s.send("b"); s.send("c"); await dgate.asyncSleep(0.001); await dgate.asyncSleep(0.001); s.send("d")`), js.Limits{})
	w := &chunks{ResponseRecorder: httptest.NewRecorder()}
	if err := newScope(w, get()).RequestHandler(borrow(t, pool)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a", "bc"}, w.sent); diff != "" {
		t.Errorf("flushed (-want +got):\n%s", diff)
	}
	if rest := w.Body.String(); rest != "d" {
		t.Errorf("%q was not flushed, want d", rest)
	}
}

// chunks tells what is flushed.
type chunks struct {
	*httptest.ResponseRecorder
	sent []string
}

func (c *chunks) Flush() {
	c.sent = append(c.sent, c.Body.String())
	c.Body.Reset()
}
