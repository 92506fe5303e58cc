package fetch_test

import (
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dop251/goja"

	"github.com/dgate-io/caddy-dgate/internal/js"
	"github.com/dgate-io/caddy-dgate/internal/js/host/abort"
	"github.com/dgate-io/caddy-dgate/internal/js/host/domexception"
	"github.com/dgate-io/caddy-dgate/internal/js/host/encoding"
	"github.com/dgate-io/caddy-dgate/internal/js/host/fetch"
	"github.com/dgate-io/caddy-dgate/internal/js/host/headers"
	"github.com/dgate-io/caddy-dgate/internal/js/host/hosttest"
	"github.com/dgate-io/caddy-dgate/internal/js/host/native"
	"github.com/dgate-io/caddy-dgate/internal/js/host/stream"
	"github.com/dgate-io/caddy-dgate/internal/js/host/weburl"
)

// server answers what scripts fetch.
func server(t *testing.T) *httptest.Server {
	mux := http.NewServeMux()
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Two", "a")
		w.Header().Add("X-Two", "b")
		fmt.Fprintf(w, `{"method":%q,"body":%q,"type":%q,"agent":%q,"x":%q}`, r.Method, body, r.Header.Get("Content-Type"), r.UserAgent(), r.Header.Get("X-A"))
	})
	mux.HandleFunc("/redirect", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/echo", http.StatusTemporaryRedirect)
	})
	mux.HandleFunc("/slow", func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
		case <-time.After(200 * time.Millisecond):
		}
	})
	mux.HandleFunc("/stalls", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "begin")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	mux.HandleFunc("/big", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 5000)) })
	mux.HandleFunc("/two", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ab") })
	mux.HandleFunc("/whole", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, `{"method":%q,"host":%q,"x":%q,"length":%d,"body":%q,"type":%q,"connection":%q,"encoding":%q}`, r.Method, r.Host, r.Header.Get("X-A"),
			r.ContentLength, body, r.Header.Get("Content-Type"), r.Header.Get("Connection"), r.Header.Get("Accept-Encoding"))
	})
	mux.HandleFunc("/404", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404) })
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	return srv
}

func newHost(t *testing.T, opts fetch.Options) (hosttest.Host, *httptest.Server) {
	srv := server(t)
	return hostFor(t, fetch.New(opts), srv), srv
}

// hostFor is what scripts can use that fetch from srv with client.
func hostFor(t *testing.T, client *fetch.Client, srv *httptest.Server) hosttest.Host {
	t.Cleanup(client.Close)
	return hosttest.Host{
		Modules: []js.Module{client.Module()}, Globals: globals(client),
		Limits:  js.Limits{Body: 4096, Timeout: 5 * time.Second},
		Prelude: `import http from "dgate/http"; const B = "` + srv.URL + `";`,
	}
}

// address is where a server listens.
func address(srv *httptest.Server) netip.AddrPort {
	return netip.MustParseAddrPort(strings.TrimPrefix(srv.URL, "http://"))
}

// globals are those that scripts here use.
func globals(client *fetch.Client) []js.Global {
	return slices.Concat(weburl.Globals(), fetch.Globals(), stream.Globals(), abort.Globals(), encoding.Globals(),
		[]js.Global{client.Global(), headers.Global(), domexception.Global()})
}

func TestFetch(t *testing.T) {
	host, _ := newHost(t, fetch.Options{})
	host.Run(t, map[string]hosttest.Case{
		"one function":          {Code: `return fetch === http.fetch`, Want: `true`},
		"GET":                   {Code: `const r = await fetch(B + "/echo"); return [r.status, r.statusText, r.ok, r.url === B + "/echo", r.redirected, r._debug_time > 0, await r.json()]`, Want: `[200,"200 OK",true,true,false,true,{"method":"GET","body":"","type":"","agent":"DGate-Client/1.0","x":""}]`},
		"method in lower case":  {Code: `return (await (await fetch(B + "/echo", { method: "post" })).json()).method`, Want: `"POST"`},
		"method as it is":       {Code: `return (await (await fetch(B + "/echo", { method: "patch" })).json()).method`, Want: `"patch"`},
		"a password":            {Code: `return (await fetch(B.replace("://", "://u:p@") + "/two")).text()`, Want: `"ab"`},
		"body and headers":      {Code: `return (await fetch(B + "/echo", { method: "PUT", body: "ü", headers: { "x-a": 1, "User-Agent": "me" } })).json()`, Want: `{"method":"PUT","body":"ü","type":"text/plain;charset=UTF-8","agent":"me","x":"1"}`},
		"body of bytes":         {Code: `return (await (await fetch(B + "/echo", { method: "POST", body: new Uint8Array([104, 105]) })).json()).body`, Want: `"hi"`},
		"a form":                {Code: `const r = await (await fetch(new URL("/echo", B), { method: "POST", body: new URLSearchParams({ a: "b c" }) })).json(); return [r.body, r.type]`, Want: `["a=b+c","application/x-www-form-urlencoded;charset=UTF-8"]`},
		"headers as pairs":      {Code: `return (await (await fetch(B + "/echo", { headers: [["x-a", "1"]] })).json()).x`, Want: `"1"`},
		"headers as a Map":      {Code: `return (await (await fetch(B + "/echo", { headers: new Map([["x-a", "2"]]) })).json()).x`, Want: `"2"`},
		"headers of a response": {Code: `const h = (await fetch(B + "/echo")).headers; return [h.get("x-two"), h["x-two"], h.has("nope"), h.values("x-two"), (await (await fetch(B + "/echo", { headers: h })).json()).x]`, Want: `["a, b","a, b",false,["a","b"],""]`},
		"a URL object":          {Code: `return (await fetch({ href: B + "/404" })).status`, Want: `404`},
		"a request object":      {Code: `return (await (await fetch({ url: B + "/echo", method: "delete" })).json()).method`, Want: `"DELETE"`},
		"redirect":              {Code: `const r = await fetch(B + "/redirect", { method: "POST", body: "b" }); return [r.status, r.redirected, r.url === B + "/echo", (await r.json()).body]`, Want: `[200,true,true,"b"]`},
		"redirects: manual":     {Code: `const r = await fetch(B + "/redirect", { redirects: "manual" }); return [r.status, r.headers.get("location")]`, Want: `[307,"/echo"]`},
		"redirect: manual":      {Code: `return (await fetch(B + "/redirect", { redirect: "manual" })).status`, Want: `307`},
		"redirect: error":       {Code: `await fetch(B + "/redirect", { redirect: "error" })`, Err: `Error: Get "/echo": the answer is a redirect, and redirect is "error"`},
		"redirect: nonsense":    {Code: `await fetch(B, { redirect: "maybe" })`, Err: `TypeError: fetch: redirect is "maybe", expected "follow", "manual" or "error"`},
		"text":                  {Code: `const r = await fetch(B + "/echo"); const b = r.bodyUsed; const t = await r.text(); return [b, r.bodyUsed, t.length > 10]`, Want: `[false,true,true]`},
		"text twice":            {Code: `const r = await fetch(B + "/echo"); await r.text(); try { await r.text() } catch (e) { return [e.name, e.message] }`, Want: `["TypeError","body already used"]`},
		"arrayBuffer and bytes": {Code: `const a = await (await fetch(B + "/404")).arrayBuffer(), b = await (await fetch(B + "/404")).bytes(); return [a instanceof ArrayBuffer, b instanceof Uint8Array]`, Want: `[true,true]`},
		"json of nothing":       {Code: `try { await (await fetch(B + "/404")).json() } catch (e) { return e.name }`, Want: `"SyntaxError"`},
		"JSON of a response":    {Code: `return Object.keys(JSON.parse(JSON.stringify(await fetch(B + "/404")))).length`, Want: `9`},
		"side by side":          {Code: `const t = Date.now(); await Promise.all([1, 2, 3].map(() => fetch(B + "/slow"))); return Date.now() - t < 590`, Want: `true`},
		"timeout":               {Code: `await fetch(B + "/slow", { timeout: 20 })`, Err: `TimeoutError: fetch timed out after 20ms`},
		"timeout as a text":     {Code: `await fetch(B + "/slow", { timeout: "20ms" })`, Err: `TimeoutError: fetch timed out after 20ms`},
		"timeout of the body":   {Code: `const r = await fetch(B + "/stalls", { timeout: 50 }); await r.text()`, Err: `TimeoutError: fetch timed out after 50ms`},
		"a timeout of nonsense": {Code: `await fetch(B, { timeout: "soon" })`, Err: `TypeError: fetch: timeout is soon, expected milliseconds or a duration like "2s"`},
		"a large body":          {Code: `await (await fetch(B + "/big")).text()`, Err: `Error: the body is larger than the 4096 bytes that a script may buffer`},
		"a bad URL rejects":     {Code: `const p = fetch("http://%zz"); return p.catch(e => e instanceof TypeError)`, Want: `true`},
		"no URL":                {Code: `await fetch()`, Err: `TypeError: fetch: expected a URL, got undefined`},
		"another scheme":        {Code: `await fetch("file:///etc/passwd")`, Err: `TypeError: fetch: invalid URL "file:///etc/passwd": expected one that begins with http:// or https://`},
		"no host":               {Code: `await fetch("http://")`, Err: `TypeError: fetch: invalid URL "http://": expected an absolute one that begins with http:// or https://`},
		"a bad method":          {Code: `await fetch(B, { method: "a b" })`, Err: `TypeError: fetch: "a b" is not a method`},
		"a bad header":          {Code: `await fetch(B, { headers: { "a b": "c" } })`, Err: `TypeError: fetch: "a b" is not a valid name of a header`},
		"a symbol as a header":  {Code: `await fetch(B, { headers: { a: Symbol("x") } })`, Err: `TypeError: a symbol cannot be the value of a header`},
		"headers of text":       {Code: `await fetch(B, { headers: "x" })`, Err: `TypeError: fetch: expected an object of headers, got string`},
		"an object as body":     {Code: `await fetch(B, { method: "POST", body: {} })`, Err: `TypeError: fetch: body must be a string, an ArrayBuffer, a typed array, a URLSearchParams or a ReadableStream, got Object; use JSON.stringify for objects`},
		"options of text":       {Code: `await fetch(B, "x")`, Err: `TypeError: fetch: expected an object of options, got string`},
		"a method alone":        {Code: `const { text } = await fetch(B + "/404"); await text()`, Err: `TypeError: this method must be called on a Request or a Response, as in response.text()`},
		"setting a field":       {Code: `(await fetch(B + "/404")).status = 1`, Err: `TypeError: status of a response cannot be set`},
		"a refused connection":  {Code: `try { await fetch("http://127.0.0.1:1/") } catch (e) { return e.message }`, Want: `"Get \"http://127.0.0.1:1/\": dial tcp 127.0.0.1:1: connect: connection refused"`},
	})
}

func TestNoLimit(t *testing.T) {
	host, _ := newHost(t, fetch.Options{})
	host.Limits.Body = math.MaxInt64
	host.Run(t, map[string]hosttest.Case{"a body": {Code: `return (await (await fetch(B + "/big")).bytes()).length`, Want: `5000`}})
}

func TestPolicy(t *testing.T) {
	tests := map[string]struct {
		policy fetch.Policy
		forbid func(here netip.AddrPort) []netip.AddrPort
		host   string // in place of 127.0.0.1
		want   string // part of the error; empty if the request must come through
	}{
		"any":                      {},
		"off":                      {policy: fetch.Off, want: "connections are switched off"},
		"public":                   {policy: fetch.Public, want: "only public addresses are"},
		"public, by name":          {policy: fetch.Public, host: "localhost", want: "only public addresses are"},
		"the address":              {forbid: func(a netip.AddrPort) []netip.AddrPort { return []netip.AddrPort{a} }, want: "administrative address"},
		"the address, by name":     {forbid: func(a netip.AddrPort) []netip.AddrPort { return []netip.AddrPort{a} }, host: "localhost", want: "administrative address"},
		"the address, unspecified": {forbid: func(a netip.AddrPort) []netip.AddrPort { return []netip.AddrPort{a} }, host: "0.0.0.0", want: "administrative address"},
		"the address, as IPv6":     {forbid: func(a netip.AddrPort) []netip.AddrPort { return []netip.AddrPort{a} }, host: "[::ffff:127.0.0.1]", want: "administrative address"},
		"a listener on all": {forbid: func(a netip.AddrPort) []netip.AddrPort {
			return []netip.AddrPort{netip.AddrPortFrom(netip.IPv6Unspecified(), a.Port())}
		}, want: "administrative address"},
		"another port": {forbid: func(a netip.AddrPort) []netip.AddrPort { return []netip.AddrPort{netip.AddrPortFrom(a.Addr(), 1)} }},
		"another machine's listener": {forbid: func(a netip.AddrPort) []netip.AddrPort {
			return []netip.AddrPort{netip.AddrPortFrom(netip.MustParseAddr("192.0.2.1"), a.Port())}
		}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := server(t)
			opts := fetch.Options{Policy: tt.policy}
			if tt.forbid != nil {
				opts.Forbidden = tt.forbid(address(srv))
			}
			host := hostFor(t, fetch.New(opts), srv)
			target := srv.URL
			if tt.host != "" {
				target = strings.Replace(srv.URL, "127.0.0.1", tt.host, 1)
			}
			got, err := host.Eval(t, `return (await fetch("`+target+`/404")).status`)
			switch {
			case tt.want == "" && (err != nil || got != "404"):
				t.Errorf("got %s, error %v", got, err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("error %v, want one about %q", err, tt.want)
			}
		})
	}
}

func TestAllowed(t *testing.T) {
	admin := netip.MustParseAddrPort("127.0.0.1:2019")
	tests := map[string]struct {
		policy             fetch.Policy
		target             string
		allowed, forbidden string // parts of the errors; empty if there must be none
	}{
		"any":                           {target: "127.0.0.1:80"},
		"off":                           {policy: fetch.Off, target: "1.1.1.1:80", allowed: "switched off"},
		"public, a public address":      {policy: fetch.Public, target: "1.1.1.1:80"},
		"public, a private address":     {policy: fetch.Public, target: "10.0.0.1:80", allowed: "only public addresses"},
		"public, a translated address":  {policy: fetch.Public, target: "[::ffff:0:10.0.0.1]:80", allowed: "only public addresses"},
		"a forbidden address":           {target: "127.0.0.1:2019", allowed: "administrative", forbidden: "administrative"},
		"a forbidden address, mapped":   {target: "[::ffff:127.0.0.1]:2019", allowed: "administrative", forbidden: "administrative"},
		"a forbidden address under off": {policy: fetch.Off, target: "127.0.0.1:2019", allowed: "administrative", forbidden: "administrative"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			client := fetch.New(fetch.Options{Policy: tt.policy, Forbidden: []netip.AddrPort{admin}})
			defer client.Close()
			target := netip.MustParseAddrPort(tt.target)
			for _, c := range []struct {
				name, want string
				err        error
			}{{"Allowed", tt.allowed, client.Allowed(target)}, {"Forbidden", tt.forbidden, client.Forbidden(target)}} {
				if (c.want == "") != (c.err == nil) || c.err != nil && !strings.Contains(c.err.Error(), c.want) {
					t.Errorf("%s: error %v, want one about %q", c.name, c.err, c.want)
				}
			}
		})
	}
}

func TestRedirectObeysPolicy(t *testing.T) {
	admin := server(t)
	host, _ := newHost(t, fetch.Options{Forbidden: []netip.AddrPort{address(admin)}})
	to := httptest.NewServer(http.RedirectHandler(admin.URL+"/404", http.StatusFound))
	defer to.Close()
	if _, err := host.Eval(t, `return (await fetch("`+to.URL+`")).status`); err == nil || !strings.Contains(err.Error(), "administrative address") {
		t.Errorf("error %v", err)
	}
}

// TestConfigure changes the rules while an answer is being read. Its connection must
// not serve a later request, not even when others have been asked for in between,
// after which net/http keeps connections again.
func TestConfigure(t *testing.T) {
	tests := map[string]struct {
		opts func(netip.AddrPort) fetch.Options
		want string // part of how the later requests end
	}{
		"public":            {func(netip.AddrPort) fetch.Options { return fetch.Options{Policy: fetch.Public} }, "only public addresses are"},
		"off":               {func(netip.AddrPort) fetch.Options { return fetch.Options{Policy: fetch.Off} }, "connections are switched off"},
		"an admin endpoint": {func(a netip.AddrPort) fetch.Options { return fetch.Options{Forbidden: []netip.AddrPort{a}} }, "administrative address"},
		"the same":          {func(netip.AddrPort) fetch.Options { return fetch.Options{} }, "ab"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := server(t)
			client := fetch.New(fetch.Options{})
			host := hostFor(t, client, srv)
			host.Globals = append(host.Globals, native.Function("reload", 0, func(*js.VM, goja.FunctionCall) goja.Value {
				client.Configure(tt.opts(address(srv)))
				return goja.Undefined()
			}))
			got, err := host.Eval(t, `const again = () => fetch(B + "/two").then(r => r.text(), e => e.message);
				const r = await fetch(B + "/two"); reload();
				const between = await again(); if (await r.text() !== "ab") return "the answer was cut off";
				const after = await again(); return between === after ? after : [between, after]`)
			if err != nil || !strings.HasPrefix(got, `"`) || !strings.Contains(got, tt.want) {
				t.Errorf("got %s, error %v, want one about %q", got, err, tt.want)
			}
		})
	}
}

func TestLoading(t *testing.T) {
	client := fetch.New(fetch.Options{})
	defer client.Close()
	engine := js.NewEngine(js.Options{Hooks: []string{"test"}, Globals: []js.Global{client.Global()}})
	_, err := engine.Compile(t.Context(), []js.Source{{Name: "m", Code: []byte(`fetch("http://127.0.0.1"); export function test() {}`)}}, js.Limits{})
	if err == nil || !strings.Contains(err.Error(), "fetch is not available while a module is being loaded") {
		t.Errorf("error %v", err)
	}
}

func TestParsePolicy(t *testing.T) {
	for name, want := range map[string]fetch.Policy{"": fetch.Any, "any": fetch.Any, "public": fetch.Public, "off": fetch.Off} {
		if got, err := fetch.ParsePolicy(name); got != want || err != nil {
			t.Errorf("%q: %v, %v", name, got, err)
		}
	}
	if _, err := fetch.ParsePolicy("on"); err == nil {
		t.Error("no error for an unknown policy")
	}
}
