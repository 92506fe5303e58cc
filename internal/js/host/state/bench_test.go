package state_test

import (
	"bytes"
	"testing"

	"github.com/dgate-io/caddy-dgate/internal/js"
	hoststate "github.com/dgate-io/caddy-dgate/internal/js/host/state"
	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// scope is a hook of a namespace.
type scope string

func (s scope) Namespace() string { return string(s) }

// BenchmarkGetDocument reads a small and a large document in a hook, beside reading them in Go and
// a hook that reads nothing.
func BenchmarkGetDocument(b *testing.B) {
	w := newWorld(b)
	w.put(b, &resource.Document{Namespace: "a", Collection: "shared", ID: "large", Data: append(append([]byte(`{"x":"`), bytes.Repeat([]byte("x"), 10<<10)...), `"}`...)})
	host := w.host("a")
	engine := js.NewEngine(js.Options{Hooks: []string{"nothing", "small", "large"}, Modules: host.Modules})
	program, err := engine.Compile(b.Context(), []js.Source{{Name: "bench", Code: []byte(host.Prelude + `
		export const nothing = async () => (await null);
		export const small = async () => (await getDocument("1", "people"));
		export const large = async () => (await getDocument("large", "shared"));`)}}, js.Limits{})
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
	for i, name := range []string{"nothing", "small", "large"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				run := vm.Start(b.Context(), i, scope("a"))
				if _, err := run.Wait(); err != nil {
					b.Fatal(err)
				}
				run.End()
			}
		})
	}
	data := w.data()
	for name, id := range map[string]string{"small in Go": "1", "large in Go": "large"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, ok, err := data.Document(b.Context(), "a", hoststate.Key{Namespace: "a", Collection: "shared", ID: id}); !ok || err != nil {
					b.Fatal(ok, err)
				}
			}
		})
	}
}
