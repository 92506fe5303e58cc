package gateway

import (
	"context"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestDurations(t *testing.T) {
	var d Durations
	for _, took := range []time.Duration{0, Bounds[0], Bounds[0] + 1, 3 * time.Millisecond, time.Hour} {
		d.Observe(took)
	}
	atMost, count, sum := d.Read()
	var want [len(Bounds)]uint64
	for i, bound := range Bounds {
		switch {
		case bound == Bounds[0]:
			want[i] = 2
		case bound < 3*time.Millisecond:
			want[i] = 3
		default:
			want[i] = 4
		}
	}
	if diff := cmp.Diff(want, atMost); diff != "" {
		t.Errorf("buckets (-want +got):\n%s", diff)
	}
	if wantSum := time.Hour + 3*time.Millisecond + 2*Bounds[0] + 1; count != 5 || sum != wantSum {
		t.Errorf("%d of %s, want 5 of %s", count, sum, wantSum)
	}
}

// TestAnswers: nothing is lost when requests end at the same time.
func TestAnswers(t *testing.T) {
	const each = 200
	var (
		s  RouteStats
		wg sync.WaitGroup
	)
	want := map[int]uint64{}
	for _, status := range []int{200, 404, 500, 502, 200} {
		want[status] += each
		wg.Go(func() {
			for range each {
				s.observe(status, time.Millisecond)
			}
		})
	}
	wg.Wait()
	if diff := cmp.Diff(want, maps.Collect(s.Answers())); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
}

// TestModuleStats: what was counted stays as long as somebody runs the module.
func TestModuleStats(t *testing.T) {
	m := modules{byName: map[Names]*moduleStats{}}
	name := Names{Namespace: "n", Module: "m"}
	first := m.use(name)
	if m.use(name) != first {
		t.Error("a second user has stats of its own")
	}
	m.drop(name)
	if m.byName[name] != first {
		t.Error("the stats went with one of two users")
	}
	m.drop(name)
	if len(m.byName) > 0 {
		t.Error("the stats outlive the last user")
	}
}

// BenchmarkMeasure is what metrics and traces that nobody records add to a request on a route with a
// service and one hook.
func BenchmarkMeasure(b *testing.B) {
	var (
		route   RouteStats
		service ServiceStats
		hook    HookStats
	)
	type key int // as many values as Caddy has in the context of a request
	ctx := b.Context()
	for i := range 8 {
		ctx = context.WithValue(ctx, key(i), i) //nolint:fatcontext // that is what is wanted
	}
	b.ReportAllocs()
	for b.Loop() {
		began := time.Now()
		if traced(ctx) {
			b.Fatal("a trace is recorded")
		}
		for _, took := range []*Durations{&service.Took, &hook.Took} {
			began := time.Now()
			took.Observe(time.Since(began))
		}
		route.observe(200, time.Since(began))
	}
}
