package gateway

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"testing"

	"github.com/dgate-io/caddy-dgate/internal/change/changetest"
	"github.com/dgate-io/caddy-dgate/internal/resource"
	"github.com/dgate-io/caddy-dgate/internal/state"
)

// layout is a way to divide 10,000 routes and 1,000 services among namespaces.
type layout struct {
	name       string
	namespaces int
	methods    []string
	prefix     string // of all patterns
}

const scaleRoutes, scaleServices, scaleDomains = 10_000, 1_000, 10_000

var layouts = []layout{
	{"1000 namespaces", 1000, []string{"GET", "POST"}, "/v1"},
	{"1 namespace", 1, []string{"GET", "POST"}, "/v1"},
	{"1 namespace, all methods", 1, []string{"*"}, "/v1"},
	{"1 namespace, a parameter first", 1, []string{"GET", "POST"}, "/{v}"},
}

func (l layout) namespace(i int) string { return fmt.Sprintf("n%d", i%l.namespaces) }

// route is the i-th route. A third each has a plain path, a parameter and a wildcard.
func (l layout) route(i int) *resource.Route {
	paths := []string{"/r%d", "/r%d/{id}/x", "/r%d/*"}
	return &resource.Route{
		Name: fmt.Sprintf("r%d", i), Namespace: l.namespace(i), Service: fmt.Sprintf("s%d", i%scaleServices),
		Paths: []string{l.prefix + fmt.Sprintf(paths[i%3], i)}, Methods: l.methods, StripPath: true,
	}
}

// request is one for the i-th route.
func (l layout) request(i int) *http.Request {
	paths := []string{"/v1/r%d", "/v1/r%d/42/x", "/v1/r%d/a/b"}
	return httptest.NewRequest(http.MethodGet, fmt.Sprintf("http://d%d.example.com"+paths[i%3], i%scaleDomains, i), nil)
}

// store stores it all.
func (l layout) store(b testing.TB) *changetest.Store {
	b.Helper()
	var all []resource.Object
	for i := range l.namespaces {
		all = append(all, &resource.Namespace{Name: l.namespace(i)})
	}
	for i := range scaleServices {
		all = append(all, &resource.Service{Name: fmt.Sprintf("s%d", i), Namespace: l.namespace(i), URLs: []string{fmt.Sprintf("http://10.0.0.1:%d", 1+i)}})
	}
	for i := range scaleRoutes {
		all = append(all, l.route(i))
	}
	for i := range scaleDomains {
		all = append(all, &resource.Domain{Name: fmt.Sprintf("d%d", i), Namespace: l.namespace(i), Patterns: []string{fmt.Sprintf("d%d.example.com", i)}, TLS: "auto"})
	}
	store := changetest.New(b)
	for batch := range slices.Chunk(all, 1000) { // what is added to one leaf of bbolt in one transaction costs its square
		var ops []state.Op
		for _, obj := range batch {
			op, err := state.Put(obj, state.Condition{})
			if err != nil {
				b.Fatal(err)
			}
			ops = append(ops, op)
		}
		if out, err := store.Propose(b.Context(), ops...); err != nil || out.Err != nil {
			b.Fatal(err, out.Err)
		}
	}
	return store
}

// BenchmarkScale is the gateway with 10,000 routes: from the store to the table, a request through
// it, and a change of one route until it is live.
func BenchmarkScale(b *testing.B) {
	for _, l := range layouts {
		b.Run(l.name, func(b *testing.B) {
			store := l.store(b)
			b.Run("load", func(b *testing.B) {
				for b.Loop() {
					if _, err := newGateway().Load(store.DB()); err != nil {
						b.Fatal(err)
					}
				}
			})
			before := heap()
			g, w := follow(b, store)
			each := float64(heap()-before) / scaleRoutes
			b.Run("match", func(b *testing.B) {
				requests := make([]*http.Request, 1000)
				for i := range requests {
					requests[i] = l.request(i * 7)
				}
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					if _, err := g.Match("", requests[i%len(requests)]); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(each, "B/route")
			})
			b.Run("write", func(b *testing.B) {
				for i := 0; b.Loop(); i++ {
					r := l.route(i % scaleRoutes)
					r.Paths = append(r.Paths, fmt.Sprintf("%s/r%d/{p%d}/w", l.prefix, i%scaleRoutes, i))
					if _, err := w.Put(b.Context(), r, state.Condition{}); err != nil {
						b.Fatal(err)
					}
				}
			})
		})
	}
}

// TestScale: a match allocates next to nothing, and a route takes less than 4 KiB.
func TestScale(t *testing.T) {
	if testing.Short() {
		t.Skip("it stores 10,000 routes")
	}
	for _, l := range []layout{layouts[0], layouts[2]} {
		store := l.store(t)
		before := heap()
		g, _ := follow(t, store)
		if each := (heap() - before) / scaleRoutes; each > 4<<10 {
			t.Errorf("%s: %d bytes for each route", l.name, each)
		}
		r := l.request(scaleRoutes - 2)
		if n := testing.AllocsPerRun(1000, func() {
			if _, err := g.Match("", r); err != nil {
				t.Error(err)
			}
		}); n > 2 {
			t.Errorf("%s: %v allocations for a match", l.name, n)
		}
	}
}

// heap is what is in use, in bytes.
func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
