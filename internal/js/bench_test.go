package js

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/dop251/goja"
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
		"empty":  `export function requestHandler() {}`,
		"small":  smallModule,
		"json":   `export function requestHandler(ctx) { return JSON.stringify(JSON.parse("1")) }`,
		"string": `export function requestHandler(ctx) { return "a".repeat(3).padStart(4) + [1].join() }`,
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

var _ = fmt.Sprint
