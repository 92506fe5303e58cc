package js

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/dop251/goja"
)

// TestLimits runs scripts that want more than they get. Each must end in time,
// with the right kind, and leave its VM unusable.
func TestLimits(t *testing.T) {
	lim := Limits{CPU: 60 * time.Millisecond, Heap: 64 << 20}
	// The machine may be slow and the race detector is.
	patient := Limits{CPU: 5 * time.Minute, Heap: 32 << 20, Timeout: 5 * time.Minute}
	tests := map[string]struct {
		lim  Limits
		code string
		kind Kind
	}{
		"loop":                 {lim, `for (;;);`, CPU},
		"loop, caught":         {lim, `try { for (;;); } catch {} finally { for (;;); }`, CPU},
		"loop in async":        {lim, `return (async () => { await null; for (;;); })()`, CPU},
		"loop in then":         {lim, `return Promise.resolve().then(() => { for (;;); })`, CPU},
		"loop in timer":        {lim, `return new Promise(r => setTimeout(() => { for (;;); }))`, CPU},
		"loop in getter":       {lim, `return JSON.stringify({ get a() { for (;;); } })`, CPU},
		"loop in toString":     {lim, `throw { toString() { for (;;); }, get a() { for (;;); } }`, CPU},
		"loop in sort":         {lim, `[3, 2, 1].sort(() => { for (;;); })`, CPU},
		"loop in generator":    {lim, `const g = function* () { for (;;) yield 1 }; for (const x of g());`, CPU},
		"loop after go work":   {lim, `return later("x").then(() => { for (;;); })`, CPU},
		"endless microtasks":   {lim, `const f = () => Promise.resolve().then(f); return f()`, CPU},
		"endless await":        {lim, `return (async () => { for (;;) await null })()`, CPU},
		"endless timers":       {lim, `return new Promise(() => { const f = () => setTimeout(f); f() })`, CPU},
		"endless immediates":   {lim, `return new Promise(() => { const f = () => setImmediate(f); f() })`, CPU},
		"backtracking":         {lim, `return /^(a+)+(?=$)/.test("a".repeat(40) + "b")`, CPU},
		"backtracking, sticky": {lim, `const r = /(a+)+$/g; r.lastIndex = 1; return r.test("a".repeat(40) + "b")`, CPU},
		"backtracking, new":    {lim, `return new RegExp("^(a+)+(?=$)").test("a".repeat(40) + "b")`, CPU},
		"array":                {patient, `const a = []; for (;;) a.push({})`, Heap},
		"string":               {patient, `let a = "x"; for (;;) a += a`, Heap},
		"map":                  {patient, `const m = new Map(); for (let i = 0; ; i++) m.set(i, [i])`, Heap},
		"closures":             {patient, `const a = []; for (let i = 0; ; i++) a.push(() => i)`, Heap},
		"typed arrays":         {patient, `const a = []; for (;;) a.push(new Uint8Array(4 << 20))`, Heap},
		"over many awaits":     {patient, `return (async () => { const a = []; for (;;) { for (let i = 0; i < 3000; i++) a.push({ i }); await later("x") } })()`, Heap},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			start := cpuTime(time.Now())
			res := call(t, newTestEngine(), tt.lim, ts("import { later } from 'dgate/test'\nexport function requestHandler() { "+tt.code+" }"))
			if res.err == nil || res.err.Kind != tt.kind {
				t.Fatalf("got %v %q, want kind %v", res.err, res.value, tt.kind)
			}
			if !res.vm.dead {
				t.Error("the VM may run again")
			}
			if d := cpuTime(time.Now()) - start; d > 20*time.Second {
				t.Errorf("took %v", d)
			}
		})
	}
}

// TestBacktrackingIsNoMatch sees to it that a script cannot take a match that
// ran out of time for one that failed, whatever its limit.
func TestBacktrackingIsNoMatch(t *testing.T) {
	for _, cpu := range []time.Duration{20 * time.Millisecond, 100 * time.Millisecond, 300 * time.Millisecond} {
		start := time.Now()
		res := call(t, newTestEngine(), Limits{CPU: cpu}, ts(`export function requestHandler() { return /^(a+)+(?=$)/.test("a".repeat(40) + "b") ? "match" : "no match" }`))
		if res.err == nil || res.err.Kind != CPU {
			t.Errorf("limit %v: got %q, %v", cpu, res.value, res.err)
		}
		t.Logf("limit %v: %v", cpu, time.Since(start))
	}
}

// TestOneCallBombs are single calls that would end the process or not return.
func TestOneCallBombs(t *testing.T) {
	tests := map[string]string{
		"repeat":            `"x".repeat(2 ** 33)`,
		"repeat, computed":  `"x"["rep" + "eat"](2 ** 33)`,
		"padEnd":            `"x".padEnd(2 ** 40)`,
		"padStart":          `"x".padStart(2 ** 40, "ab")`,
		"join":              `Array(100).fill("x".repeat(1e6)).join("")`,
		"join, nested":      `const a = Array(1000).fill("x".repeat(1e3)); Array(100).fill(a).join("")`,
		"join, sparse":      `new Array(2 ** 28).join("ab")`,
		"join, toString":    `String(new Array(2 ** 28))`,
		"fill":              `Array(2e8).fill(1)`,
		"fill, computed":    `[]["fi" + "ll"].call({ length: 2 ** 50 }, 1)`,
		"from":              `Array.from({ length: 2 ** 31 })`,
		"replace":           `"a".repeat(1e3).replace(/a/g, "b".repeat(1e6))`,
		"replaceAll":        `"a".repeat(1e3).replaceAll("a", "b".repeat(1e6))`,
		"replace, dollars":  `"a".repeat(1e4).replace(/a/g, "$'$'")`,
		"ArrayBuffer":       `new ArrayBuffer(2 ** 40)`,
		"Uint8Array":        `new Uint8Array(2 ** 34)`,
		"Float64Array":      `new Float64Array({ length: 2 ** 34 })`,
		"array, computed":   `new globalThis["Uint" + "8Array"](2 ** 34)`,
		"array constructor": `new (new Uint8Array(1)).constructor(2 ** 34)`,
		"array of":          `Uint8Array.from({ length: 2 ** 34 })`,
		"eval":              `eval("(".repeat(5e6))`,
		"indirect eval":     `(0, eval)("[".repeat(1e7))`,
		"Function":          `new Function("!".repeat(1e7) + "1")`,
		"async Function":    `(async () => {}).constructor("1")`,
		"JSON.parse":        `JSON.parse("[".repeat(3e6))`,
	}
	for name, code := range tests {
		t.Run(name, func(t *testing.T) {
			start := cpuTime(time.Now())
			res := call(t, newTestEngine(), Limits{CPU: 3 * time.Second, Timeout: 5 * time.Minute}, ts("export function requestHandler() { "+code+"; return 'survived' }"))
			if res.err == nil || res.err.Kind != Throw {
				t.Errorf("got %q, %v, want an exception", res.value, res.err)
			}
			if d := cpuTime(time.Now()) - start; d > 20*time.Second {
				t.Errorf("took %v", d)
			}
		})
	}
}

// TestHostileSources are sources that make parsers or goja's loader do harm.
func TestHostileSources(t *testing.T) {
	tests := map[string]string{
		"map of zeros":         "let a\n//# sourceMappingURL=file:///dev/zero",
		"map of zeros, up":     "let a\n//# sourceMappingURL=../../../../../../../dev/zero",
		"map in legal comment": "/*! @license\n//# sourceMappingURL=file:///dev/zero\n*/\nlet a",
		"map in a string":      "export const requestHandler = () => `\n//# sourceMappingURL=file:///dev/zero`",
		"map as last":          "export const requestHandler = () => `\n//# sourceMappingURL=file:///dev/zero\n",
		"tsconfig":             "/* @jsx h */ let a\n//@ sourceURL=/dev/zero",
		"no text":              "\x00\xff\xfe",
		"import of a file":     "import '/etc/passwd'",
		"import of a data URL": "import a from 'data:text/javascript,export default 1'; a",
		"import of a URL":      "import 'https://example.com/a.js'",
		"import attributes":    "import a from './a.json' with { type: 'json' }; a",
	}
	for name, code := range tests {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			_, err := newTestEngine().Compile(ctx, []Source{ts(code)}, Limits{})
			t.Log(err)
			if ctx.Err() != nil {
				t.Error("did not end")
			}
			if strings.Contains(name, "import") && KindOf(err) != Import {
				t.Errorf("got %v, want kind import", err)
			}
		})
	}
	if err := precheck(Source{Name: "big", Code: make([]byte, MaxSource+1)}); KindOf(err) != TooLarge {
		t.Errorf("got %v, want kind too_large", err)
	}
}

// TestTopLevel runs the limits against what happens when a module is loaded.
func TestTopLevel(t *testing.T) {
	tests := map[string]struct {
		code string
		kind Kind
	}{
		"loop":     {`for (;;);`, CPU},
		"overflow": {`const f = () => f(); f()`, Stack},
		"panic":    {`import { panics } from "dgate/test"; panics()`, Panic},
		"throws":   {`throw 1`, Throw},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			e := newTestEngine()
			if _, err := e.Compile(t.Context(), []Source{ts(tt.code)}, Limits{}); KindOf(err) != tt.kind {
				t.Errorf("got %v, want kind %v", err, tt.kind)
			}
			if len(e.dog.slots) != 0 {
				t.Error("the watchdog still has the VM")
			}
		})
	}
}

// TestCancelInterrupts has the caller go while the script computes.
func TestCancelInterrupts(t *testing.T) {
	e := newTestEngine()
	vm := newTestVM(t, e, Limits{}, `export function requestHandler() { for (;;); }`)
	vm.slot.cpu = ticks(time.Minute)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	start := time.Now()
	run := vm.Start(ctx, 0, nil)
	if _, err := run.Wait(); KindOf(err) != Timeout && KindOf(err) != Cancelled {
		t.Errorf("got %v", err)
	}
	run.End()
	if d := time.Since(start); d > 50*time.Second {
		t.Errorf("took %v", d)
	}
}

// TestBlocking does not count Go work as computing.
func TestBlocking(t *testing.T) {
	e := NewEngine(Options{Hooks: testHooks, Globals: []Global{{"block", func(vm *VM) goja.Value {
		return vm.Func("block", 0, func(goja.FunctionCall) goja.Value {
			done := make(chan struct{})
			time.AfterFunc(200*time.Millisecond, func() { close(done) })
			vm.Blocking(func() { <-done })
			return goja.Undefined()
		})
	}}}})
	res := call(t, e, Limits{CPU: 50 * time.Millisecond}, ts(`export function requestHandler() { for (let i = 0; i < 2; i++) block(); return "ok" }`))
	if res.value != "ok" {
		t.Errorf("got %v", res.err)
	}
	res = call(t, e, Limits{CPU: 50 * time.Millisecond}, ts(`export function requestHandler() { block(); for (;;); }`))
	if res.err == nil || res.err.Kind != CPU {
		t.Errorf("got %v, want kind cpu", res.err)
	}
}

// TestWatchdogRests sees that the watchdog stops ticking.
func TestWatchdogRests(t *testing.T) {
	inBubble(t, Limits{}, `export const requestHandler = () => {}`, func(t *testing.T, vm *VM) {
		run := vm.Start(t.Context(), 0, nil)
		run.End()
		if !vm.engine.dog.running.Load() {
			t.Error("not running after a call")
		}
		time.Sleep(2 * linger)
		if vm.engine.dog.running.Load() {
			t.Error("still running")
		}
		vm.Start(t.Context(), 0, nil).End()
		if !vm.engine.dog.running.Load() {
			t.Error("not running again")
		}
	})
}
