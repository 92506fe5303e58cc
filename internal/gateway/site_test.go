package gateway_test

import (
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"

	"github.com/dgate-io/caddy-dgate/internal/gateway"
	"github.com/dgate-io/caddy-dgate/internal/js"
	"github.com/dgate-io/caddy-dgate/internal/js/host"
	"github.com/dgate-io/caddy-dgate/internal/js/host/fetch"
	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// newSite runs one module.
func newSite(t testing.TB, code string, limits js.Limits) *gateway.Site {
	t.Helper()
	site, err := trySite(t, limits, &resource.Module{Name: "m.ts", Payload: []byte(code)})
	if err != nil {
		t.Fatal(err)
	}
	return site
}

func trySite(t testing.TB, limits js.Limits, modules ...*resource.Module) (*gateway.Site, error) {
	t.Helper()
	return loggedSite(t, zap.NewNop(), limits, modules...)
}

func loggedSite(t testing.TB, log *zap.Logger, limits js.Limits, modules ...*resource.Module) (*gateway.Site, error) {
	t.Helper()
	if limits.CPU == 0 {
		limits.CPU = time.Second // machines that run tests are slow
	}
	client := fetch.New(fetch.Options{})
	t.Cleanup(client.Close)
	deps := host.Deps{Fetch: client}
	g := gateway.New(js.Options{Modules: host.Modules(deps), Globals: host.Globals(deps)}, gateway.Options{Logger: log})
	site, err := g.NewSite(t.Context(), gateway.SiteOptions{Modules: modules, Limits: limits})
	if err == nil {
		t.Cleanup(site.Close)
	}
	return site, err
}

// serve puts a site in front of next, on a real server. Errors are answered as Caddy does it.
func serve(t testing.TB, site *gateway.Site, next gateway.Next) *httptest.Server {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := site.Serve(w, r, "192.0.2.1", new(gateway.Trace), next)
		if err == nil {
			return
		}
		status := http.StatusInternalServerError
		if se, ok := errors.AsType[*gateway.StatusError](err); ok {
			status = se.Status
		}
		w.WriteHeader(status)
	}))
	t.Cleanup(srv.Close)
	return srv
}

// get gives status, headers and body of a page in one string, without what changes.
func get(t testing.TB, srv *httptest.Server, method string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, srv.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept-Encoding", "br, gzip")
	resp, err := srv.Client().Do(req)
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close() //nolint:errcheck // it was read
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err.Error()
	}
	resp.Header.Del("Date")
	var head strings.Builder
	_ = resp.Header.Write(&head)
	out := fmt.Sprintf("%d %s|%s", resp.StatusCode, strings.TrimSpace(strings.ReplaceAll(head.String(), "\r\n", " ")), body)
	for _, name := range slices.Sorted(maps.Keys(resp.Trailer)) {
		out += fmt.Sprintf("|%s: %s", name, resp.Trailer.Get(name))
	}
	return out
}

// say answers with some text, in two writes and with a length.
func say(text string) gateway.Next {
	return func(w http.ResponseWriter, _ *http.Request) error {
		w.Header().Set("Content-Type", "text/plain")
		w.Header().Set("Content-Length", fmt.Sprint(len(text)))
		half := len(text) / 2
		_, _ = io.WriteString(w, text[:half])
		_, err := io.WriteString(w, text[half:])
		return err
	}
}

func TestSite(t *testing.T) {
	const modifier = "const text = (b) => new TextDecoder().decode(b); export const responseModifier = async (ctx, up) => {"
	zipped := func(w http.ResponseWriter, r *http.Request) error {
		if got := r.Header.Get("Accept-Encoding"); got != "gzip" {
			return fmt.Errorf("asked for %q", got)
		}
		w.Header().Set("Content-Encoding", "gzip")
		zip := gzip.NewWriter(w)
		_, _ = io.WriteString(zip, "zipped")
		return zip.Close()
	}
	trailers := func(w http.ResponseWriter, _ *http.Request) error {
		w.Header().Set("Trailer", "X-Sum")
		_, err := io.WriteString(w, "body")
		w.Header().Set("X-Sum", "4")
		w.Header().Set(http.TrailerPrefix+"X-More", "5")
		return err
	}
	stream := func(w http.ResponseWriter, _ *http.Request) error {
		w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
		_, err := io.WriteString(w, "data: 1\n\n")
		return err
	}
	refuses := func(status int) gateway.Next {
		return func(w http.ResponseWriter, _ *http.Request) error {
			w.Header().Set("X-Next", "yes")
			return &gateway.StatusError{Status: status, Err: errors.New("next refuses")}
		}
	}
	abort := func(w http.ResponseWriter, _ *http.Request) error {
		for {
			if _, err := w.Write(make([]byte, 1000)); err != nil {
				panic(http.ErrAbortHandler) // as the reverse proxy does it
			}
		}
	}
	// twice writes again when a timer of the hook is due.
	twice := func(w http.ResponseWriter, r *http.Request) error {
		w.Header().Set("Content-Type", "text/plain")
		w.Header().Set("Content-Length", "4")
		_, _ = io.WriteString(w, "ne")
		time.Sleep(10 * time.Millisecond) //nolint:forbidigo // as a slow upstream does
		_, err := io.WriteString(w, "xt")
		return err
	}
	// patient writes until nobody listens any more.
	patient := func(w http.ResponseWriter, r *http.Request) error {
		for {
			if _, err := w.Write(nil); err != nil {
				return err
			}
			time.Sleep(50 * time.Millisecond) //nolint:forbidigo // as a slow upstream does
		}
	}
	// stalls writes a part and then waits for the rest, as the reverse proxy does.
	stalls := func(w http.ResponseWriter, r *http.Request) error {
		_, _ = io.WriteString(w, "a")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	}
	plain := "Content-Length: 4 Content-Type: text/plain|"
	tests := map[string]struct {
		code   string
		next   gateway.Next
		method string
		want   string
	}{
		"requestModifier":                  {code: `export const requestModifier = (ctx) => { ctx.response().headers.set("X-A", "b") }`, want: "200 Content-Length: 4 Content-Type: text/plain X-A: b|next"},
		"requestModifier answers":          {code: `export const requestModifier = (ctx) => ctx.response().status(401).send("no")`, want: "401 Content-Length: 2 Content-Type: text/plain; charset=utf-8|no"},
		"requestModifier throws":           {code: `export const requestModifier = (ctx) => { ctx.response().headers.set("X-A", "b"); throw 1 }`, want: "500 Content-Length: 0|"},
		"requestHandler":                   {code: `export const requestHandler = (ctx) => ctx.response().send(ctx.request().remoteAddress)`, want: "200 Content-Length: 9 Content-Type: text/plain; charset=utf-8|192.0.2.1"},
		"requestHandler writes nothing":    {code: `export const requestHandler = () => {}`, want: "204 |"},
		"a Response that fails at once":    {code: `export const requestHandler = () => new Response(new ReadableStream({ start(c) { c.enqueue({}) } }), { headers: { "X-A": "b" } })`, want: "500 Content-Length: 0|"},
		"a Response that never begins":     {code: `export const requestHandler = () => new Response(new ReadableStream({ pull: () => new Promise(() => {}) })); export const errorHandler = (ctx) => ctx.response().send("sorry")`, want: "200 Content-Length: 5 Content-Type: text/plain; charset=utf-8|sorry"},
		"a Response that breaks off":       {code: `let n = 0; export const requestHandler = () => new Response(new ReadableStream({ pull(c) { if (n++ % 2) throw 1; c.enqueue("a") } }))`, want: "unexpected EOF"},
		"there is no service and no route": {code: `export const requestHandler = (ctx) => ctx.response().json([ctx.service(), ctx.route(), ctx.namespace().name])`, want: `200 Content-Length: 21 Content-Type: application/json|[null,null,"default"]`},
		"an endless loop":                  {code: `export const requestModifier = () => { for (;;); }`, want: "500 Content-Length: 0|"},

		"header":                          {code: modifier + `up.headers.set("X-A", up.headers.get("content-type"))}`, want: "200 Content-Length: 4 Content-Type: text/plain X-A: text/plain|next"},
		"header, later":                   {code: modifier + `await new Promise((r) => setTimeout(r, 2)); up.headers.set("X-A", "b")}`, want: "200 Content-Length: 4 Content-Type: text/plain X-A: b|next"},
		"status":                          {code: modifier + `up.statusCode = 404}`, want: "404 " + plain + "next"},
		"reading":                         {code: modifier + `up.headers.set("X-A", text(await up.readBody()))}`, want: "200 Content-Length: 4 Content-Type: text/plain X-A: next|next"},
		"reading and writing":             {code: modifier + `up.writeBody(text(await up.readBody()) + "!")}`, want: "200 Content-Length: 5 Content-Type: text/plain|next!"},
		"writing":                         {code: modifier + `up.writeBody("other")}`, want: "200 Content-Length: 5 Content-Type: text/plain|other"},
		"writing nothing":                 {code: modifier + `up.writeBody("")}`, want: "200 Content-Length: 0 Content-Type: text/plain|"},
		"no content":                      {code: modifier + `up.status(204)}`, want: "204 Content-Type: text/plain|"},
		"a length by script":              {code: modifier + `up.headers.set("Content-Length", "1"); up.headers.set("Connection", "close")}`, want: "200 " + plain + "next"},
		"a length and a body by script":   {code: modifier + `up.writeBody("other"); up.headers.set("Content-Length", "1")}`, want: "200 Content-Length: 5 Content-Type: text/plain|other"},
		"answering":                       {code: `let r; export const requestModifier = (ctx) => { r = ctx.response() };` + modifier + `r.status(403).send("denied")}`, want: "403 Content-Length: 6 Content-Type: text/plain|denied"},
		"throwing":                        {code: modifier + `throw new Error("x")}`, want: "500 Content-Length: 0|"},
		"throwing after reading":          {code: modifier + `await up.readBody(); throw new Error("x")}`, want: "500 Content-Length: 0|"},
		"throwing at an endless answer":   {code: modifier + `throw new Error("x")}`, next: abort, want: "500 Content-Length: 0|"},
		"reading too much":                {code: modifier + `await up.readBody()}`, next: say(strings.Repeat("x", 100)), want: "500 Content-Length: 0|"},
		"reading too much, and goes on":   {code: modifier + `await up.readBody().catch(() => up.headers.set("X-A", "big"))}`, next: say(strings.Repeat("x", 100)), want: "200 Content-Length: 100 Content-Type: text/plain X-A: big|" + strings.Repeat("x", 100)},
		"reading, but not for long":       {code: modifier + `await Promise.race([up.readBody(), new Promise((r) => setTimeout(r, 1))]); up.headers.set("X-A", "b")}`, next: twice, want: "200 Content-Length: 4 Content-Type: text/plain X-A: b|next"},
		"a Response":                      {code: modifier + `return new Response("other", { status: 201, headers: { "X-A": "b" } })}`, want: "201 Content-Length: 5 Content-Type: text/plain;charset=UTF-8 X-A: b|other"},
		"a Response after reading":        {code: modifier + `return new Response(await up.readBody())}`, want: "200 Content-Length: 4 Content-Type: text/plain; charset=utf-8|next"},
		"a Response to HEAD":              {code: modifier + `return new Response("other")}`, method: "HEAD", want: "200 Content-Length: 5 Content-Type: text/plain;charset=UTF-8|"},
		"reading for longer than allowed": {code: modifier + `await up.readBody()}`, next: patient, want: "500 Content-Length: 0|"},
		"reading what never ends":         {code: modifier + `await up.readBody()}`, next: stalls, want: "500 Content-Length: 0|"},
		"errorHandler of what never ends": {code: modifier + `await up.readBody()}; export const errorHandler = (ctx, e) => ctx.response().status(504).send("slow")`, next: stalls, want: "504 Content-Length: 4 Content-Type: text/plain; charset=utf-8|slow"},
		"reading without waiting for it":  {code: modifier + `up.readBody()}`, want: "200 " + plain + "next"},
		"HEAD":                            {code: modifier + `up.headers.set("X-A", (await up.readBody()).byteLength)}`, method: "HEAD", want: "200 Content-Length: 4 Content-Type: text/plain X-A: 4|"},
		"HEAD, reading and writing":       {code: modifier + `up.writeBody(text(await up.readBody()) + "!")}`, method: "HEAD", want: "200 Content-Type: text/plain|"},
		"HEAD, writing":                   {code: modifier + `up.writeBody("other")}`, method: "HEAD", want: "200 Content-Length: 5 Content-Type: text/plain|"},
		"gzip":                            {code: modifier + `up.headers.set("X-A", text(await up.readBody()))}`, next: zipped, want: "200 Content-Encoding: gzip Content-Length: 30 X-A: zipped|" + gzipped(t, "zipped")},
		"gzip, writing":                   {code: modifier + `up.writeBody(text(await up.readBody()) + "?")}`, next: zipped, want: "200 Content-Length: 7 Content-Type: text/plain; charset=utf-8|zipped?"},
		"trailers":                        {code: modifier + `up.headers.set("X-A", "b")}`, next: trailers, want: "200 Content-Type: text/plain; charset=utf-8 X-A: b|body|X-More: 5|X-Sum: 4"},
		"trailers, reading":               {code: modifier + `up.headers.set("X-A", text(await up.readBody()))}`, next: trailers, want: "200 Content-Type: text/plain; charset=utf-8 X-A: body|body|X-More: 5|X-Sum: 4"},
		"trailers, writing":               {code: modifier + `up.writeBody("other")}`, next: trailers, want: "200 Content-Length: 5 Content-Type: text/plain; charset=utf-8|other"},
		"event stream":                    {code: modifier + `up.headers.set("X-A", "b")}`, next: stream, want: "200 Content-Length: 9 Content-Type: text/event-stream; charset=utf-8 X-A: b|data: 1\n\n"},
		"event stream, reading":           {code: modifier + `up.headers.set("X-A", await up.readBody().catch((e) => "no end"))}`, next: stream, want: "200 Content-Length: 9 Content-Type: text/event-stream; charset=utf-8 X-A: no end|data: 1\n\n"},
		"event stream, writing":           {code: modifier + `up.writeBody("other")}`, next: stream, want: "200 Content-Length: 5 Content-Type: text/event-stream; charset=utf-8|other"},
		"nothing written":                 {code: modifier + `up.headers.set("X-A", "b")}`, next: func(http.ResponseWriter, *http.Request) error { return nil }, want: "200 Content-Length: 0 X-A: b|"},
		"nothing written, writing":        {code: modifier + `up.writeBody("x")}`, next: func(http.ResponseWriter, *http.Request) error { return nil }, want: "200 Content-Length: 1 Content-Type: text/plain; charset=utf-8|x"},
		"next fails":                      {code: modifier + `}`, next: refuses(404), want: "404 Content-Length: 0 X-Next: yes|"},

		"errorHandler":                 {code: `export const errorHandler = (ctx, e) => ctx.response().status(418).send(e.status + " " + e.message)`, next: refuses(404), want: "418 Content-Length: 16 Content-Type: text/plain; charset=utf-8 X-Next: yes|404 next refuses"},
		"errorHandler, no error":       {code: `export const errorHandler = (ctx, e) => ctx.response().status(418).send(e.message)`, want: "200 " + plain + "next"},
		"errorHandler writes nothing":  {code: `export const errorHandler = () => {}`, next: refuses(404), want: "404 Content-Length: 0 X-Next: yes|"},
		"errorHandler throws":          {code: `export const errorHandler = () => { throw 1 }`, next: refuses(404), want: "404 Content-Length: 0 X-Next: yes|"},
		"errorHandler of a hook":       {code: modifier + `throw new Error("x")}; export const errorHandler = (ctx, e) => ctx.response().status(418).send(e.message)`, want: "418 Content-Length: 1 Content-Type: text/plain; charset=utf-8|x"},
		"errorHandler after holding":   {code: modifier + `await up.readBody()}; export const errorHandler = (ctx, e) => ctx.response().send("sorry")`, next: cut(refuses(502)), want: "200 Content-Length: 5 Content-Type: text/plain; charset=utf-8|sorry"},
		"errorHandler, too late":       {code: `export const errorHandler = (ctx, e) => ctx.response().send("sorry")`, next: cut(refuses(502)), want: "200 Content-Length: 4 Content-Type: text/plain; charset=utf-8|half"},
		"errorHandler of a plain next": {code: `export const errorHandler = (ctx, e) => ctx.response().send(e.message)`, next: func(http.ResponseWriter, *http.Request) error { return errors.New("plain") }, want: "200 Content-Length: 5 Content-Type: text/plain; charset=utf-8|plain"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			next := tt.next
			if next == nil {
				next = say("next")
			}
			method := tt.method
			if method == "" {
				method = http.MethodGet
			}
			srv := serve(t, newSite(t, tt.code, js.Limits{Body: 50, Timeout: 500 * time.Millisecond, VMs: 1}), next)
			for range 2 { // on a new VM, and on a used one
				if diff := cmp.Diff(tt.want, get(t, srv, method)); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			}
		})
	}
}

// cut writes something before next.
func cut(next gateway.Next) gateway.Next {
	return func(w http.ResponseWriter, r *http.Request) error {
		w.Header().Set("Content-Length", "4")
		_, _ = io.WriteString(w, "half")
		w.Header().Del("Content-Length")
		err := next(w, r)
		w.Header().Del("X-Next")
		return err
	}
}

func gzipped(t *testing.T, text string) string {
	t.Helper()
	var out strings.Builder
	zip := gzip.NewWriter(&out)
	_, _ = io.WriteString(zip, text)
	if err := zip.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// What has arrived is sent on before there is more, also where a hook has looked at the header.
func TestSiteFlushes(t *testing.T) {
	for name, code := range map[string]string{
		"responseModifier": `export const responseModifier = (ctx, up) => {}`,
		"errorHandler":     `export const errorHandler = () => {}`,
		"requestModifier":  `export const requestModifier = () => {}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			arrived := make(chan struct{})
			srv := serve(t, newSite(t, code, js.Limits{}), func(w http.ResponseWriter, _ *http.Request) error {
				if err := http.NewResponseController(w).Flush(); err != nil {
					return err
				}
				<-arrived
				_, _ = io.WriteString(w, "a\n")
				w.(http.Flusher).Flush()
				<-arrived
				_, err := io.WriteString(w, "b\n")
				return err
			})
			resp, err := srv.Client().Get(srv.URL)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close() //nolint:errcheck // it was read
			arrived <- struct{}{}
			lines := bufio.NewScanner(resp.Body)
			lines.Scan()
			arrived <- struct{}{}
			if lines.Text() != "a" || !lines.Scan() || lines.Text() != "b" || lines.Scan() {
				t.Errorf("last line %q", lines.Text())
			}
		})
	}
}

// An upgraded connection is nobody's answer, and neither is what comes before an answer.
func TestSiteUpgrade(t *testing.T) {
	site := newSite(t, `export const responseModifier = (ctx, up) => { throw new Error("called") }
		export const errorHandler = () => {}`, js.Limits{})
	for name, begin := range map[string]func(w http.ResponseWriter){
		"by status":   func(w http.ResponseWriter) { w.WriteHeader(http.StatusSwitchingProtocols) },
		"by hijacker": func(http.ResponseWriter) {},
	} {
		t.Run(name, func(t *testing.T) {
			srv := serve(t, site, func(w http.ResponseWriter, _ *http.Request) error {
				w.Header().Set("Connection", "Upgrade")
				w.Header().Set("Upgrade", "echo")
				begin(w)
				conn, buf, err := http.NewResponseController(w).Hijack()
				if err != nil {
					return err
				}
				defer conn.Close() //nolint:errcheck // it was written
				if name == "by hijacker" {
					_, _ = buf.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
				}
				_, _ = buf.WriteString("hello\n")
				return buf.Flush()
			})
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, srv.URL, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Connection", "Upgrade")
			req.Header.Set("Upgrade", "echo")
			resp, err := srv.Client().Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close() //nolint:errcheck // it was read
			line, err := bufio.NewReader(resp.Body).ReadString('\n')
			if resp.StatusCode != http.StatusSwitchingProtocols || line != "hello\n" {
				t.Errorf("%s %q %v", resp.Status, line, err)
			}
		})
	}
}

func TestSiteEarlyHints(t *testing.T) {
	srv := serve(t, newSite(t, `export const responseModifier = (ctx, up) => { up.headers.set("X-Status", up.statusCode) }`, js.Limits{}),
		func(w http.ResponseWriter, r *http.Request) error {
			w.Header().Set("Link", "</a.css>; rel=preload")
			w.WriteHeader(http.StatusEarlyHints)
			return say("next")(w, r)
		})
	var hints []int
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got1xxResponse: func(code int, _ textproto.MIMEHeader) error {
		hints = append(hints, code)
		return nil
	}})
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, srv.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := srv.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // nobody reads it
	if len(hints) != 1 || hints[0] != 103 || resp.Header.Get("X-Status") != "200" {
		t.Errorf("hints %v, header %v", hints, resp.Header)
	}
}

// A handler that panics while the hook waits for its body leaves a site that works.
func TestSitePanic(t *testing.T) {
	site := newSite(t, `export const responseModifier = async (ctx, up) => { await up.readBody() }`, js.Limits{VMs: 1})
	var works atomic.Bool
	srv := serve(t, site, func(w http.ResponseWriter, r *http.Request) error {
		if !works.Load() {
			_, _ = io.WriteString(w, "half")
			panic(http.ErrAbortHandler)
		}
		return say("next")(w, r)
	})
	for range 3 {
		if _, err := srv.Client().Get(srv.URL); err == nil { //nolint:bodyclose // there is none
			t.Error("half an answer looked like a whole one")
		}
	}
	works.Store(true)
	if got := get(t, srv, http.MethodGet); got != "200 Content-Length: 4 Content-Type: text/plain|next" {
		t.Error(got)
	}
}

// What cannot work on a site is refused when it is loaded, all at once.
func TestSiteRefuses(t *testing.T) {
	tests := map[string]struct {
		code, helper, want string
	}{
		"syntax":          {code: "export const requestHandler = (", want: "m.ts:1:32: "},
		"top level":       {code: "\nthrow new TypeError('x')", want: "m.ts:2:7: TypeError: x"},
		"no hook":         {code: "export const requestModifer = () => {}", want: "m.ts: has none of the hooks"},
		"fetchUpstream":   {code: "export const fetchUpstream = () => ''", want: "there is no service here"},
		"not a function":  {code: "export const requestHandler = 1", want: "m.ts:1:14: requestHandler must be a function"},
		"unknown import":  {code: "import 'x'; export const requestHandler = () => {}", want: `module "x" not found`},
		"a broken helper": {code: "export const requestHandler = () => {}", helper: "let", want: "h.ts:1:"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := trySite(t, js.Limits{}, &resource.Module{Name: "m.ts", Payload: []byte(tt.code)}, &resource.Module{Name: "h.ts", Payload: []byte(tt.helper)})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}

// Modules that do not work do not replace those that do; requests never see anything in between.
func TestSiteReplace(t *testing.T) {
	answering := func(text string) []*resource.Module {
		return []*resource.Module{{Name: "m.ts", Payload: []byte(text)}}
	}
	site := newSite(t, `export const requestHandler = (ctx) => ctx.response().send("0")`, js.Limits{})
	srv := serve(t, site, say("next"))
	ctx, stop := context.WithCancel(t.Context())
	var traffic sync.WaitGroup
	for range 4 {
		traffic.Go(func() {
			for ctx.Err() == nil {
				if got := get(t, srv, http.MethodGet); !strings.HasPrefix(got, "200") {
					t.Error(got)
				}
			}
		})
	}
	for i := range 20 {
		if err := site.Replace(t.Context(), answering(fmt.Sprintf(`export const requestHandler = (ctx) => ctx.response().send("%d")`, i))); err != nil {
			t.Error(err)
		}
		if err := site.Replace(t.Context(), answering("export {")); err == nil {
			t.Error("accepted")
		}
		if got := get(t, srv, http.MethodGet); !strings.HasSuffix(got, fmt.Sprint("|", i)) {
			t.Errorf("after %d: %s", i, got)
		}
	}
	stop()
	traffic.Wait()
}

// What is wrong with the body of a request is the client's fault, whoever reads it.
func TestSiteBadBody(t *testing.T) {
	for name, code := range map[string]string{
		"requestModifier": `export const requestModifier = async (ctx) => { await ctx.request().readBody() }`,
		"a Worker":        `export default { async fetch(r) { return new Response(await r.text()) } }`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := serve(t, newSite(t, code, js.Limits{}), say("next"))
			conn, err := net.Dial("tcp", srv.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close() //nolint:errcheck // it was read
			_, _ = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nno length\r\n")
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close() //nolint:errcheck // nobody reads it
			if resp.StatusCode != http.StatusBadRequest {
				t.Error(resp.Status)
			}
			limited := httptest.NewServer(http.MaxBytesHandler(srv.Config.Handler, 3))
			defer limited.Close()
			resp, err = limited.Client().Post(limited.URL, "text/plain", strings.NewReader("text"))
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close() //nolint:errcheck // nobody reads it
			if resp.StatusCode != http.StatusRequestEntityTooLarge {
				t.Error(resp.Status)
			}
		})
	}
}
