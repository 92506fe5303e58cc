package abort_test

import (
	"context"
	"runtime"
	"slices"
	"testing"
	"weak"

	"github.com/dop251/goja"

	"github.com/dgate-io/caddy-dgate/internal/js"
	"github.com/dgate-io/caddy-dgate/internal/js/host/abort"
	"github.com/dgate-io/caddy-dgate/internal/js/host/domexception"
	"github.com/dgate-io/caddy-dgate/internal/js/host/hosttest"
	"github.com/dgate-io/caddy-dgate/internal/js/host/native"
)

var host = hosttest.Host{Globals: append(abort.Globals(),
	domexception.Global(),
	native.Function("never", 0, func(vm *js.VM, _ goja.FunctionCall) goja.Value { return abort.New(vm) }),
	// listen tells a script what Go code hears, and returns how to stop it.
	native.Function("listen", 2, func(vm *js.VM, call goja.FunctionCall) goja.Value {
		told := native.Callback(vm, "listen", call.Argument(1))
		ctx, stop := context.WithCancel(vm.Context())
		abort.Listen(ctx, vm, abort.Signal(vm, "listen", call.Argument(0)), func(reason goja.Value) {
			native.Invoke(told, goja.Undefined(), reason)
		})
		return vm.Func("stop", 0, func(goja.FunctionCall) goja.Value { stop(); return goja.Undefined() })
	}),
	native.Function("state", 1, func(vm *js.VM, call goja.FunctionCall) goja.Value {
		reason, aborted := abort.Aborted(abort.Signal(vm, "state", call.Argument(0)))
		if !aborted {
			return vm.Runtime().ToValue("no")
		}
		return reason
	}),
)}

func TestAbort(t *testing.T) {
	host.Run(t, map[string]hosttest.Case{
		"abort":                 {Code: `const c = new AbortController(), s = c.signal; const before = [s.aborted, s.reason]; c.abort(); return [...before, s.aborted, s.reason.name, s.reason.message, s.reason instanceof DOMException, c.signal === s]`, Want: `[false,null,true,"AbortError","The operation was aborted.",true,true]`},
		"with a reason":         {Code: `const c = new AbortController(); c.abort("why"); c.abort("again"); return c.signal.reason`, Want: `"why"`},
		"throwIfAborted":        {Code: `const c = new AbortController(); c.signal.throwIfAborted(); c.abort(new Error("why")); c.signal.throwIfAborted()`, Err: `Error: why`},
		"event":                 {Code: `const c = new AbortController(), l = []; c.signal.addEventListener("abort", function (e) { l.push(e.type, e.target === c.signal, this === c.signal, e.currentTarget === c.signal, String(e)) }); c.abort(); c.abort(2); return l`, Want: `["abort",true,true,true,"[object Event]"]`},
		"onabort":               {Code: `const c = new AbortController(), l = []; c.signal.onabort = () => l.push("on"); c.signal.addEventListener("abort", () => l.push("listener")); c.abort(); return l`, Want: `["on","listener"]`},
		"listener removed":      {Code: `const c = new AbortController(), l = [], f = () => l.push(1); c.signal.addEventListener("abort", f); c.signal.addEventListener("abort", f); c.signal.removeEventListener("abort", f); c.abort(); return l`, Want: `[]`},
		"a listener throws":     {Code: `const c = new AbortController(), l = []; c.signal.addEventListener("abort", () => { throw new Error("x") }); c.signal.addEventListener("abort", () => l.push(1)); c.abort(); return l`, Want: `[1]`},
		"AbortSignal.abort":     {Code: `const s = AbortSignal.abort(), t = AbortSignal.abort(7); return [s.aborted, s.reason.name, t.reason]`, Want: `[true,"AbortError",7]`},
		"AbortSignal.timeout":   {Code: `const s = AbortSignal.timeout(1); const before = s.aborted; await new Promise(r => { s.onabort = r }); return [before, s.aborted, s.reason.name, s.reason.code]`, Want: `[false,true,"TimeoutError",23]`},
		"timeout of nonsense":   {Code: `AbortSignal.timeout("soon")`, Err: `TypeError: AbortSignal.timeout: soon is no time in milliseconds`},
		"AbortSignal.any":       {Code: `const a = new AbortController(), b = new AbortController(), s = AbortSignal.any([a.signal, b.signal]); let told; s.onabort = () => { told = s.reason }; const before = s.aborted; b.abort(2); a.abort(1); return [before, s.aborted, s.reason, told]`, Want: `[false,true,2,2]`},
		"any of an aborted one": {Code: `return AbortSignal.any([new AbortController().signal, AbortSignal.abort(3)]).reason`, Want: `3`},
		"any of none":           {Code: `return AbortSignal.any([]).aborted`, Want: `false`},
		"any of nonsense":       {Code: `AbortSignal.any([1])`, Err: `TypeError: AbortSignal.any: expected an AbortSignal`},
		"constructed":           {Code: `new AbortSignal()`, Err: `TypeError: Illegal constructor`},
		"never":                 {Code: `const s = never(); return [s.aborted, s instanceof AbortSignal, s instanceof EventTarget]`, Want: `[false,true,true]`},
		"heard by Go":           {Code: `const c = new AbortController(), l = []; listen(c.signal, r => l.push(r)); c.abort("why"); return [...l, state(c.signal), state(never())]`, Want: `["why","why","no"]`},
		"no longer heard":       {Code: `const c = new AbortController(), l = []; listen(c.signal, r => l.push(r))(); c.abort("why"); return l`, Want: `[]`},
		"some are still heard":  {Code: `const c = new AbortController(), l = []; for (let i = 0; i < 100; i++) { const stop = listen(c.signal, () => l.push(i)); if (i % 40) stop() } c.abort(); return l`, Want: `[0,40,80]`},
		"no signal":             {Code: `listen({}, () => 0)`, Err: `TypeError: listen: signal must be an AbortSignal, got Object`},
		"class":                 {Code: `return [String(new AbortController()), String(never()), String(new EventTarget())]`, Want: `["[object AbortController]","[object AbortSignal]","[object EventTarget]"]`},
	})
}

func TestEvents(t *testing.T) {
	host.Run(t, map[string]hosttest.Case{
		"dispatched":         {Code: `const t = new EventTarget(), l = []; t.addEventListener("a", e => l.push(e.type)); t.addEventListener("b", () => l.push("no")); return [t.dispatchEvent(new Event("a")), l]`, Want: `[true,["a"]]`},
		"once":               {Code: `const t = new EventTarget(), l = []; t.addEventListener("a", () => l.push(1), { once: true }); t.dispatchEvent(new Event("a")); t.dispatchEvent(new Event("a")); return l`, Want: `[1]`},
		"an object listens":  {Code: `const t = new EventTarget(), l = []; t.addEventListener("a", { handleEvent(e) { l.push(e.type) } }); t.dispatchEvent(new Event("a")); return l`, Want: `["a"]`},
		"until a signal":     {Code: `const t = new EventTarget(), l = [], c = new AbortController(); t.addEventListener("a", () => l.push(1), { signal: c.signal }); c.abort(); t.dispatchEvent(new Event("a")); return l`, Want: `[]`},
		"prevented":          {Code: `const t = new EventTarget(); t.addEventListener("a", e => e.preventDefault()); const e = new Event("a", { cancelable: true, bubbles: true }); return [t.dispatchEvent(e), e.defaultPrevented, e.bubbles, t.dispatchEvent(new Event("a"))]`, Want: `[false,true,true,true]`},
		"stopped":            {Code: `const t = new EventTarget(), l = []; t.addEventListener("a", e => { l.push(1); e.stopPropagation(); e.stopImmediatePropagation() }); t.addEventListener("a", () => l.push(2)); t.dispatchEvent(new Event("a")); return l`, Want: `[1]`},
		"no listener":        {Code: `const t = new EventTarget(); t.addEventListener("a", null); return t.dispatchEvent(new Event("a"))`, Want: `true`},
		"a listener of text": {Code: `new EventTarget().addEventListener("a", "x")`, Err: `TypeError: addEventListener: expected a function`},
		"no event":           {Code: `new EventTarget().dispatchEvent({})`, Err: `TypeError: dispatchEvent: expected an Event`},
		"no type":            {Code: `new Event()`, Err: `TypeError: Event: expected a type`},
		"a subclass":         {Code: `class T extends EventTarget { onx = () => { this.seen = true } }; const t = new T(); t.dispatchEvent(new Event("x")); return t.seen`, Want: `true`},
	})
}

// TestListenLetsGo listens many times to one signal, each time until the context is
// done: what has listened must not be held for as long as the signal lives.
func TestListenLetsGo(t *testing.T) {
	var listeners []weak.Pointer[[1 << 10]byte]
	host := host
	host.Globals = append(slices.Clip(host.Globals),
		native.Function("listenOnce", 1, func(vm *js.VM, call goja.FunctionCall) goja.Value {
			data := new([1 << 10]byte)
			listeners = append(listeners, weak.Make(data))
			ctx, stop := context.WithCancel(vm.Context())
			abort.Listen(ctx, vm, abort.Signal(vm, "listenOnce", call.Argument(0)), func(goja.Value) { data[0]++ })
			stop()
			return goja.Undefined()
		}),
		native.Function("held", 0, func(vm *js.VM, _ goja.FunctionCall) goja.Value {
			runtime.GC()
			gone := func(p weak.Pointer[[1 << 10]byte]) bool { return p.Value() == nil }
			return vm.Runtime().ToValue(len(slices.DeleteFunc(listeners, gone)))
		}),
	)
	host.Run(t, map[string]hosttest.Case{"one signal": {
		Code: `const c = new AbortController(); for (let i = 0; i < 1000; i++) listenOnce(c.signal); const few = held() < 50; c.abort(); return few`, Want: `true`,
	}})
}
