package js

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dop251/goja"
)

// newTestVM returns a VM that runs code.
func newTestVM(t testing.TB, e *Engine, lim Limits, code string) *VM {
	t.Helper()
	vm, err := e.newVM(t.Context(), compiled(t, e, lim, ts(code)), lim.withDefaults(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return vm
}

// inBubble runs test in a synctest bubble, with a VM that runs code. The code
// is compiled outside: esbuild leaves a goroutine behind that sleeps.
func inBubble(t *testing.T, lim Limits, code string, test func(t *testing.T, vm *VM)) {
	t.Helper()
	p := compiled(t, newTestEngine(), lim, ts(code))
	synctest.Test(t, func(t *testing.T) {
		vm, err := newTestEngine().newVM(t.Context(), p, lim.withDefaults(), nil)
		if err != nil {
			t.Fatal(err)
		}
		test(t, vm)
	})
}

func TestNeverSettles(t *testing.T) {
	tests := map[string]string{
		"nothing outstanding": `export const requestHandler = () => new Promise(() => {})`,
		"after a timer":       `export const requestHandler = async () => { await new Promise(r => setTimeout(r, 1)); await new Promise(() => {}) }`,
		"after go work":       `import { later } from "dgate/test"; export const requestHandler = async () => { await later("x"); await new Promise(() => {}) }`,
		"cleared timer":       `export const requestHandler = () => new Promise(r => { clearTimeout(setTimeout(r, 60000)) })`,
	}
	for name, code := range tests {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			res := call(t, newTestEngine(), Limits{}, ts(code))
			if res.err == nil || res.err.Kind != NeverSettles {
				t.Errorf("got %v, want kind never_settles", res.err)
			}
			if d := time.Since(start); d > 20*time.Second { // of 30
				t.Errorf("took %v", d)
			}
		})
	}
}

// TestResume goes through a call that waits for something outside, as the
// response of a site does.
func TestResume(t *testing.T) {
	var settle func(func())
	var resolve func(goja.Value)
	e := NewEngine(Options{Hooks: testHooks, Globals: []Global{{"outside", func(vm *VM) goja.Value {
		return vm.Func("outside", 0, func(goja.FunctionCall) goja.Value {
			var p goja.Value
			p, resolve, _ = vm.NewPromise()
			settle = vm.Pending()
			return p
		})
	}}}})
	vm := newTestVM(t, e, Limits{}, `export const requestHandler = async () => (await outside()) + 1`)
	run := vm.Start(t.Context(), 0, nil)
	if run.Done() || run.Resume() {
		t.Fatal("done before it was settled")
	}
	settle(func() { resolve(vm.Runtime().ToValue(1)) })
	if !run.Resume() {
		t.Fatal("not done")
	}
	v, err := run.Wait()
	if err != nil || v.ToInteger() != 2 {
		t.Fatalf("got %v, %v", v, err)
	}
	run.End()
	settle(func() { t.Error("a completion ran after the end of its call") })
	next := vm.Start(t.Context(), 0, nil)
	if next.Resume() {
		t.Error("settled by the completion of another call")
	}
	next.End()
}

func TestTimeout(t *testing.T) {
	inBubble(t, Limits{}, `import { never } from "dgate/test"; export const requestHandler = async () => { await never() }`, func(t *testing.T, vm *VM) {
		start := time.Now()
		run := vm.Start(t.Context(), 0, nil)
		_, err := run.Wait()
		if KindOf(err) != Timeout || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want kind timeout", err)
		}
		if want := "took longer than 30s"; !strings.HasSuffix(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
		if d := time.Since(start); d != DefaultTimeout {
			t.Errorf("took %v, want %v", d, DefaultTimeout)
		}
		run.End()
		// never has ended with its context, or synctest would say so.
	})
}

func TestCancelled(t *testing.T) {
	inBubble(t, Limits{}, `export const requestHandler = async () => { await new Promise(r => setTimeout(r, 10000)) }`, func(t *testing.T, vm *VM) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		time.AfterFunc(time.Second, cancel)
		start := time.Now()
		run := vm.Start(ctx, 0, nil)
		_, err := run.Wait()
		if KindOf(err) != Cancelled || time.Since(start) != time.Second {
			t.Errorf("got %v after %v, want kind cancelled after 1s", err, time.Since(start))
		}
		run.End()
	})
}

func TestTimers(t *testing.T) {
	tests := map[string]struct {
		code string
		want string
		took time.Duration
	}{
		"order":      {`const r = []; await new Promise(done => { setTimeout(() => r.push("b"), 20); setTimeout(() => r.push("a"), 10); setTimeout(done, 30) }); return r.join("")`, "ab", 30 * time.Millisecond},
		"arguments":  {`return await new Promise(done => setTimeout((a, b) => done(a + b), 5, "x", "y"))`, "xy", 5 * time.Millisecond},
		"parallel":   {`await Promise.all(Array.from({ length: 50 }, () => new Promise(r => setTimeout(r, 10)))); return "done"`, "done", 10 * time.Millisecond},
		"interval":   {`let n = 0; await new Promise(done => { const t = setInterval(() => { if (++n === 3) { clearInterval(t); done() } }, 10) }); return n`, "3", 30 * time.Millisecond},
		"immediate":  {`return await new Promise(done => setImmediate(done, "now"))`, "now", 0},
		"no number":  {`return await new Promise(done => setTimeout(done, "x", "now"))`, "now", 0},
		"negative":   {`return await new Promise(done => setTimeout(done, -5, "now"))`, "now", 0},
		"an hour":    {`await new Promise(r => setTimeout(r, 3600000)); return "late"`, "late", time.Hour},
		"after sync": {`setTimeout(() => { throw new Error("dropped") }, 5); return "first"`, "first", 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			inBubble(t, Limits{Timeout: 2 * time.Hour}, "export async function requestHandler() { "+tt.code+" }", func(t *testing.T, vm *VM) {
				start := time.Now()
				run := vm.Start(t.Context(), 0, nil)
				v, err := run.Wait()
				if err != nil {
					t.Fatal(err)
				}
				if v.String() != tt.want || time.Since(start) != tt.took {
					t.Errorf("got %s after %v, want %s after %v", v, time.Since(start), tt.want, tt.took)
				}
				run.End()
			})
		})
	}
}

// TestForeignContinuation has one call resume the code of an earlier one.
func TestForeignContinuation(t *testing.T) {
	var scopes []any
	e := NewEngine(Options{Hooks: testHooks, Globals: []Global{{"scope", func(vm *VM) goja.Value {
		return vm.Func("scope", 0, func(goja.FunctionCall) goja.Value {
			scopes = append(scopes, vm.Scope(), vm.Call())
			return goja.Undefined()
		})
	}}}})
	vm := newTestVM(t, e, Limits{}, `
		let resolve;
		export async function requestHandler() { scope(); await new Promise(r => resolve = r); scope() }
		export async function requestModifier() { resolve(); await null; await null; scope() }`)
	for hook, scope := range []string{"first", "second"} {
		run := vm.Start(t.Context(), hook, scope)
		if _, err := run.Wait(); err != nil && KindOf(err) != NeverSettles {
			t.Fatal(err)
		}
		run.End()
	}
	want := []any{"first", uint64(2), nil, uint64(0), "second", uint64(3)}
	if len(scopes) != len(want) {
		t.Fatalf("got %v, want %v", scopes, want)
	}
	for i := range want {
		if scopes[i] != want[i] {
			t.Errorf("got %v, want %v", scopes, want)
			break
		}
	}
	if vm.Scope() != nil || vm.Call() != 0 || vm.Context().Err() == nil {
		t.Error("scope or context are left after the call")
	}
}

func TestErrors(t *testing.T) {
	tests := map[string]struct {
		code    string
		kind    Kind
		message string
	}{
		"error":            {`throw new Error("x")`, Throw, "Error: x"},
		"own error":        {`class MyError extends Error { name = "MyError" } throw new MyError("x")`, Throw, "MyError: x"},
		"string":           {`throw "x"`, Throw, "x"},
		"object":           {`throw { a: [1, "b"] }`, Throw, `{ a: [ 1, 'b' ] }`},
		"undefined":        {`throw undefined`, Throw, "undefined"},
		"unreadable":       {`throw { get a() { throw 1 }, toString() { throw 2 } }`, Throw, "{ a: [throws], toString: [Function: toString] }"},
		"rejected":         {`return Promise.reject(new TypeError("x"))`, Reject, "TypeError: x"},
		"not a function":   {`undefined.x()`, Throw, "TypeError: Cannot read property 'x' of undefined or null"},
		"from go":          {`throws()`, Throw, "Error: later failed"},
		"from go, async":   {`return later("fail")`, Reject, "Error: later failed"},
		"go panic":         {`panics()`, Panic, "panic: oh no"},
		"go panic, caught": {`try { panics() } catch { return 1 }`, Panic, "panic: oh no"},
		"overflow":         {`const f = () => f() + 1; f()`, Stack, "calls nest deeper than 1000"},
		"overflow, native": {`const f = () => [1].forEach(f); f()`, Stack, "calls nest deeper than 1000"},
		"overflow, getter": {`const o = { get a() { return this.a } }; o.a`, Stack, "calls nest deeper than 1000"},
		"overflow, async":  {`const f = async () => { await f() }; return f()`, Stack, "calls nest deeper than 1000"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			res := call(t, newTestEngine(), Limits{CPU: 2 * time.Second}, ts("import { throws, later, panics } from 'dgate/test'\nexport function requestHandler() { "+tt.code+" }"))
			if res.err == nil {
				t.Fatalf("no error, but %s", res.value)
			}
			if res.err.Kind != tt.kind || res.err.Message != tt.message || res.err.Hook != "requestHandler" || res.err.Module != "main" {
				t.Errorf("got %v %q, want %v %q", res.err.Kind, res.err.Message, tt.kind, tt.message)
			}
			if want := tt.kind == Panic || tt.kind == Stack; res.vm.dead != want {
				t.Errorf("VM given up: %v, want %v", res.vm.dead, want)
			}
			if strings.Contains(name, "from go") && !errors.Is(res.err, errLater) {
				t.Errorf("cause is %v", res.err.Err)
			}
		})
	}
}

func TestStackIsMapped(t *testing.T) {
	res := call(t, newTestEngine(), Limits{},
		ts("import { f } from './lib'\n\nexport async function requestHandler() {\n  await null\n  f()\n}"),
		Source{Name: "lib", Lang: JavaScript, Code: []byte("// a\n\nexport const f = () => {\n\tnull.x\n}")})
	if res.err == nil {
		t.Fatal("no error")
	}
	if got := res.err.Error(); !strings.HasPrefix(got, "lib.js:4:") {
		t.Errorf("got %s", got)
	}
	for _, want := range []string{"lib.js:4:", "main.ts:5:3"} {
		if !strings.Contains(res.err.Stack, want) {
			t.Errorf("no %q in stack:\n%s", want, res.err.Stack)
		}
	}
}

func TestUnhandledRejection(t *testing.T) {
	res := call(t, newTestEngine(), Limits{}, ts(`export function requestHandler() { Promise.reject(new Error("lost")); Promise.reject(1).catch(() => {}); return "ok" }`))
	if len(res.logs) != 1 || res.logs[0] != "error: unhandled promise rejection: Error: lost" {
		t.Errorf("logs %q", res.logs)
	}
}

func TestTimerException(t *testing.T) {
	res := call(t, newTestEngine(), Limits{}, ts(`export async function requestHandler() { setTimeout(() => { throw new Error("lost") }); await new Promise(r => setTimeout(r, 1)); return "ok" }`))
	if res.value != "ok" || len(res.logs) != 1 || res.logs[0] != "error: uncaught exception in a timer: Error: lost" {
		t.Errorf("got %q, logs %q", res.value, res.logs)
	}
}

func TestAsync(t *testing.T) {
	t.Run("panic in work", func(t *testing.T) {
		e := NewEngine(Options{Hooks: testHooks, Globals: []Global{{"f", func(vm *VM) goja.Value {
			return vm.Func("f", 0, func(goja.FunctionCall) goja.Value {
				return Async(vm, func(context.Context) (int, error) { panic("in work") }, nil)
			})
		}}}})
		if got := call(t, e, Limits{}, ts(`export const requestHandler = () => f().catch(e => e.message)`)); got.value != "panic: in work" {
			t.Errorf("got %q, %v", got.value, got.err)
		}
	})
	t.Run("exception in convert", func(t *testing.T) {
		e := NewEngine(Options{Hooks: testHooks, Globals: []Global{{"f", func(vm *VM) goja.Value {
			return vm.Func("f", 0, func(goja.FunctionCall) goja.Value {
				return Async(vm, func(context.Context) (int, error) { return 1, nil }, func(vm *VM, n int) goja.Value { vm.ThrowType("bad %d", n); return nil })
			})
		}}}})
		if got := call(t, e, Limits{}, ts(`export const requestHandler = () => f().catch(e => e.name + e.message)`)); got.value != "TypeErrorbad 1" {
			t.Errorf("got %q, %v", got.value, got.err)
		}
	})
}

func TestAsyncAtATime(t *testing.T) {
	res := call(t, newTestEngine(), Limits{}, ts(`import { never, later } from "dgate/test";
		export async function requestHandler() {
			for (let i = 0; i < 3; i++) await Promise.all(Array.from({ length: 500 }, () => later("x"))); // one after the other
			const all = Array.from({ length: 1001 }, () => never().catch((e) => String(e)));
			return await all[1000];
		}`))
	if want := "RangeError: more than 1000 operations at a time: await some of them first"; res.value != want {
		t.Errorf("got %q, %v, want %q", res.value, res.err, want)
	}
}

func TestCallAllocations(t *testing.T) {
	e := newTestEngine()
	vm := newTestVM(t, e, Limits{}, `export function requestHandler(a) { return a }`)
	arg := vm.Runtime().ToValue("x")
	ctx := t.Context()
	own := testing.AllocsPerRun(100, func() {
		run := vm.Start(ctx, 0, e, arg)
		if _, err := run.Wait(); err != nil {
			t.Fatal(err)
		}
		run.End()
	})
	if own > 2 {
		t.Errorf("%v allocations for a call", own)
	}
}
