// Package performance is the global performance: a clock that only goes forward.
// It keeps no marks and measures.
package performance

import (
	"sync"
	"time"

	"github.com/dop251/goja"

	"github.com/dgate-io/caddy-dgate/internal/js"
	"github.com/dgate-io/caddy-dgate/internal/js/host/native"
)

// Global returns the global.
func Global() js.Global {
	return js.Global{Name: "performance", New: func(vm *js.VM) goja.Value {
		return vm.Lazy([]js.Export{
			native.Function("now", 0, func(vm *js.VM, _ goja.FunctionCall) goja.Value {
				return vm.Runtime().ToValue(milliseconds(time.Since(origin())))
			}),
			{Name: "timeOrigin", New: func(vm *js.VM) goja.Value {
				return vm.Runtime().ToValue(milliseconds(time.Duration(origin().UnixNano())))
			}},
		})
	}}
}

// origin is when the clock has started: when it is first read in this process.
var origin = sync.OnceValue(time.Now)

// milliseconds has three decimals.
func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
