package js

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/dop251/goja"

	"github.com/dgate-io/caddy-dgate/internal/benchtest"
)

// idleVM is how large an idle VM of a small module may be, in KiB.
const idleVM = 24

func TestIdleVMIsSmall(t *testing.T) {
	if underRace {
		t.Skip("the race detector adds to it")
	}
	e := newTestEngine()
	for name, code := range map[string]string{
		"small":             smallModule,
		"indexing an array": strings.Replace(smallModule, "ctx.path.slice", "ctx.paths[ctx.i].slice", 1),
	} {
		p := compiled(t, e, Limits{}, ts(code))
		size := heapOf(300, func() any {
			vm, err := e.newVM(t.Context(), p, Limits{}.withDefaults(), nil)
			if err != nil {
				t.Fatal(err)
			}
			return vm
		}) / 1024
		if t.Logf("%s: %.1f KiB", name, size); size > idleVM {
			t.Errorf("%s: an idle VM takes %.1f KiB, at most %d are allowed", name, size, idleVM)
		}
	}
}

func TestAbsentHookAllocatesNothing(t *testing.T) {
	p := compiled(t, newTestEngine(), Limits{}, ts(`export const requestHandler = () => {}`))
	if n := testing.AllocsPerRun(100, func() {
		if p.Has(1) {
			t.Error("has a hook that it does not have")
		}
	}); n > 0 {
		t.Errorf("%v allocations to find that a hook is absent", n)
	}
}

// called returns a function that calls requestHandler of a module.
func called(b *testing.B, code string) func() {
	vm := newTestVM(b, newTestEngine(), Limits{CPU: time.Second}, code)
	arg := vm.Runtime().ToValue("x")
	return func() {
		run := vm.Start(b.Context(), 0, nil, arg)
		if _, err := run.Wait(); err != nil {
			b.Fatal(err)
		}
		run.End()
	}
}

// BenchmarkFigures are the figures that the engine is held to, each beside its
// reference.
func BenchmarkFigures(b *testing.B) {
	b.Run("await go work, over the work alone", func(b *testing.B) {
		done := make(chan string, 1)
		benchtest.Compare(b, called(b, `import { later } from "dgate/test"; export async function requestHandler(a) { return await later(a) }`), func() {
			go func() { done <- "x" }()
			<-done
		})
	})
	b.Run("await a timer of 0, over a call", func(b *testing.B) {
		benchtest.Compare(b,
			called(b, `export async function requestHandler() { await new Promise((r) => setTimeout(r, 0)) }`),
			called(b, `export function requestHandler() {}`))
	})
	b.Run("50 waits of 10 ms at once, over one", func(b *testing.B) {
		const one = `const wait = () => new Promise((r) => setTimeout(r, 10));`
		benchtest.Compare(b,
			called(b, one+`export const requestHandler = () => Promise.all(Array.from({ length: 50 }, wait))`),
			called(b, one+`export const requestHandler = () => wait()`))
	})
	b.Run("JSON of 10 KB, parse and stringify, over goja's", func(b *testing.B) {
		text := jsonOf(10000)
		vm, parse, stringify := jsonVM(b)
		check := func(v goja.Value, err error) goja.Value {
			if err != nil {
				b.Fatal(err)
			}
			return v
		}
		benchtest.Compare(b, func() {
			if _, err := vm.Stringify(check(vm.ParseJSON([]byte(text)))); err != nil {
				b.Fatal(err)
			}
		}, func() { _ = []byte(check(stringify(check(parse(vm.Runtime().ToValue(text))))).String()) })
	})
	b.Run("50 KB of TypeScript", func(b *testing.B) {
		code, e := typescriptOf(50<<10), newTestEngine()
		for i := 0; b.Loop(); i++ {
			src := ts(code + "// " + strconv.Itoa(i)) // not from the cache
			if _, err := e.Compile(b.Context(), []Source{src}, Limits{CPU: time.Second}); err != nil {
				b.Fatal(err)
			}
		}
	})
}
