package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"testing"

	"go.uber.org/zap"

	"github.com/dgate-io/caddy-dgate/internal/change"
	"github.com/dgate-io/caddy-dgate/internal/change/changetest"
	"github.com/dgate-io/caddy-dgate/internal/js"
	"github.com/dgate-io/caddy-dgate/internal/resource"
	"github.com/dgate-io/caddy-dgate/internal/state"
)

// following makes a gateway that follows a store with so many routes in the namespace default.
func following(tb testing.TB, routes int) (*Gateway, *change.Writer) {
	tb.Helper()
	store := changetest.New(tb)
	changes := []change.Change{
		{Object: &resource.Service{Name: "s", Namespace: "default", URLs: []string{"http://a"}}},
		{Object: &resource.Collection{Name: "c", Namespace: "default"}},
	}
	for i := range routes {
		changes = append(changes, change.Change{Object: &resource.Route{Name: fmt.Sprintf("r%d", i), Namespace: "default", Service: "s", Paths: []string{fmt.Sprintf("/r%d", i)}, Methods: []string{"GET"}}})
	}
	if _, err := (&change.Writer{Store: store}).Apply(tb.Context(), changes...); err != nil {
		tb.Fatal(err)
	}
	return follow(tb, store)
}

// follow makes a gateway that follows a store until the test ends.
func follow(tb testing.TB, store *changetest.Store) (*Gateway, *change.Writer) {
	tb.Helper()
	g := newGateway()
	follower, err := g.Load(store.DB())
	if err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := follower.Follow(ctx); err != nil {
			tb.Error(err)
		}
	})
	tb.Cleanup(func() { cancel(); wg.Wait() })
	return g, &change.Writer{Store: store, Code: g}
}

func newGateway() *Gateway { return New(js.Options{}, Options{Logger: zap.NewNop()}) }

func putDocument(tb testing.TB, w *change.Writer, n int) uint64 {
	tb.Helper()
	doc := &resource.Document{ID: "d", Collection: "c", Namespace: "default", Data: json.RawMessage(fmt.Sprint(n))}
	result, err := w.Put(tb.Context(), doc, state.Condition{})
	if err != nil {
		tb.Fatal(err)
	}
	return result.Index
}

// A document moves the index of the table and nothing else.
func TestDocumentsDoNotCompile(t *testing.T) {
	g, w := following(t, 1)
	before := g.Table().namespaces["default"]
	index := putDocument(t, w, 1)
	if err := g.Live(t.Context(), index); err != nil {
		t.Fatal(err)
	}
	after := g.Table()
	if after.Index != index || after.namespaces["default"] != before {
		t.Errorf("table at %d instead of %d, namespace compiled again: %t", after.Index, index, after.namespaces["default"] != before)
	}
	result, err := w.Put(t.Context(), &resource.Service{Name: "s", Namespace: "default", URLs: []string{"http://b"}}, state.Condition{})
	if err != nil {
		t.Fatal(err)
	}
	if after = g.Table(); after.Index < result.Index || after.namespaces["default"] == before {
		t.Error("a service does not change the table")
	}
}

// BenchmarkPutDocument writes a document beside many routes, and beside few.
func BenchmarkPutDocument(b *testing.B) {
	for _, routes := range []int{1, 5000} {
		b.Run(fmt.Sprintf("%d routes", routes), func(b *testing.B) {
			_, w := following(b, routes)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				putDocument(b, w, i)
			}
		})
	}
}
