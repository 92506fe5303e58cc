package stream_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/dop251/goja"

	"github.com/dgate-io/caddy-dgate/internal/js"
	"github.com/dgate-io/caddy-dgate/internal/js/host/encoding"
	"github.com/dgate-io/caddy-dgate/internal/js/host/hosttest"
	"github.com/dgate-io/caddy-dgate/internal/js/host/native"
	"github.com/dgate-io/caddy-dgate/internal/js/host/stream"
)

// prelude has what many snippets need: sends makes a stream of chunks, all reads one.
const prelude = `
const sends = (...chunks) => new ReadableStream({ start(c) { chunks.forEach(x => c.enqueue(x)); c.close() } });
const all = async (s) => { const r = s.getReader(), l = []; for (;;) { const { value, done } = await r.read(); if (done) return l; l.push(value) } };
const text = async (s) => (await all(s)).map(b => new TextDecoder().decode(b)).join("|");
const fails = (p) => Promise.resolve(p).then(v => "no error: " + v, e => e instanceof Error ? e.name + ": " + e.message : e);
`

// closer tells when it is closed.
type closer struct {
	io.Reader
	closed bool
}

func (c *closer) Close() error { c.closed = true; return nil }

// reads makes a global function that returns a stream of a reader.
func reads(name string, r func(text string) io.Reader) js.Global {
	return native.Function(name, 1, func(vm *js.VM, call goja.FunctionCall) goja.Value {
		return stream.New(vm, io.NopCloser(r(call.Argument(0).String())), nil)
	})
}

var host = hosttest.Host{
	Prelude: prelude,
	Globals: append(append(stream.Globals(), encoding.Globals()...),
		reads("reader", func(text string) io.Reader { return iotest.DataErrReader(strings.NewReader(text)) }),
		reads("trickle", func(text string) io.Reader { return iotest.OneByteReader(strings.NewReader(text)) }),
		reads("broken", func(text string) io.Reader {
			return io.MultiReader(strings.NewReader(text), iotest.ErrReader(errors.New("broken pipe")))
		}),
		native.Function("isStream", 1, func(vm *js.VM, call goja.FunctionCall) goja.Value {
			return vm.Runtime().ToValue(stream.Is(vm, call.Argument(0)))
		}),
		native.Function("take", 1, func(vm *js.VM, call goja.FunctionCall) goja.Value {
			r, ok := stream.Take(vm, call.Argument(0).ToObject(vm.Runtime()))
			if !ok {
				return goja.Null()
			}
			data, err := io.ReadAll(r)
			if err != nil {
				vm.Throw(err)
			}
			return vm.Runtime().ToValue(string(data))
		}),
		native.Function("each", 1, func(vm *js.VM, call goja.FunctionCall) goja.Value {
			var b strings.Builder
			return stream.Each(vm, call.Argument(0).ToObject(vm.Runtime()), func(data []byte) goja.Value {
				if string(data) == "stop" {
					vm.Throw(errors.New("stopped"))
				}
				b.WriteString("<" + string(data) + ">")
				return goja.Undefined()
			}, func() goja.Value { return vm.Runtime().ToValue(b.String()) })
		}),
		native.Function("teeForGo", 1, func(vm *js.VM, call goja.FunctionCall) goja.Value {
			a, b := stream.Tee(vm, call.Argument(0).ToObject(vm.Runtime()))
			return vm.Runtime().NewArray(a, b)
		}),
	),
}

func TestReadable(t *testing.T) {
	host.Run(t, map[string]hosttest.Case{
		"enqueued and closed":    {Code: `return all(sends(1, 2, 3))`, Want: `[1,2,3]`},
		"pulled":                 {Code: `let i = 0; return all(new ReadableStream({ pull(c) { i++ < 3 ? c.enqueue(i) : c.close() } }))`, Want: `[1,2,3]`},
		"pulled, async":          {Code: `let i = 0; return all(new ReadableStream({ async pull(c) { await null; i++ < 3 ? c.enqueue(i) : c.close() } }))`, Want: `[1,2,3]`},
		"pulled on demand only":  {Code: `let n = 0; const s = new ReadableStream({ pull(c) { n++; c.enqueue(n) } }, { highWaterMark: 0 }); await null; await null; const before = n; await s.getReader().read(); return [before, n]`, Want: `[0,1]`},
		"filled to the mark":     {Code: `let n = 0; new ReadableStream({ pull(c) { n++; c.enqueue(n) } }, { highWaterMark: 3 }); for (let i = 0; i < 20; i++) await null; return n`, Want: `3`},
		"start is awaited":       {Code: `const l = []; const s = new ReadableStream({ async start() { await null; l.push("start") }, pull(c) { l.push("pull"); c.close() } }); await all(s); return l`, Want: `["start","pull"]`},
		"start throws":           {Code: `new ReadableStream({ start() { throw new Error("x") } })`, Err: `Error: x`},
		"start rejects":          {Code: `return fails(all(new ReadableStream({ async start() { throw new Error("x") } })))`, Want: `"Error: x"`},
		"pull throws":            {Code: `return fails(all(new ReadableStream({ pull() { throw new Error("x") } })))`, Want: `"Error: x"`},
		"error":                  {Code: `let c; const s = new ReadableStream({ start(x) { c = x } }); c.enqueue(1); c.error("why"); const r = s.getReader(); return [await fails(r.read()), await fails(r.closed), c.desiredSize]`, Want: `["why","why",null]`},
		"desiredSize":            {Code: `let c; const s = new ReadableStream({ start(x) { c = x } }, { highWaterMark: 2 }); const l = [c.desiredSize]; c.enqueue(1); l.push(c.desiredSize); c.enqueue(2); c.enqueue(3); l.push(c.desiredSize); await s.cancel(); l.push(c.desiredSize); return l`, Want: `[2,1,-1,0]`},
		"a size":                 {Code: `let c; const s = new ReadableStream({ start(x) { c = x } }, { highWaterMark: 10, size: x => x.length }); c.enqueue("abc"); return c.desiredSize`, Want: `7`},
		"a bad size":             {Code: `let c; new ReadableStream({ start(x) { c = x } }, { size: () => -1 }); c.enqueue(1)`, Err: `RangeError: the size of a chunk is -1, expected a number that is not negative`},
		"a bad mark":             {Code: `new ReadableStream({}, { highWaterMark: -1 })`, Err: `RangeError: highWaterMark is -1, expected a number that is not negative`},
		"enqueue after close":    {Code: `let c; new ReadableStream({ start(x) { c = x } }); c.close(); c.enqueue(1)`, Err: `TypeError: enqueue: the stream is closed`},
		"close twice":            {Code: `let c; new ReadableStream({ start(x) { c = x } }); c.close(); c.close()`, Err: `TypeError: close: the stream is closed`},
		"close keeps the queue":  {Code: `return all(sends("a"))`, Want: `["a"]`},
		"no object":              {Code: `new ReadableStream(1)`, Err: `TypeError: ReadableStream: expected an object with start, pull and cancel`},
		"pull is no function":    {Code: `new ReadableStream({ pull: 1 })`, Err: `TypeError: ReadableStream: pull is no function`},
		"locked":                 {Code: `const s = sends(); const before = s.locked; const r = s.getReader(); const during = s.locked; r.releaseLock(); return [before, during, s.locked]`, Want: `[false,true,false]`},
		"two readers":            {Code: `const s = sends(); s.getReader(); s.getReader()`, Err: `TypeError: the stream is locked: it has a reader already`},
		"byob":                   {Code: `sends().getReader({ mode: "byob" })`, Err: `TypeError: getReader: mode byob is not supported`},
		"a reader by class":      {Code: `return (await new ReadableStreamDefaultReader(sends(7)).read()).value`, Want: `7`},
		"a reader of nothing":    {Code: `new ReadableStreamDefaultReader({})`, Err: `TypeError: ReadableStreamDefaultReader: expected a ReadableStream`},
		"closed":                 {Code: `const r = sends(1).getReader(); await r.read(); return [await r.closed]`, Want: `[null]`},
		"released":               {Code: `const s = new ReadableStream(), r = s.getReader(); const p = r.read(); for (const again of [0, 1]) r.releaseLock(); return [await fails(p), await fails(r.read()), await fails(r.closed), await fails(r.cancel())]`, Want: `["TypeError: the reader has released its lock","TypeError: read: the reader has released its lock","TypeError: the reader has released its lock","TypeError: cancel: the reader has released its lock"]`},
		"released and read on":   {Code: `const s = sends(1, 2); const r = s.getReader(); await r.read(); r.releaseLock(); return all(s)`, Want: `[2]`},
		"cancel":                 {Code: `let why; const s = new ReadableStream({ cancel(r) { why = r } }); await s.cancel("bye"); return [why, await all(s)]`, Want: `["bye",[]]`},
		"cancel throws":          {Code: `return fails(new ReadableStream({ cancel() { throw new Error("x") } }).cancel())`, Want: `"Error: x"`},
		"cancel by the reader":   {Code: `let why; const r = new ReadableStream({ cancel(x) { why = x } }).getReader(); const p = r.read(); await r.cancel("bye"); return [why, await p]`, Want: `["bye",{"done":true}]`},
		"cancel of a locked one": {Code: `const s = sends(); s.getReader(); return fails(s.cancel())`, Want: `"TypeError: cancel: the stream is locked"`},
		"cancel of a failed one": {Code: `const s = new ReadableStream({ start(c) { c.error("x") } }); return fails(s.cancel())`, Want: `"x"`},
		"for await":              {Code: `const l = []; for await (const x of sends(1, 2)) l.push(x); return l`, Want: `[1,2]`},
		"for await, left":        {Code: `let why = "none"; const s = new ReadableStream({ pull(c) { c.enqueue(1) }, cancel() { why = "cancelled" } }); for await (const x of s) break; return [why, s.locked]`, Want: `["cancelled",false]`},
		"for await, fails":       {Code: `const s = new ReadableStream({ pull(c) { c.error(new Error("x")) } }); return fails((async () => { for await (const x of s); })())`, Want: `"Error: x"`},
		"values, kept":           {Code: `const s = sends(1, 2, 3); for await (const x of s.values({ preventCancel: true })) break; return all(s)`, Want: `[2,3]`},
		"from an array":          {Code: `return all(ReadableStream.from([1, Promise.resolve(2)]))`, Want: `[1,2]`},
		"from a generator":       {Code: `async function* g() { yield 1; yield 2 } return all(ReadableStream.from(g()))`, Want: `[1,2]`},
		"from nothing":           {Code: `ReadableStream.from(1)`, Err: `TypeError: ReadableStream.from: expected something that can be iterated`},
		"tee":                    {Code: `const [a, b] = sends(1, 2).tee(); return [await all(a), await all(b)]`, Want: `[[1,2],[1,2]]`},
		"tee, side by side":      {Code: `const [a, b] = sends(1, 2).tee(); return Promise.all([all(a), all(b)])`, Want: `[[1,2],[1,2]]`},
		"tee, one cancelled":     {Code: `let why = "none"; const s = new ReadableStream({ start(c) { c.enqueue(1); c.close() }, cancel() { why = "cancelled" } }); const [a, b] = s.tee(); await a.cancel(); return [await all(b), why]`, Want: `[[1],"none"]`},
		"tee, both cancelled":    {Code: `let why; const [a, b] = new ReadableStream({ cancel(r) { why = r } }).tee(); await Promise.all([a.cancel(1), b.cancel(2)]); return why`, Want: `[1,2]`},
		"tee, one left early":    {Code: `const [a, b] = sends(1, 2, 3).tee(); for await (const x of a) break; return all(b)`, Want: `[1,2,3]`},
		"tee, cancel fails":      {Code: `const [a, b] = new ReadableStream({ cancel() { throw new Error("x") } }).tee(); await a.cancel(); return fails(b.cancel())`, Want: `"Error: x"`},
		"tee, fails":             {Code: `const [a, b] = new ReadableStream({ pull(c) { c.error("x") } }).tee(); return [await fails(all(a)), await fails(all(b))]`, Want: `["x","x"]`},
		"tee of a locked one":    {Code: `const s = sends(); s.getReader(); s.tee()`, Err: `TypeError: the stream is locked: it has a reader already`},
		"class":                  {Code: `return [ReadableStream.name, String(sends()), isStream(sends()), isStream({}), isStream(1), ReadableStream.state]`, Want: `["ReadableStream","[object ReadableStream]",true,false,false,null]`},
		"a controller":           {Code: `let c; new ReadableStream({ start(x) { c = x } }); new c.constructor()`, Err: `TypeError: Illegal constructor`},
		"never settles":          {Code: `await new ReadableStream().getReader().read()`, Err: `waits for a promise that can never settle`},
	})
}

func TestWritable(t *testing.T) {
	const sink = `const log = []; let fail; const sink = { start() { log.push("start") }, async write(x) { await null; if (x === fail) throw new Error("no " + x); log.push(x) }, close() { log.push("close") }, abort(r) { log.push("abort " + r) } };`
	host.Prelude += sink
	host.Run(t, map[string]hosttest.Case{
		"written":               {Code: `const w = new WritableStream(sink).getWriter(); w.write(1); w.write(2); await w.close(); await w.closed; return log`, Want: `["start",1,2,"close"]`},
		"no sink":               {Code: `const w = new WritableStream().getWriter(); await w.write(1); await w.close(); return w.desiredSize`, Want: `0`},
		"backpressure":          {Code: `const w = new WritableStream(sink).getWriter(); await w.ready; const l = [w.desiredSize]; w.write(1); l.push(w.desiredSize); let ready = false; const p = w.ready.then(() => { ready = true }); await null; l.push(ready); await p; return [...l, log]`, Want: `[1,0,false,["start",1]]`},
		"write fails":           {Code: `fail = 1; const w = new WritableStream(sink).getWriter(); const a = fails(w.write(1)), b = fails(w.write(2)); return [await a, await b, await fails(w.write(3)), await fails(w.closed), await fails(w.ready), w.desiredSize]`, Want: `["Error: no 1","Error: no 1","Error: no 1","Error: no 1","Error: no 1",null]`},
		"start fails":           {Code: `const w = new WritableStream({ async start() { throw new Error("x") } }).getWriter(); return fails(w.write(1))`, Want: `"Error: x"`},
		"close fails":           {Code: `const w = new WritableStream({ close() { throw new Error("x") } }).getWriter(); return [await fails(w.close()), await fails(w.closed)]`, Want: `["Error: x","Error: x"]`},
		"write after close":     {Code: `const w = new WritableStream(sink).getWriter(); w.close(); return [await fails(w.write(1)), await fails(w.close())]`, Want: `["TypeError: write: the stream is closed","TypeError: close: the stream is closed"]`},
		"abort":                 {Code: `const w = new WritableStream(sink).getWriter(); await null; const a = w.write(1), b = fails(w.write(2)); const c = w.abort("why"); await a; return [await b, await c, await fails(w.closed), log]`, Want: `["why",null,"why",["start",1,"abort why"]]`},
		"abort of the stream":   {Code: `const s = new WritableStream(sink); await s.abort("why"); return [log, await fails(s.getWriter().closed)]`, Want: `[["start","abort why"],"why"]`},
		"close of the stream":   {Code: `const s = new WritableStream(sink); await s.close(); return [log, s.locked]`, Want: `[["start","close"],false]`},
		"locked":                {Code: `const s = new WritableStream(sink), w = s.getWriter(); const l = [s.locked, await fails(s.close()), await fails(s.abort())]; for (const again of [0, 1]) w.releaseLock(); return [...l, s.locked, await fails(w.write(1)), await fails(w.closed)]`, Want: `[true,"TypeError: close: the stream is locked","TypeError: abort: the stream is locked",false,"TypeError: write: the writer has released its lock","TypeError: the writer has released its lock"]`},
		"two writers":           {Code: `const s = new WritableStream(sink); s.getWriter(); new WritableStreamDefaultWriter(s)`, Err: `TypeError: the stream is locked: it has a writer already`},
		"a writer of nothing":   {Code: `new WritableStreamDefaultWriter(1)`, Err: `TypeError: WritableStreamDefaultWriter: expected a WritableStream`},
		"error":                 {Code: `let c; const w = new WritableStream({ start(x) { c = x } }).getWriter(); c.error("why"); return [await fails(w.write(1)), await fails(w.ready)]`, Want: `["why","why"]`},
		"a bad size":            {Code: `return fails(new WritableStream(sink, { size: () => NaN }).getWriter().write(1))`, Want: `"RangeError: the size of a chunk is NaN, expected a number that is not negative"`},
		"no object":             {Code: `new WritableStream(1)`, Err: `TypeError: WritableStream: expected an object with start, write, close and abort`},
		"pipeTo":                {Code: `await sends(1, 2).pipeTo(new WritableStream(sink)); return log`, Want: `["start",1,2,"close"]`},
		"pipeTo, kept open":     {Code: `const s = new WritableStream(sink); await sends(1).pipeTo(s, { preventClose: true }); return [log, s.locked]`, Want: `[["start",1],false]`},
		"pipeTo, target fails":  {Code: `fail = 1; let why; const s = new ReadableStream({ pull(c) { c.enqueue(1) }, cancel(r) { why = r.message } }); return [await fails(s.pipeTo(new WritableStream(sink))), why, s.locked]`, Want: `["Error: no 1","no 1",false]`},
		"pipeTo, source fails":  {Code: `const s = new ReadableStream({ pull(c) { c.error("x") } }); return [await fails(s.pipeTo(new WritableStream(sink))), log]`, Want: `["x",["start","abort x"]]`},
		"pipeTo, target closed": {Code: `const s = new WritableStream(sink); await s.close(); return fails(sends(1).pipeTo(s))`, Want: `"TypeError: pipeTo: the target is closed"`},
		"pipeTo nothing":        {Code: `return [await fails(sends().pipeTo({})), await fails((() => { const s = sends(); s.getReader(); return s.pipeTo(new WritableStream()) })())]`, Want: `["TypeError: pipeTo: expected a WritableStream","TypeError: pipeTo: the stream is locked"]`},
	})
}

func TestTransform(t *testing.T) {
	host.Run(t, map[string]hosttest.Case{
		"identity":         {Code: `return all(sends(1, 2).pipeThrough(new TransformStream()))`, Want: `[1,2]`},
		"transformed":      {Code: `return all(sends(1, 2).pipeThrough(new TransformStream({ transform(x, c) { c.enqueue(x); c.enqueue(x * 10) }, flush(c) { c.enqueue("end") } })))`, Want: `[1,10,2,20,"end"]`},
		"async":            {Code: `return all(sends(1, 2).pipeThrough(new TransformStream({ async transform(x, c) { await null; c.enqueue(x * 2) } })))`, Want: `[2,4]`},
		"start":            {Code: `return all(sends(1).pipeThrough(new TransformStream({ async start(c) { await null; c.enqueue(0) } })))`, Want: `[0,1]`},
		"written by hand":  {Code: `const { readable, writable } = new TransformStream(), w = writable.getWriter(); const done = (async () => { await w.write("a"); await w.write("b"); await w.close() })(); const l = await all(readable); await done; return l`, Want: `["a","b"]`},
		"nothing is lost":  {Code: `const n = 30, s = ReadableStream.from(Array.from({ length: n }, (_, i) => i)); return (await all(s.pipeThrough(new TransformStream()).pipeThrough(new TransformStream({}, undefined, { highWaterMark: 3 })))).length`, Want: `30`},
		"transform throws": {Code: `const t = new TransformStream({ transform() { throw "x" } }); const w = t.writable.getWriter(); const a = fails(w.write(1)); return [await fails(all(t.readable)), await a, await fails(w.closed)].join()`, Want: `"x,x,x"`},
		"flush throws":     {Code: `return fails(all(sends(1).pipeThrough(new TransformStream({ flush() { throw new Error("x") } }))))`, Want: `"Error: x"`},
		"error":            {Code: `return fails(all(sends(1).pipeThrough(new TransformStream({ transform(x, c) { c.error("why") } }))))`, Want: `"why"`},
		"terminate":        {Code: `let why; const s = new ReadableStream({ pull(c) { c.enqueue(1) }, cancel(r) { why = r.message } }); const l = await all(s.pipeThrough(new TransformStream({ transform(x, c) { c.enqueue(x); c.terminate() } }))); await null; return [l, why]`, Want: `[[1],"the transformation has ended"]`},
		"reader cancels":   {Code: `let why; const t = new TransformStream({ cancel(r) { why = r } }), w = t.writable.getWriter(); await t.readable.cancel("bye"); return [why, await fails(w.write(1))]`, Want: `["bye","bye"]`},
		"writer aborts":    {Code: `const t = new TransformStream(), r = t.readable.getReader(); await t.writable.abort("bye"); return fails(r.read())`, Want: `"bye"`},
		"no object":        {Code: `new TransformStream(1)`, Err: `TypeError: TransformStream: expected an object with start, transform and flush`},
		"through nothing":  {Code: `sends().pipeThrough({})`, Err: `TypeError: pipeThrough: expected an object with readable and writable`},
		"encoder":          {Code: `return (await all(sends("a", "\ud834", "\udd1e", "\ud834").pipeThrough(new TextEncoderStream()))).map(b => Array.from(b))`, Want: `[[97],[240,157,132,158],[239,191,189]]`},
		"decoder":          {Code: `return all(sends(new Uint8Array([97, 195]), new Uint8Array([188])).pipeThrough(new TextDecoderStream()))`, Want: `["a","ü"]`},
		"decoder's fields": {Code: `const d = new TextDecoderStream("utf8", { fatal: true }); return [d.encoding, d.fatal, d.ignoreBOM, new TextEncoderStream().encoding]`, Want: `["utf-8",true,false,"utf-8"]`},
		"strategies":       {Code: `return [new CountQueuingStrategy({ highWaterMark: 3 }).size(), new CountQueuingStrategy({ highWaterMark: 3 }).highWaterMark, new ByteLengthQueuingStrategy({ highWaterMark: 9 }).size(new Uint8Array(5))]`, Want: `[1,3,5]`},
		"class":            {Code: `return [String(new TransformStream()), String(new WritableStream())]`, Want: `["[object TransformStream]","[object WritableStream]"]`},
	})
}

func TestGoStreams(t *testing.T) {
	host.Run(t, map[string]hosttest.Case{
		"read":                  {Code: `return text(reader("hello"))`, Want: `"hello"`},
		"nothing":               {Code: `return text(reader(""))`, Want: `""`},
		"in chunks":             {Code: `return (await all(reader("x".repeat(40000)))).reduce((n, b) => n + b.length, 0)`, Want: `40000`},
		"fails":                 {Code: `const r = broken("a").getReader(); const first = await r.read(); return [first.value.length, await fails(r.read())]`, Want: `[1,"Error: broken pipe"]`},
		"taken":                 {Code: `const s = reader("a"); return [take(s), s.locked, take(s)]`, Want: `["a",true,null]`},
		"not taken when read":   {Code: `const s = reader("a"), r = s.getReader(); await r.read(); r.releaseLock(); return take(s)`, Want: `null`},
		"not taken when locked": {Code: `const s = reader("a"); s.getReader(); return take(s)`, Want: `null`},
		"not taken of scripts":  {Code: `return take(sends("a"))`, Want: `null`},
		"each":                  {Code: `return each(sends("a", new Uint8Array([98]), new Uint8Array([99]).buffer))`, Want: `"<a><b><c>"`},
		"each, fails":           {Code: `let why; const s = new ReadableStream({ pull(c) { c.enqueue("stop") }, cancel(r) { why = r.message } }); return [await fails(each(s)), why]`, Want: `["Error: stopped","stopped"]`},
		"each of no bytes":      {Code: `return fails(each(sends({})))`, Want: `"TypeError: a body is a stream of bytes: expected a typed array, an ArrayBuffer or a string as a chunk, got Object"`},
		"each of a locked one":  {Code: `const s = sends(); s.getReader(); return fails(each(s))`, Want: `"TypeError: the stream is locked: it has a reader already"`},
		"tee copies":            {Code: `const [a, b] = teeForGo(sends(new Uint8Array([1]))); const x = (await all(a))[0]; x[0] = 9; return (await all(b))[0][0]`, Want: `1`},
		"piped":                 {Code: `return all(trickle("ab").pipeThrough(new TextDecoderStream()))`, Want: `["a","b"]`},
		"read and close":        {Code: `const s = trickle("abc"); const l = [(await s.read())[0], (await s.read())[0]]; await s.close(); return [...l, await s.read()]`, Want: `[97,98,null]`},
		"no class, no stream":   {Code: `return isStream({})`, Want: `false`},
	})
}

func TestCancelCloses(t *testing.T) {
	r := &closer{Reader: strings.NewReader("a")}
	host := host
	host.Globals = append(stream.Globals(), native.Function("reader", 0, func(vm *js.VM, _ goja.FunctionCall) goja.Value { return stream.New(vm, r, nil) }))
	host.Prelude = ""
	if _, err := host.Eval(t, `await reader().cancel()`); err != nil || !r.closed {
		t.Errorf("closed %v, error %v", r.closed, err)
	}
}
