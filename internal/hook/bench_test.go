package hook_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/dop251/goja"

	"github.com/dgate-io/caddy-dgate/internal/hook"
	"github.com/dgate-io/caddy-dgate/internal/js"
)

// BenchmarkGoja is the floor: an empty function called by goja alone.
func BenchmarkGoja(b *testing.B) {
	rt := goja.New()
	v, err := rt.RunString(`(function (ctx) {})`)
	if err != nil {
		b.Fatal(err)
	}
	fn, _ := goja.AssertFunction(v)
	arg := rt.NewObject()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := fn(goja.Undefined(), arg); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRequestModifier is one hook of one request, its Scope included; the
// request itself is made before.
func BenchmarkRequestModifier(b *testing.B) {
	benchmarks := []struct{ name, module string }{
		{"empty", `export function requestModifier(ctx) {}`},
		{"3 reads, 2 writes", `export function requestModifier(ctx) {
			const h = ctx.request().headers;
			const a = h.get("authorization"), t = h.get("x-tenant"), u = h.get("user-agent");
			h.set("x-user", a); h.set("x-from", t);
		}`},
		{"response headers", `export function requestModifier(ctx) {
			const h = ctx.response().headers;
			h.set("x-user", "a"); h.set("x-from", "b");
		}`},
		{"method, path, query", `export function requestModifier(ctx) {
			const q = ctx.request();
			return q.method + q.path + q.query.get("q");
		}`},
		{"async", `export async function requestModifier(ctx) {}`},
		{"await a ready value", `export async function requestModifier(ctx) { await ctx.request().readBody() }`},
		{"set and get", `export function requestModifier(ctx) { ctx.set("k", "v"); return ctx.get("k") }`},
		{"set and get an object", `export function requestModifier(ctx) { ctx.set("k", {a: 1}); return ctx.get("k") }`},
		{"a property of ctx", `export function requestModifier(ctx) { ctx.user = "u" }`},
	}
	for _, bm := range benchmarks {
		b.Run(bm.name, func(b *testing.B) {
			vm := borrow(b, newPool(b, bm.module, js.Limits{}))
			r := get()
			r.Header.Set("Authorization", "Bearer x")
			r.Header.Set("X-Tenant", "t")
			r.Header.Set("User-Agent", "bench")
			w, in := httptest.NewRecorder(), info()
			b.ReportAllocs()
			for b.Loop() {
				s := hook.NewScope(w, r, in)
				if _, err := s.RequestModifier(vm); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkResponseModifier works on the answer of an upstream.
func BenchmarkResponseModifier(b *testing.B) {
	benchmarks := []struct{ name, module string }{
		{"headers", `export function responseModifier(ctx, u) { const h = u.headers; h.del("server"); h.set("x-a", "b") }`},
		{"await the body", `export async function responseModifier(ctx, u) { await u.readBody() }`},
	}
	for _, bm := range benchmarks {
		b.Run(bm.name, func(b *testing.B) {
			vm := borrow(b, newPool(b, bm.module, js.Limits{}))
			r, w, in := get(), httptest.NewRecorder(), info()
			header := http.Header{"Server": {"x"}}
			b.ReportAllocs()
			for b.Loop() {
				resp := &http.Response{StatusCode: 200, Header: header, Body: http.NoBody}
				if err := hook.NewScope(w, r, in).ResponseModifier(vm, resp); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkAnswer is a request that is answered by a script.
func BenchmarkAnswer(b *testing.B) {
	benchmarks := []struct{ name, module string }{
		{"send", `export function requestHandler(ctx) { ctx.response().send("x") }`},
		{"json", `export function requestHandler(ctx) { ctx.response().json({ a: 1 }) }`},
		{"a Response", `export function requestHandler(ctx) { return new Response("x") }`},
		{"a Worker", `export default { fetch(request) { return new Response("x") } }`},
		{"a Worker that looks at the URL", `export default { fetch(request) { return new Response(new URL(request.url).pathname) } }`},
	}
	for _, bm := range benchmarks {
		b.Run(bm.name, func(b *testing.B) {
			vm := borrow(b, newPool(b, bm.module, js.Limits{}))
			r, in := get(), info()
			b.ReportAllocs()
			for b.Loop() {
				s := hook.NewScope(httptest.NewRecorder(), r, in)
				err := s.RequestHandler(vm)
				if err == nil {
					err = s.SendRest()
				}
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
