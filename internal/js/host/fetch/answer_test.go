package fetch_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/dop251/goja"
	"github.com/google/go-cmp/cmp"

	"github.com/dgate-io/caddy-dgate/internal/js"
	"github.com/dgate-io/caddy-dgate/internal/js/host/fetch"
	"github.com/dgate-io/caddy-dgate/internal/js/host/hosttest"
)

// call runs a snippet with a variable request, if that is given, and returns the run
// after it has settled, with what it has returned.
func call(t *testing.T, host hosttest.Host, request *fetch.RequestInit, code string) (*js.VM, *js.Run, goja.Value) {
	t.Helper()
	engine := js.NewEngine(js.Options{Hooks: []string{"test"}, Modules: host.Modules, Globals: host.Globals})
	src := js.Source{Name: "test", Code: []byte(host.Prelude + "\nexport async function test(request) {\n" + code + "\n}")}
	program, err := engine.Compile(t.Context(), []js.Source{src}, host.Limits)
	if err != nil {
		t.Fatal(err)
	}
	pool := engine.NewPool(program, host.Limits, nil)
	t.Cleanup(pool.Close)
	vm, err := pool.Get(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var args []goja.Value
	if request != nil {
		args = append(args, fetch.NewRequest(vm, *request))
	}
	run := vm.Start(t.Context(), 0, t, args...)
	t.Cleanup(func() { run.End(); pool.Put(vm) })
	v, err := run.Wait()
	if err != nil {
		t.Fatal(err)
	}
	return vm, run, v
}

// send is what a hook does with what it has returned: the pieces of the content.
func send(ctx context.Context, vm *js.VM, run *js.Run, v goja.Value) (a *fetch.Answer, pieces []string, err error) {
	var sent goja.Value
	err = run.Do(func() error {
		var err error
		if a, err = fetch.AnswerOf(ctx, v); err == nil && a != nil && a.Scripted() {
			sent = a.Pump(vm, func(data []byte) error {
				if string(data) == "too much" {
					return errors.New("the client has gone")
				}
				pieces = append(pieces, string(data))
				return nil
			})
		}
		return err
	})
	switch {
	case err != nil || a == nil:
	case a.Scripted():
		_, err = run.Await(sent)
	case a.Body != nil:
		defer func() { _ = a.Body.Close() }()
		var data []byte
		data, err = io.ReadAll(a.Body)
		pieces = append(pieces, string(data))
	}
	return a, pieces, err
}

func TestAnswerOf(t *testing.T) {
	host, _ := newHost(t, fetch.Options{})
	tests := map[string]struct {
		code     string
		status   int // 0: no answer
		header   http.Header
		pieces   []string
		scripted bool
		err      string
	}{
		"no Response":          {code: `return { status: 200 }`},
		"nothing":              {code: `return`},
		"text":                 {code: `return new Response("hi", { status: 201, headers: { "X-A": "1" } })`, status: 201, header: http.Header{"X-A": {"1"}, "Content-Type": {"text/plain;charset=UTF-8"}}, pieces: []string{"hi"}},
		"no content":           {code: `return new Response(null, { status: 204 })`, status: 204, header: http.Header{}},
		"cookies":              {code: `const r = new Response(); r.headers.append("set-cookie", "a=1"); r.headers.append("set-cookie", "b=2"); return r`, status: 200, header: http.Header{"Set-Cookie": {"a=1", "b=2"}}},
		"about a connection":   {code: `return new Response(null, { headers: { connection: "x", upgrade: "y", te: "z" } })`, status: 200, header: http.Header{}},
		"a stream":             {code: `let i = 0; return new Response(new ReadableStream({ async pull(c) { await null; i++ < 3 ? c.enqueue("piece " + i) : c.close() } }))`, status: 200, header: http.Header{}, scripted: true, pieces: []string{"piece 1", "piece 2", "piece 3"}},
		"a stream of time":     {code: `return new Response(ReadableStream.from((async function* () { yield "a"; await new Promise(r => setTimeout(r, 1)); yield new Uint8Array([98]) })()))`, status: 200, header: http.Header{}, scripted: true, pieces: []string{"a", "b"}},
		"a stream that fails":  {code: `return new Response(new ReadableStream({ pull(c) { c.enqueue("a"); c.error(new Error("why")) } }, { highWaterMark: 0 }))`, status: 200, header: http.Header{}, scripted: true, pieces: []string{"a"}, err: "Error: why"},
		"a client that leaves": {code: `return new Response(new ReadableStream({ pull(c) { c.enqueue("too much") } }))`, status: 200, header: http.Header{}, scripted: true, err: "Error: the client has gone"},
		"a stream of objects":  {code: `return new Response(new ReadableStream({ pull(c) { c.enqueue({}) } }))`, status: 200, header: http.Header{}, scripted: true, err: "TypeError: a body is a stream of bytes: expected a typed array, an ArrayBuffer or a string as a chunk, got Object"},
		"a stream that hangs":  {code: `return new Response(new ReadableStream({}))`, status: 200, header: http.Header{}, scripted: true, err: "waits for a promise that can never settle"},
		"transformed":          {code: `const { readable, writable } = new TransformStream(), w = writable.getWriter(); w.write("a"); w.write("b"); w.close(); return new Response(readable)`, status: 200, header: http.Header{}, scripted: true, pieces: []string{"a", "b"}},
		"fetched":              {code: `return fetch(B + "/404")`, status: 404, header: http.Header{"Content-Length": {"0"}}},
		"a fetched body":       {code: `const r = await fetch(B + "/big"); return new Response(r.body, { headers: { "X-A": "1" } })`, status: 200, header: http.Header{"X-A": {"1"}}, pieces: []string{strings.Repeat("\x00", 5000)}},
		"its own body again":   {code: `const r = new Response("hi"); return new Response(r.body)`, status: 200, header: http.Header{}, pieces: []string{"hi"}},
		"a clone":              {code: `const r = await fetch(B + "/two"); const t = await r.clone().text(); return new Response(r.body, { headers: { length: t.length } })`, status: 200, header: http.Header{"Length": {"2"}}, scripted: true, pieces: []string{"ab"}},
		"a used one":           {code: `const r = new Response("x"); await r.text(); return r`, err: "body already used"},
		"a locked one":         {code: `const r = new Response("x"); r.body.getReader(); return r`, err: "the body is locked: its stream has a reader"},
		"an error":             {code: `return Response.error()`, err: "the response is a Response.error()"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			vm, run, v := call(t, host, nil, tt.code)
			a, pieces, err := send(t.Context(), vm, run, v)
			text := ""
			if err != nil {
				text = err.Error()
				if failed := js.Errors(err); failed != nil {
					text = failed[0].Message
				}
			}
			if diff := cmp.Diff(tt.err, text); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
			if (a != nil) != (tt.status != 0) {
				t.Fatalf("answer %+v, want status %d", a, tt.status)
			}
			if diff := cmp.Diff(tt.pieces, pieces); diff != "" {
				t.Errorf("pieces (-want +got):\n%s", diff)
			}
			if a == nil {
				return
			}
			a.Header.Del("Date")
			if diff := cmp.Diff(tt.header, a.Header); a.Status != tt.status || a.Scripted() != tt.scripted || diff != "" {
				t.Errorf("status %d, scripted %v, header (-want +got):\n%s", a.Status, a.Scripted(), diff)
			}
		})
	}
}

// TestAnswerOutlivesCall reads an answer after the call has ended, until its client leaves.
func TestAnswerOutlivesCall(t *testing.T) {
	host, s := newStage(t)
	ctx, leave := context.WithCancelCause(t.Context())
	vm, run, v := call(t, host, nil, `return fetch(B + "/stage")`)
	a, err := fetch.AnswerOf(ctx, v)
	if err != nil {
		t.Fatal(err)
	}
	_ = vm
	run.End()
	s.next <- "after the call"
	buf := make([]byte, 100)
	if n, err := io.ReadAtLeast(a.Body, buf, len("after the call")); err != nil || string(buf[:n]) != "after the call" {
		t.Errorf("read %q, error %v", buf[:n], err)
	}
	gone := errors.New("the client has left")
	leave(gone)
	if _, err := a.Body.Read(buf); !errors.Is(err, gone) {
		t.Errorf("error %v", err)
	}
	<-s.left
}

func TestNewRequest(t *testing.T) {
	host, srv := newHost(t, fetch.Options{})
	init := func() *fetch.RequestInit {
		return &fetch.RequestInit{
			Method: "POST", URL: &url.URL{Scheme: "https", Host: "front.example", Path: "/a b", RawQuery: "q=1"}, Host: "front.example",
			Header: http.Header{"X-A": {"1"}, "Connection": {"close"}, "Accept-Encoding": {"br"}, "Content-Type": {"text/x"}},
			Body:   iotest.OneByteReader(strings.NewReader("hello")), Size: 5,
		}
	}
	tests := map[string]struct {
		code, want string
		change     func(*fetch.RequestInit)
	}{
		"fields":                {code: `return [request.method, request.url, request.headers.get("x-a"), request.headers.get("host"), request.redirect, request.signal.aborted, request instanceof Request, request.bodyUsed]`, want: `["POST","https://front.example/a%20b?q=1","1","front.example","manual",false,true,false]`},
		"text":                  {code: `return [await request.text(), request.bodyUsed]`, want: `["hello",true]`},
		"stream":                {code: `const l = []; for await (const c of request.body) l.push(c[0]); return l`, want: `[104,101,108,108,111]`},
		"clone":                 {code: `const c = request.clone(); return [await c.text(), await request.text(), c.headers.get("host")]`, want: `["hello","hello","front.example"]`},
		"no body":               {code: `return [request.body, await request.text()]`, want: `[null,""]`, change: func(r *fetch.RequestInit) { r.Body, r.Size = nil, 0 }},
		"too large, by size":    {code: `return request.text().catch(e => e.message)`, want: `"no more than that"`, change: func(r *fetch.RequestInit) { r.Size, r.TooLarge = 1<<40, errors.New("no more than that") }},
		"too large, when read":  {code: `return request.text().catch(e => e.message)`, want: `"the body is larger than the 4096 bytes that a script may buffer"`, change: func(r *fetch.RequestInit) { r.Size, r.Body = -1, strings.NewReader(strings.Repeat("x", 5000)) }},
		"sent on":               {code: `return (await fetch(B + "/whole", request)).json()`, want: `{"method":"POST","host":"HERE","x":"1","length":5,"body":"hello","type":"text/x","connection":"","encoding":"gzip"}`},
		"sent on, renamed":      {code: `return (await fetch(new Request(B + "/whole", request))).json()`, want: `{"method":"POST","host":"HERE","x":"1","length":5,"body":"hello","type":"text/x","connection":"","encoding":"gzip"}`},
		"sent on, by parts":     {code: `return (await fetch(B + "/whole", { method: request.method, headers: new Headers(request.headers), body: request.body })).json()`, want: `{"method":"POST","host":"HERE","x":"1","length":5,"body":"hello","type":"text/x","connection":"","encoding":"gzip"}`},
		"sent on, another host": {code: `const h = new Headers(request.headers); h.set("host", "other.example"); return (await fetch(B + "/whole", { headers: h })).json()`, want: `{"method":"GET","host":"other.example","x":"1","length":0,"body":"","type":"text/x","connection":"","encoding":"gzip"}`},
		"length not known":      {code: `return (await (await fetch(B + "/whole", request)).json()).length`, want: `-1`, change: func(r *fetch.RequestInit) { r.Size = -1 }},
		"headers are a copy":    {code: `request.headers.set("x-a", "2"); return request.headers.get("x-a")`, want: `"2"`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			request := init()
			if tt.change != nil {
				tt.change(request)
			}
			vm, run, v := call(t, host, request, tt.code)
			var got []byte
			err := run.Do(func() error {
				var err error
				got, err = vm.Stringify(v)
				return err
			})
			want := strings.ReplaceAll(tt.want, "HERE", strings.TrimPrefix(srv.URL, "http://"))
			if diff := cmp.Diff(want, string(got)); diff != "" || err != nil {
				t.Errorf("error %v, result (-want +got):\n%s", err, diff)
			}
			if request.Header.Get("X-A") != "1" {
				t.Error("the script has changed the header it was shown a copy of")
			}
		})
	}
}

// stage is a server of which a test decides what it sends next. left is closed when
// the client has left.
type stage struct {
	next chan string
	left chan struct{}
}

func newStage(t *testing.T) (hosttest.Host, *stage) {
	s := &stage{next: make(chan string), left: make(chan struct{})}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(s.left)
		_ = http.NewResponseController(w).Flush()
		for {
			select {
			case piece, more := <-s.next:
				if !more {
					return
				}
				_, _ = io.WriteString(w, piece)
				_ = http.NewResponseController(w).Flush()
			case <-r.Context().Done():
				return
			}
		}
	}))
	client := fetch.New(fetch.Options{})
	t.Cleanup(func() { client.Close(); srv.Close() })
	return hosttest.Host{
		Globals: globals(client), Prelude: `const B = "` + srv.URL + `";`,
		Limits: js.Limits{Body: 4096, Timeout: 5 * time.Second},
	}, s
}
