package js

import (
	"context"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dop251/goja"
	"github.com/evanw/esbuild/pkg/api"
)

// smallModule is a module as most are.
const smallModule = `
import { twice } from "dgate/test";
const prefix = "/api/";
class Counter { #n = 0; next() { return ++this.#n; } }
const counter = new Counter();
export function requestModifier(ctx) {
	const path = ctx.path.startsWith(prefix) ? ctx.path.slice(prefix.length) : ctx.path;
	return path + counter.next() + twice(2);
}
export const requestHandler = () => {};
`

// heapOf returns how much heap n results of make take each, in bytes.
func heapOf(n int, make func() any) float64 {
	keep := append([]any(nil), make())
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for range n {
		keep = append(keep, make())
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	runtime.KeepAlive(keep)
	return float64(after.HeapAlloc-before.HeapAlloc) / float64(n)
}

func BenchmarkIdleVM(b *testing.B) {
	e := newTestEngine()
	modules := map[string]string{
		"empty":    `export function requestHandler() {}`,
		"small":    smallModule,
		"json":     `export function requestHandler(ctx) { return JSON.stringify(JSON.parse("1")) }`,
		"computed": `export function requestHandler(ctx) { return ctx["a" + "b"](1) }`,
		"string":   `export function requestHandler(ctx) { return "a".repeat(3).padStart(4) + [1].join() }`,
	}
	for name, code := range modules {
		b.Run(name, func(b *testing.B) {
			p := compiled(b, e, Limits{}, ts(code))
			for b.Loop() {
			}
			b.ReportMetric(heapOf(300, func() any {
				vm, err := e.newVM(b.Context(), p, Limits{}.withDefaults(), nil)
				if err != nil {
					b.Fatal(err)
				}
				return vm
			})/1024, "KiB/vm")
		})
	}
	b.Run("goja alone", func(b *testing.B) {
		prog := goja.MustCompile("x", "var prefix='/api/'; class Counter { #n = 0; next() { return ++this.#n; } }; var counter = new Counter(); (function(){})", false)
		for b.Loop() {
		}
		b.ReportMetric(heapOf(300, func() any {
			rt := goja.New()
			if _, err := rt.RunProgram(prog); err != nil {
				b.Fatal(err)
			}
			return rt
		})/1024, "KiB/vm")
	})
}

func BenchmarkNewVM(b *testing.B) {
	e := newTestEngine()
	p := compiled(b, e, Limits{}, ts(smallModule))
	b.ReportAllocs()
	for b.Loop() {
		vm, err := e.newVM(b.Context(), p, Limits{}.withDefaults(), nil)
		if err != nil {
			b.Fatal(err)
		}
		e.dog.remove(&vm.slot)
	}
}

// gojaFunc returns a function of plain goja, for comparison.
func gojaFunc(b *testing.B, code string) (*goja.Runtime, goja.Callable) {
	b.Helper()
	rt := goja.New()
	v, err := rt.RunString("(" + code + ")")
	if err != nil {
		b.Fatal(err)
	}
	fn, _ := goja.AssertFunction(v)
	return rt, fn
}

// reportCPU reports allocations and, beside the time that passes, the CPU time,
// which says more on a machine that is busy with other things.
func reportCPU(b *testing.B) func() {
	b.ReportAllocs()
	start := cpuTime(time.Now())
	return func() { b.ReportMetric(float64(cpuTime(time.Now())-start)/float64(b.N), "cpu-ns/op") }
}

// benchCall benchmarks a call of requestHandler through the engine.
func benchCall(b *testing.B, code string) {
	vm := newTestVM(b, newTestEngine(), Limits{CPU: time.Second}, code)
	arg := vm.Runtime().ToValue("x")
	ctx := b.Context()
	defer reportCPU(b)()
	for b.Loop() {
		run := vm.Start(ctx, 0, nil, arg)
		if _, err := run.Wait(); err != nil {
			b.Fatal(err)
		}
		run.End()
	}
}

// benchGoja benchmarks a call of the same in goja alone.
func benchGoja(b *testing.B, code string) {
	rt, fn := gojaFunc(b, code)
	args := []goja.Value{rt.ToValue("x")}
	defer reportCPU(b)()
	for b.Loop() {
		if _, err := fn(goja.Undefined(), args...); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCall(b *testing.B) {
	for _, bm := range []struct{ name, code string }{
		{"sync", `function requestHandler(a) {}`},
		{"async, no await", `async function requestHandler(a) {}`},
		{"await", `async function requestHandler(a) { await null }`},
	} {
		b.Run(bm.name, func(b *testing.B) { benchCall(b, "export "+bm.code) })
		b.Run(bm.name+", goja alone", func(b *testing.B) { benchGoja(b, bm.code) })
	}
	b.Run("await ready value of go", func(b *testing.B) {
		benchCall(b, `import { twice } from "dgate/test"; export async function requestHandler(a) { return await twice(2) }`)
	})
	b.Run("await go work", func(b *testing.B) {
		benchCall(b, `import { later } from "dgate/test"; export async function requestHandler(a) { return await later(a) }`)
	})
	b.Run("go work and channel alone", func(b *testing.B) {
		done := make(chan string, 1)
		b.ReportAllocs()
		for b.Loop() {
			go func() { done <- "x" }()
			<-done
		}
	})
	b.Run("setTimeout 0", func(b *testing.B) {
		benchCall(b, `export async function requestHandler(a) { await new Promise(r => setTimeout(r, 0)) }`)
	})
	b.Run("throw", func(b *testing.B) {
		vm := newTestVM(b, newTestEngine(), Limits{CPU: time.Second}, `export function requestHandler(a) { throw new Error("x") }`)
		b.ReportAllocs()
		for b.Loop() {
			run := vm.Start(b.Context(), 0, nil)
			if _, err := run.Wait(); err == nil {
				b.Fatal("no error")
			}
			run.End()
		}
	})
}

func BenchmarkPool(b *testing.B) {
	e := newTestEngine()
	pool := e.NewPool(compiled(b, e, Limits{}, ts(smallModule)), Limits{}, nil)
	defer pool.Close()
	b.Run("get and put", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			vm, err := pool.Get(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			pool.Put(vm)
		}
	})
	b.Run("get and put, parallel", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				vm, err := pool.Get(context.Background())
				if err != nil {
					b.Error(err)
					return
				}
				pool.Put(vm)
			}
		})
	})
	b.Run("sync.Pool alone", func(b *testing.B) {
		sp := sync.Pool{New: func() any { return new(VM) }}
		b.ReportAllocs()
		for b.Loop() {
			sp.Put(sp.Get())
		}
	})
}

func BenchmarkJSON(b *testing.B) {
	text := jsonOf(10000)
	body := []byte(text)
	vm, parse, stringify := jsonVM(b)
	in := vm.Runtime().ToValue(text)
	parsed, err := vm.ParseJSON(body)
	if err != nil {
		b.Fatal(err)
	}
	bench := func(name string, f func() error) {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				if err := f(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	bench("parse", func() error { _, err := vm.ParseJSON(body); return err })
	bench("parse, goja alone", func() error { _, err := parse(in); return err })
	bench("stringify", func() error { _, err := vm.Stringify(parsed); return err })
	bench("stringify, goja alone", func() error { _, err := stringify(parsed); return err })
	bench("both", func() error {
		v, err := vm.ParseJSON(body)
		if err != nil {
			return err
		}
		_, err = vm.Stringify(v)
		return err
	})
	bench("both, goja alone", func() error {
		v, err := parse(in)
		if err != nil {
			return err
		}
		_, err = stringify(v)
		return err
	})
}

// typescriptOf returns a module of about n bytes.
func typescriptOf(n int) string {
	var s strings.Builder
	i := 0
	for ; s.Len() < n; i++ {
		s.WriteString(strings.ReplaceAll(`
interface User@ { id: number; name?: string; tags: Array<string> }
// f@ describes a user.
export function f@(u: Partial<User@>): string {
	const { id, ...rest } = u;
	const parts = [...(u.tags ?? [])].map((t) => t.trim().toLowerCase()).filter((t) => /^[a-z]+$/.test(t));
	if (parts.length > 3 || !rest.name?.startsWith("a")) {
		return `+"`${id}: ${parts.join(\", \")}`"+`;
	}
	return JSON.stringify({ id, parts, next: id! > 10 ? null : f@({ id: id! + 1 }) });
}
`, "@", strconv.Itoa(i)))
	}
	s.WriteString("export function requestHandler(ctx: any) { return [")
	for j := range i { // or they would be shaken off
		s.WriteString("f" + strconv.Itoa(j) + ", ")
	}
	s.WriteString("].length }\n")
	return s.String()
}

func BenchmarkCompile(b *testing.B) {
	for _, size := range []int{1 << 10, 50 << 10} {
		code := typescriptOf(size)
		e := newTestEngine()
		lim := Limits{CPU: time.Second}.withDefaults()
		name := strconv.Itoa(size>>10) + " KB"
		b.Run(name, func(b *testing.B) {
			defer reportCPU(b)()
			for i := 0; b.Loop(); i++ {
				src := ts(code + "// " + strconv.Itoa(i)) // not from the cache
				if _, err := e.Compile(b.Context(), []Source{src}, lim); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+", esbuild's transform alone", func(b *testing.B) {
			defer reportCPU(b)()
			for b.Loop() {
				if r := api.Transform(code, api.TransformOptions{Loader: api.LoaderTS}); len(r.Errors) > 0 {
					b.Fatal(r.Errors)
				}
			}
		})
		b.Run(name+", check of size and nesting", func(b *testing.B) {
			b.SetBytes(int64(len(code)))
			b.ReportAllocs()
			for b.Loop() {
				if err := precheck(ts(code)); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+", cached", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := e.Compile(b.Context(), []Source{ts(code)}, lim); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkWatchdog is what the limits add to a call: entering and leaving.
func BenchmarkWatchdog(b *testing.B) {
	vm := newTestVM(b, newTestEngine(), Limits{}, `export const requestHandler = () => {}`)
	b.ReportAllocs()
	for b.Loop() {
		vm.slot.enter(0)
		vm.slot.leave()
	}
}
