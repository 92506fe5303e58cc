package js

import (
	"strings"
	"testing"
	"time"

	"github.com/dop251/goja"
)

// workEngine is an engine whose scripts have a long JSON text, as a string, and a
// function that parses it.
func workEngine() *Engine {
	text := "[" + strings.Repeat(jsonOf(64<<10)+",", 128) + "1]"
	return NewEngine(Options{Hooks: testHooks, Globals: []Global{
		{"text", func(vm *VM) goja.Value { return vm.Runtime().ToValue(text) }},
		{"readJson", func(vm *VM) goja.Value {
			return vm.Func("readJson", 0, func(goja.FunctionCall) goja.Value { return must(vm.ParseJSON([]byte(text))) })
		}},
	}})
}

// TestWorkIsNotComputing has scripts parse 8 MiB in less time than that takes.
func TestWorkIsNotComputing(t *testing.T) {
	e := workEngine()
	for name, code := range map[string]string{"readJson": `readJson()`, "JSON.parse": `JSON.parse(text)`} {
		t.Run(name, func(t *testing.T) {
			res := call(t, e, Limits{CPU: 150 * time.Millisecond}, ts(`export const requestHandler = () => `+code+`.length`))
			if res.value != "129" {
				t.Errorf("got %q, %v", res.value, res.err)
			}
		})
	}
}

// TestWorkEnds has scripts that work without end.
func TestWorkEnds(t *testing.T) {
	const forever = 5 * time.Minute
	tests := map[string]struct {
		lim  Limits
		code string
		kind Kind
	}{
		"time":              {Limits{Timeout: 300 * time.Millisecond, CPU: forever}, `for (;;) readJson()`, Timeout},
		"memory":            {Limits{Timeout: forever, CPU: forever}, `const a = []; for (;;) a.push(JSON.parse(text))`, Heap},
		"memory, one piece": {Limits{Timeout: forever, CPU: forever, Heap: 4 << 20}, `readJson()`, Heap},
		"computing between": {Limits{Timeout: forever, Heap: 8 << 30}, `for (;;) { readJson(); for (let i = 0; i < 1e5; i++); }`, CPU},
		"thrown out of":     {Limits{Timeout: forever}, `try { JSON.parse(text + "x") } catch {} for (;;);`, CPU},
	}
	e := workEngine()
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			res := call(t, e, tt.lim, ts(`export function requestHandler() { `+tt.code+` }`))
			if res.err == nil || res.err.Kind != tt.kind {
				t.Errorf("got %q, %v, want kind %v", res.value, res.err, tt.kind)
			}
		})
	}
}
