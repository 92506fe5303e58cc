package hook_test

import (
	"net/http/httptest"
	"testing"

	"github.com/dop251/goja"

	"github.com/dgate-io/caddy-dgate/internal/benchtest"
	"github.com/dgate-io/caddy-dgate/internal/hook"
	"github.com/dgate-io/caddy-dgate/internal/js"
)

// reading is a hook that reads three headers and sets two.
const reading = `export function requestModifier(ctx) {
	const h = ctx.request().headers;
	const a = h.get("authorization"), t = h.get("x-tenant"), u = h.get("user-agent");
	h.set("x-user", a); h.set("x-from", t);
}`

// modified returns a function that calls requestModifier of a module for a request.
func modified(tb testing.TB, module string) func() {
	vm := borrow(tb, newPool(tb, module, js.Limits{}))
	r, w, in := get(), httptest.NewRecorder(), info()
	for _, name := range []string{"Authorization", "X-Tenant", "User-Agent"} {
		r.Header.Set(name, "x")
	}
	return func() {
		if _, err := hook.NewScope(w, r, in).RequestModifier(vm); err != nil {
			tb.Fatal(err)
		}
	}
}

func TestHeaderHookAllocations(t *testing.T) {
	if n := testing.AllocsPerRun(100, modified(t, reading)); n > 20 {
		t.Errorf("%v allocations for a hook that reads 3 headers and sets 2, at most 20 are allowed", n)
	}
}

// BenchmarkFigures are the figures that hooks are held to, each beside its reference.
func BenchmarkFigures(b *testing.B) {
	b.Run("reads 3 headers and sets 2, over an empty function", func(b *testing.B) {
		rt := goja.New()
		v, err := rt.RunString(`(function (ctx) {})`)
		if err != nil {
			b.Fatal(err)
		}
		fn, _ := goja.AssertFunction(v)
		arg := rt.NewObject()
		benchtest.Compare(b, modified(b, reading), func() {
			if _, err := fn(goja.Undefined(), arg); err != nil {
				b.Fatal(err)
			}
		})
	})
	b.Run("awaits a value that is ready, over one that awaits nothing", func(b *testing.B) {
		benchtest.Compare(b,
			modified(b, `export async function requestModifier(ctx) { await ctx.request().readBody() }`),
			modified(b, `export async function requestModifier(ctx) {}`))
	})
}
