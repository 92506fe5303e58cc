package fetch_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/dgate-io/caddy-dgate/internal/js"
	"github.com/dgate-io/caddy-dgate/internal/js/host/fetch"
)

// BenchmarkScripts compares what scripts do with requests and streams with an async
// hook that does nothing, and with a request that Go makes.
func BenchmarkScripts(b *testing.B) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"a":1}`) }))
	defer srv.Close()
	client := fetch.New(fetch.Options{})
	defer client.Close()
	for name, code := range map[string]string{
		"Nothing":     ``,
		"FetchJSON":   `await (await fetch(B)).json()`,
		"FetchSignal": `await (await fetch(B, { signal: AbortSignal.timeout(1000) })).json()`,
		"FetchStream": `for await (const chunk of (await fetch(B)).body);`,
		"Response":    `return new Response("hi", { headers: { a: "b" } })`,
		"100Chunks":   `await new Response(new ReadableStream({ start(c) { for (let i = 0; i < 100; i++) c.enqueue("abc"); c.close() } })).text()`,
		"100Pulls":    `let i = 0; await new Response(new ReadableStream({ pull(c) { if (i++ < 100) c.enqueue("abc"); else c.close() } })).text()`,
	} {
		b.Run(name, func(b *testing.B) {
			engine := js.NewEngine(js.Options{Hooks: []string{"test"}, Globals: globals(client)})
			src := js.Source{Name: "test", Code: []byte(`const B = "` + srv.URL + `"; export async function test() {` + code + `}`)}
			program, err := engine.Compile(b.Context(), []js.Source{src}, js.Limits{})
			if err != nil {
				b.Fatal(err)
			}
			pool := engine.NewPool(program, js.Limits{}, nil)
			defer pool.Close()
			vm, err := pool.Get(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			defer pool.Put(vm)
			b.ReportAllocs()
			for b.Loop() {
				run := vm.Start(b.Context(), 0, b)
				if _, err := run.Wait(); err != nil {
					b.Fatal(err)
				}
				run.End()
			}
		})
	}
	b.Run("Go", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			resp, err := srv.Client().Get(srv.URL)
			if err != nil {
				b.Fatal(err)
			}
			_, _ = io.ReadAll(resp.Body)
			_ = resp.Body.Close()
		}
	})
}
