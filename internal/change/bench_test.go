package change_test

import (
	"fmt"
	"testing"

	"github.com/dgate-io/caddy-dgate/internal/change"
	"github.com/dgate-io/caddy-dgate/internal/change/changetest"
	"github.com/dgate-io/caddy-dgate/internal/resource"
	"github.com/dgate-io/caddy-dgate/internal/state"
)

// BenchmarkPut compares what a writer adds to a proposal with the proposal alone, without a log.
func BenchmarkPut(b *testing.B) {
	store := changetest.New(b)
	w := change.Writer{Store: store, Sealer: &sealer{}}
	free := collection("free", "")
	strict := collection("strict", `{"type":"object","required":["n"],"properties":{"n":{"type":"integer"},"name":{"type":"string","maxLength":20}}}`)
	if _, err := w.Apply(b.Context(), change.Change{Object: free}, change.Change{Object: strict}); err != nil {
		b.Fatal(err)
	}
	data := func(i int) string { return fmt.Sprintf(`{"n":%d,"name":"somebody"}`, i) }
	put := func(b *testing.B, obj resource.Object) {
		if _, err := w.Put(b.Context(), obj, state.Condition{}); err != nil {
			b.Fatal(err)
		}
	}
	for _, bb := range []struct {
		name string
		one  func(b *testing.B, i int)
	}{
		{"document, proposed only", func(b *testing.B, i int) {
			op, err := state.Put(document("free", "a", data(i)), state.Condition{})
			if err != nil {
				b.Fatal(err)
			}
			if out, err := store.Propose(b.Context(), op); err != nil || out.Err != nil {
				b.Fatal(err, out.Err)
			}
		}},
		{"document", func(b *testing.B, i int) { put(b, document("free", "a", data(i))) }},
		{"document with a schema", func(b *testing.B, i int) { put(b, document("strict", "a", data(i))) }},
		{"secret", func(b *testing.B, i int) { put(b, secret(data(i))) }},
	} {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				bb.one(b, i)
			}
		})
	}
}
