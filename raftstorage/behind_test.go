package raftstorage

import (
	"strconv"
	"testing"

	"github.com/dgate-io/caddy-dgate/internal/change"
	"github.com/dgate-io/caddy-dgate/internal/resource"
	"github.com/dgate-io/caddy-dgate/internal/state"
)

// TestServiceHereRouteThere creates a resource on one node and what refers to it on another, at once.
func TestServiceHereRouteThere(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3)
	l, f := c.leads(), c.follower()
	leader, follower := &change.Writer{Store: c.nodes[l]}, &change.Writer{Store: c.nodes[f]}
	for i := range 30 {
		name := "s" + strconv.Itoa(i)
		s := resource.MustKind("service").New().(*resource.Service)
		s.Name, s.Namespace, s.URLs = name, "default", []string{"http://a"}
		if _, err := leader.Put(t.Context(), s, state.Condition{}); err != nil {
			t.Fatal(err)
		}
		r := resource.MustKind("route").New().(*resource.Route)
		r.Name, r.Namespace, r.Paths, r.Methods, r.Service = name, "default", []string{"/" + name}, []string{"GET"}, name
		if _, err := follower.Put(t.Context(), r, state.Condition{}); err != nil {
			t.Fatal(err)
		}
		if _, err := leader.Delete(t.Context(), r.Key(), state.Condition{}); err != nil {
			t.Fatal(err)
		}
		if _, err := follower.Delete(t.Context(), s.Key(), state.Condition{}); err != nil {
			t.Fatal(err)
		}
	}
}
