package domexception_test

import (
	"context"
	"testing"

	"github.com/dop251/goja"

	"github.com/dgate-io/caddy-dgate/internal/js"
	"github.com/dgate-io/caddy-dgate/internal/js/host/domexception"
	"github.com/dgate-io/caddy-dgate/internal/js/host/hosttest"
	"github.com/dgate-io/caddy-dgate/internal/js/host/native"
)

func TestDOMException(t *testing.T) {
	host := hosttest.Host{Globals: []js.Global{
		domexception.Global(),
		native.Function("throws", 0, func(vm *js.VM, _ goja.FunctionCall) goja.Value {
			vm.Throw(domexception.Errorf("DataError", "no %s", "key"))
			return nil
		}),
		native.Function("rejects", 0, func(vm *js.VM, _ goja.FunctionCall) goja.Value {
			return js.Async(vm, func(context.Context) (int, error) { return 0, domexception.Errorf("TimeoutError", "late") },
				func(*js.VM, int) goja.Value { return goja.Null() })
		}),
	}}
	host.Run(t, map[string]hosttest.Case{
		"constructed":     {Code: `const e = new DOMException("m", "AbortError"); return [e.name, e.message, e.code, e instanceof Error, e instanceof DOMException, String(e), Object.keys(e)]`, Want: `["AbortError","m",20,true,true,"AbortError: m",[]]`},
		"defaults":        {Code: `const e = new DOMException(); return [e.name, e.message, e.code]`, Want: `["Error","",0]`},
		"with options":    {Code: `const e = new DOMException("m", { name: "DataError", cause: 5 }); return [e.name, e.cause]`, Want: `["DataError",5]`},
		"thrown uncaught": {Code: `throw new DOMException("m", "AbortError")`, Err: `AbortError: m`},
		"thrown by Go":    {Code: `try { throws() } catch (e) { return [e instanceof DOMException, e.name, e.message] }`, Want: `[true,"DataError","no key"]`},
		"rejected by Go":  {Code: `return await rejects().catch(e => [e instanceof DOMException, e.name, e.code])`, Want: `[true,"TimeoutError",23]`},
		"the same class":  {Code: `try { throws() } catch (e) { return e.constructor === globalThis.DOMException }`, Want: `true`},
	})
}
