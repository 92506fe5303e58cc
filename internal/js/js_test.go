package js

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/dop251/goja"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

// testHooks are the hooks of the test engines.
var testHooks = []string{"requestHandler", "requestModifier", "fetchUpstream"}

// newTestEngine returns an engine with the test hooks and a host module "dgate/test".
func newTestEngine() *Engine {
	return NewEngine(Options{
		Hooks:   testHooks,
		Aliases: map[string]string{"fetchUpstreamUrl": "fetchUpstream"},
		Members: map[string]string{"fetch": "requestHandler"},
		Modules: []Module{{Name: "dgate/test", Exports: []Export{
			{"answer", func(vm *VM) goja.Value { return vm.Runtime().ToValue(42) }},
			{"twice", func(vm *VM) goja.Value {
				return vm.Func("twice", 1, func(c goja.FunctionCall) goja.Value {
					return vm.Runtime().ToValue(2 * c.Argument(0).ToInteger())
				})
			}},
			{"later", func(vm *VM) goja.Value {
				return vm.Func("later", 1, func(c goja.FunctionCall) goja.Value {
					text := c.Argument(0).String()
					return Async(vm, func(context.Context) (string, error) {
						if text == "fail" {
							return "", errLater
						}
						return text, nil
					}, func(vm *VM, s string) goja.Value { return vm.Runtime().ToValue(s) })
				})
			}},
			{"panics", func(vm *VM) goja.Value {
				return vm.Func("panics", 0, func(goja.FunctionCall) goja.Value { panic("oh no") })
			}},
			{"throws", func(vm *VM) goja.Value {
				return vm.Func("throws", 0, func(goja.FunctionCall) goja.Value { vm.Throw(errLater); return nil })
			}},
			{"never", func(vm *VM) goja.Value {
				return vm.Func("never", 0, func(goja.FunctionCall) goja.Value {
					return Async(vm, func(ctx context.Context) (int, error) { <-ctx.Done(); return 0, ctx.Err() },
						func(vm *VM, n int) goja.Value { return vm.Runtime().ToValue(n) })
				})
			}},
		}}},
		Env: func(context.Context) map[string]string { return map[string]string{"STAGE": "test"} },
	})
}

var errLater = errors.New("later failed")

// ts returns a TypeScript module called main.
func ts(code string) Source { return Source{Name: "main", Code: []byte(code)} }

// compiled compiles sources or fails the test.
func compiled(tb testing.TB, e *Engine, lim Limits, sources ...Source) *Program {
	tb.Helper()
	p, err := e.Compile(tb.Context(), sources, lim)
	if err != nil {
		tb.Fatalf("compile: %v", err)
	}
	return p
}

// result is what a call came to.
type result struct {
	value string
	err   *Error
	logs  []string
	vm    *VM
}

// call compiles the sources, calls requestHandler once, and returns what it
// has settled with as a string.
func call(t *testing.T, e *Engine, lim Limits, sources ...Source) result {
	t.Helper()
	core, logs := observer.New(zapcore.DebugLevel)
	pool := e.NewPool(compiled(t, e, lim, sources...), lim, zap.New(core))
	defer pool.Close()
	vm, err := pool.Get(t.Context())
	if err != nil {
		t.Fatalf("get: %v", err)
	}
	defer pool.Put(vm)
	res := result{vm: vm}
	run := vm.Start(t.Context(), 0, "scope")
	v, err := run.Wait()
	if v != nil {
		res.value = v.String()
	}
	errors.As(err, &res.err)
	run.End()
	for _, entry := range logs.All() {
		line := entry.Level.String() + ": " + entry.Message
		for _, f := range entry.Context {
			if f.Key == "error" {
				line += ": " + f.String
			}
		}
		res.logs = append(res.logs, line)
	}
	return res
}

// unhurried are limits for tests that are not about time, under the race
// detector on a busy machine.
var unhurried = Limits{CPU: time.Second}

// eval calls requestHandler of a module and fails the test if that fails.
func eval(t *testing.T, code string) string {
	t.Helper()
	res := call(t, newTestEngine(), unhurried, ts(code))
	if res.err != nil {
		t.Fatalf("%v\n%s", res.err, res.err.Stack)
	}
	return res.value
}

func TestCall(t *testing.T) {
	tests := map[string]struct{ code, want string }{
		"sync":            {`export const requestHandler = () => "a"`, "a"},
		"async":           {`export async function requestHandler() { return "a" }`, "a"},
		"await timer":     {`export async function requestHandler() { await new Promise(r => setTimeout(r, 1)); return "a" }`, "a"},
		"await go":        {`import { later } from "dgate/test"; export async function requestHandler() { return await later("x") + await later("y") }`, "xy"},
		"go error":        {`import { later } from "dgate/test"; export async function requestHandler() { try { await later("fail") } catch (e) { return e.name + ":" + e.message } }`, "Error:later failed"},
		"host value":      {`import { answer, twice } from "dgate/test"; export const requestHandler = () => twice(answer)`, "84"},
		"host namespace":  {`import * as t from "dgate/test"; export const requestHandler = () => t.twice(t.answer)`, "84"},
		"host require":    {`const t = require("dgate/test"); exports.requestHandler = () => t.twice(t.answer)`, "84"},
		"host default":    {`import t from "dgate/test"; export const requestHandler = () => t.twice(4)`, "8"},
		"env":             {`export const requestHandler = () => process.env.STAGE + Object.keys(process.env).length`, "test1"},
		"host":            {`import { answer } from "dgate/test"; export const requestHandler = () => typeof process.host + (process.host.length > 0)`, "stringtrue"},
		"microtask order": {`export async function requestHandler() { let s = ""; setTimeout(() => s += "t"); queueMicrotask(() => s += "m"); await null; s += "a"; await new Promise(r => setTimeout(r)); return s }`, "mat"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := eval(t, tt.code); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestErrorPosition(t *testing.T) {
	const handler = "\nexport async function requestHandler() {\n  const a = parseInt(\"1\")\n"
	tests := map[string]struct{ code, want string }{
		"thrown":                      {"type A = string\n\nexport function requestHandler() {\n  const a: A = \"x\"\n  throw new TypeError(\"bad \" + a)\n}\n", `main.ts:5:9: requestHandler: TypeError: bad x`},
		"class of errors":             {"class MyErr extends Error { constructor(m) {\nsuper(m); this.name = 'MyErr' } }" + handler + "  throw new MyErr('x') }", `main.ts:5:9: requestHandler: MyErr: x`},
		"class of a class of errors":  {"class A extends TypeError { constructor(m) {\nsuper(m) } } class B extends A { constructor(m) { super(m) } }" + handler + "  throw new B('x') }", `main.ts:5:9: requestHandler: TypeError: x`},
		"class without a constructor": {"class A extends Error {\n}" + handler + "  throw new A('x') }", `main.ts:5:9: requestHandler: Error: x`},
		"thrown in a constructor":     {"class A { constructor() {\n  null.x } }" + handler + "  new A() }", `main.ts:2:8: requestHandler: TypeError: Cannot read property 'x' of undefined`},
		"rejected by Go":              {"import { later } from 'dgate/test'" + handler + "  await later('fail') }", `main.ts:4:9: requestHandler: Error: later failed`},
		"rejected by Go, deeper":      {"import { later } from 'dgate/test'; const f = () =>\n  later('fail')" + handler + "  await f() }", `main.ts:2:3: requestHandler: Error: later failed`},
		"rejected by Go, not awaited": {"import { later } from 'dgate/test'" + handler + "  const p = later('fail')\n  await null; await p }", `main.ts:4:13: requestHandler: Error: later failed`},
		"while (true) {}":             {handler + "  while (true) {}\n}", `main.ts:4:3: requestHandler: computed for longer than 50ms`},
		"while (true);":               {handler + "  while (true);\n}", `main.ts:4:3: requestHandler: computed for longer than 50ms`},
		"while (1) with a comment":    {handler + "  while (1) {\n // nothing\n }\n}", `main.ts:4:3: requestHandler: computed for longer than 50ms`},
		"for (;;);":                   {handler + "  for (;;);\n}", `main.ts:4:3: requestHandler: computed for longer than 50ms`},
		"for (;;) {} in a function":   {"const f = (a) => {\n  if (a) for (;;) {}\n}" + handler + "  f(a) }", `main.ts:2:10: requestHandler: computed for longer than 50ms`},
		"do {} while (true)":          {handler + "  do {} while (true)\n}", `main.ts:4:3: requestHandler: computed for longer than 50ms`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			lim := unhurried
			if strings.Contains(tt.want, "computed") {
				lim.CPU = 50 * time.Millisecond
			}
			res := call(t, newTestEngine(), lim, ts(tt.code))
			if res.err == nil {
				t.Fatal("no error")
			}
			if got := res.err.Error(); got != tt.want {
				t.Errorf("got %q, want %q\n%s", got, tt.want, res.err.Stack)
			}
			if pos, _, _ := strings.Cut(tt.want, ": "); !strings.Contains(res.err.Stack, pos) {
				t.Errorf("stack %q", res.err.Stack)
			}
		})
	}
}
