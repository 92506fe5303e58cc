package fetch_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"

	"github.com/dop251/goja"

	"github.com/dgate-io/caddy-dgate/internal/js"
	"github.com/dgate-io/caddy-dgate/internal/js/host/fetch"
	"github.com/dgate-io/caddy-dgate/internal/js/host/hosttest"
	"github.com/dgate-io/caddy-dgate/internal/js/host/native"
)

// onStage has scripts say what the server of the stage sends next: next(text), and
// next() for the end.
func onStage(t *testing.T) (hosttest.Host, *stage) {
	host, s := newStage(t)
	host.Globals = append(host.Globals, native.Function("next", 1, func(vm *js.VM, call goja.FunctionCall) goja.Value {
		if len(call.Arguments) == 0 {
			close(s.next)
			return goja.Undefined()
		}
		vm.Blocking(func() { s.next <- call.Argument(0).String() })
		return goja.Undefined()
	}))
	host.Prelude += `const text = (b) => new TextDecoder().decode(b); const fails = (p) => p.then(v => "no error: " + v, e => e instanceof Error ? e.name + ": " + e.message : e);`
	return host, s
}

// TestStreaming reads answers while they are being made. Each case has a server that
// sends only what the script has asked for, so what is buffered anywhere hangs.
func TestStreaming(t *testing.T) {
	tests := map[string]struct {
		hosttest.Case
		left bool // whether the request must have been cancelled
	}{
		"chunk by chunk":          {Case: hosttest.Case{Code: `const r = (await fetch(B)).body.getReader(), l = []; for (const x of ["a", "b"]) { next(x); l.push(text((await r.read()).value)) } next(); return [...l, (await r.read()).done]`, Want: `["a","b",true]`}},
		"a pull before a chunk":   {Case: hosttest.Case{Code: `const r = (await fetch(B)).body.getReader(), p = r.read(); next("a"); return text((await p).value)`, Want: `"a"`}, left: true},
		"iterated":                {Case: hosttest.Case{Code: `const l = []; next; const r = await fetch(B); next("a"); for await (const c of r.body) { l.push(text(c)); l.length < 3 ? next("a" + l.length) : next() } return l`, Want: `["a","a1","a2"]`}},
		"transformed":             {Case: hosttest.Case{Code: `const r = await fetch(B); const s = r.body.pipeThrough(new TextDecoderStream()).pipeThrough(new TransformStream({ transform(x, c) { c.enqueue(x.toUpperCase()) } })).getReader(); next("a"); const one = await s.read(); next("b"); return [one.value, (await s.read()).value]`, Want: `["A","B"]`}, left: true},
		"cloned":                  {Case: hosttest.Case{Code: `const r = await fetch(B), c = r.clone(); next("a"); next(); return [await r.text(), await c.text(), r.bodyUsed, c.bodyUsed]`, Want: `["a","a",true,true]`}},
		"a clone is not read":     {Case: hosttest.Case{Code: `const r = await fetch(B), c = r.clone(); next("a"); next(); return [await r.text(), c.bodyUsed]`, Want: `["a",false]`}},
		"cancelled":               {Case: hosttest.Case{Code: `const r = await fetch(B); await r.body.cancel(); return r.bodyUsed`, Want: `true`}, left: true},
		"cancelled by a reader":   {Case: hosttest.Case{Code: `const r = (await fetch(B)).body.getReader(); next("a"); await r.read(); await r.cancel(); return (await r.read()).done`, Want: `true`}, left: true},
		"left in the middle":      {Case: hosttest.Case{Code: `const r = await fetch(B); next("a"); for await (const c of r.body) return text(c)`, Want: `"a"`}, left: true},
		"never read":              {Case: hosttest.Case{Code: `return (await fetch(B)).status`, Want: `200`}, left: true},
		"never awaited":           {Case: hosttest.Case{Code: `const r = await fetch(B); r.text(); return 1`, Want: `1`}, left: true},
		"both halves cancelled":   {Case: hosttest.Case{Code: `const [a, b] = (await fetch(B)).body.tee(); await Promise.all([a.cancel(), b.cancel()]); return 1`, Want: `1`}, left: true},
		"aborted before":          {Case: hosttest.Case{Code: `return fails(fetch(B, { signal: AbortSignal.abort() }))`, Want: `"AbortError: The operation was aborted."`}},
		"aborted with a reason":   {Case: hosttest.Case{Code: `return fails(fetch(B, { signal: AbortSignal.abort("why") }))`, Want: `"why"`}},
		"aborted while reading":   {Case: hosttest.Case{Code: `const c = new AbortController(), r = await fetch(B, { signal: c.signal }); const p = r.text(); next("a"); c.abort(); return fails(p)`, Want: `"AbortError: The operation was aborted."`}, left: true},
		"aborted in a stream":     {Case: hosttest.Case{Code: `const c = new AbortController(), r = (await fetch(B, { signal: c.signal })).body.getReader(); next("a"); await r.read(); const p = r.read(); c.abort("why"); return [await fails(p), await fails(r.read())]`, Want: `["why","why"]`}, left: true},
		"aborted, then read":      {Case: hosttest.Case{Code: `const c = new AbortController(), r = await fetch(B, { signal: c.signal }); c.abort(new Error("why")); return fails(r.text())`, Want: `"Error: why"`}, left: true},
		"timed out in the body":   {Case: hosttest.Case{Code: `const r = await fetch(B, { signal: AbortSignal.timeout(300) }); return fails(r.text())`, Want: `"TimeoutError: The operation timed out."`}, left: true},
		"the signal of a Request": {Case: hosttest.Case{Code: `const c = new AbortController(), q = new Request(B, { signal: c.signal }), r = await fetch(q); c.abort("why"); return [q.signal === c.signal, q.signal.aborted, await fails(r.text())]`, Want: `[true,true,"why"]`}, left: true},
		"a signal taken away":     {Case: hosttest.Case{Code: `const c = new AbortController(), q = new Request(B, { signal: c.signal }), r = await fetch(q, { signal: null }); c.abort(); next("a"); next(); return r.text()`, Want: `"a"`}},
		"no signal":               {Case: hosttest.Case{Code: `return fails(fetch(B, { signal: {} }))`, Want: `"TypeError: fetch: signal must be an AbortSignal, got Object"`}},
		"too large":               {Case: hosttest.Case{Code: `const r = await fetch(B); const p = fails(r.text()); next("x".repeat(5000)); return p`, Want: `"Error: the body is larger than the 4096 bytes that a script may buffer"`}, left: true},
		"too large, as a clone":   {Case: hosttest.Case{Code: `const r = await fetch(B), c = r.clone(); const p = fails(r.text()); c.body.cancel(); next("x".repeat(5000)); return p`, Want: `"Error: the body is larger than the 4096 bytes that a script may buffer"`}, left: true},
		"a whole body, locked":    {Case: hosttest.Case{Code: `const r = await fetch(B); r.body.getReader(); return [await fails(r.text()), r.bodyUsed]`, Want: `["TypeError: the body is locked: its stream has a reader",false]`}, left: true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			host, s := onStage(t)
			host.Run(t, map[string]hosttest.Case{"script": tt.Case})
			if tt.left {
				t.Cleanup(func() { <-s.left }) // hangs if the server is never told
			}
		})
	}
}

// TestUpload sends bodies that scripts make while they are being sent.
func TestUpload(t *testing.T) {
	got := make(chan string)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/early" {
			w.WriteHeader(http.StatusRequestEntityTooLarge)
			return
		}
		if r.URL.Path == "/whole" {
			body, err := io.ReadAll(r.Body)
			fmt.Fprintf(w, "%s %d %v %v", body, r.ContentLength, err, r.Header.Get("Content-Type"))
			return
		}
		for lines := bufio.NewScanner(r.Body); lines.Scan(); {
			got <- lines.Text()
		}
	}))
	client := fetch.New(fetch.Options{})
	t.Cleanup(func() { client.Close(); srv.Close() })
	host := hosttest.Host{
		Globals: append(globals(client), native.Function("received", 0, func(vm *js.VM, _ goja.FunctionCall) goja.Value {
			var line string
			vm.Blocking(func() { line = <-got })
			return vm.Runtime().ToValue(line)
		})),
		Prelude: `const B = "` + srv.URL + `"; const fails = (p) => p.then(v => "no error: " + v, e => e instanceof Error ? e.name + ": " + e.message : e);`,
	}
	host.Run(t, map[string]hosttest.Case{
		"a stream":                {Code: `return (await fetch(B + "/whole", { method: "POST", body: ReadableStream.from(["a", new Uint8Array([98])]), duplex: "half" })).text()`, Want: `"ab -1 <nil> "`},
		"with a type":             {Code: `return (await fetch(B + "/whole", { method: "POST", body: ReadableStream.from(["a"]), headers: { "content-type": "t/x" } })).text()`, Want: `"a -1 <nil> t/x"`},
		"an empty one":            {Code: `return (await fetch(B + "/whole", { method: "POST", body: ReadableStream.from([]) })).text()`, Want: `" -1 <nil> "`},
		"while it is made":        {Code: `let c; const s = new ReadableStream({ start(x) { c = x } }); const p = fetch(B, { method: "POST", body: s }); const l = []; for (const x of ["a", "b"]) { c.enqueue(x + "\n"); await new Promise(r => setTimeout(r)); l.push(received()) } c.close(); return [l, (await p).status]`, Want: `[["a","b"],200]`},
		"an answer as a request":  {Code: `const r = await fetch(B + "/whole", { method: "POST", body: "x" }); return (await fetch(B + "/whole", { method: "POST", body: r.body })).text()`, Want: `"x 1 <nil> text/plain;charset=UTF-8 34 <nil> "`},
		"a stream that fails":     {Code: `return fails(fetch(B + "/whole", { method: "POST", body: new ReadableStream({ pull(c) { c.error(new RangeError("why")) } }) }))`, Want: `"RangeError: why"`},
		"chunks of no bytes":      {Code: `return fails(fetch(B + "/whole", { method: "POST", body: ReadableStream.from([{}]) }))`, Want: `"TypeError: a body is a stream of bytes: expected a typed array, an ArrayBuffer or a string as a chunk, got Object"`},
		"a locked stream":         {Code: `const s = ReadableStream.from([]); s.getReader(); return fails(fetch(B, { method: "POST", body: s }))`, Want: `"TypeError: the body is locked: its stream has a reader"`},
		"a stream twice":          {Code: `const r = new Request(B + "/whole", { method: "POST", body: ReadableStream.from(["a"]) }); await fetch(r); return [r.bodyUsed, await fails(fetch(r))]`, Want: `[true,"TypeError: body already used"]`},
		"aborted":                 {Code: `const c = new AbortController(); const p = fetch(B + "/whole", { method: "POST", body: new ReadableStream(), signal: c.signal }); c.abort("why"); return fails(p)`, Want: `"why"`},
		"no connection":           {Code: `return (await fails(fetch("http://127.0.0.1:1", { method: "POST", body: ReadableStream.from(["a"]) }))).includes("refused")`, Want: `true`},
		"an answer that is early": {Code: `return (await fetch(B + "/early", { method: "POST", body: new ReadableStream({ async pull(c) { await new Promise(r => setTimeout(r)); c.enqueue("x".repeat(1000)) } }) })).status`, Want: `413`},
	})
}

// TestNothingLeaks cancels requests in all states, and waits until nothing of them is left.
func TestNothingLeaks(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/silent":
		case "/upload":
			_, _ = io.Copy(io.Discard, r.Body) // a server that does not read cannot tell that the client has left
		default:
			_, _ = io.WriteString(w, "begin")
			_ = http.NewResponseController(w).Flush()
		}
		<-r.Context().Done()
	}))
	defer srv.Close()
	client := fetch.New(fetch.Options{})
	defer client.Close()
	host := hosttest.Host{Globals: globals(client), Prelude: `const B = "` + srv.URL + `";`}
	for name, code := range map[string]string{
		"waits for the head":   `fetch(B + "/silent")`,
		"waits for the body":   `(await fetch(B)).text()`,
		"waits for a chunk":    `const r = (await fetch(B)).body.getReader(); await r.read(); r.read()`,
		"a body that is piped": `fetch(B + "/upload", { method: "POST", body: new ReadableStream({ pull(c) { c.enqueue("x".repeat(100000)) } }) }); await new Promise(r => setTimeout(r, 5))`,
		"nothing is read":      `await fetch(B)`,
		"a clone":              `const r = await fetch(B), c = r.clone(); c.text(); await r.body.getReader().read()`,
		"aborted":              `const c = new AbortController(); const r = await fetch(B, { signal: c.signal }); const p = r.text().catch(() => 0); c.abort(); await p`,
	} {
		if _, err := host.Eval(t, code); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	client.Close()
	for running() { // the test's own limit of time ends this
		runtime.Gosched()
	}
}

// running tells whether a goroutine works for a script.
func running() bool {
	buf := make([]byte, 1<<20)
	stacks := string(buf[:runtime.Stack(buf, true)])
	for stack := range strings.SplitSeq(stacks, "\n\n") {
		if strings.Contains(stack, "js.Async") || strings.Contains(stack, "host/fetch.(*") {
			return true
		}
	}
	return false
}
