package raftstorage

import (
	"strings"
	"testing"

	"github.com/dgate-io/caddy-dgate/raftstorage/peer"
)

// A member whose secret or name differs says so, and so do the others: it is not lost.
func TestApart(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		change func(*Cluster)
		option string
	}{
		"another secret": {func(cl *Cluster) { cl.Secret = peer.NewSecret() }, "option secret"},
		"another name":   {func(cl *Cluster) { cl.Name = "other" }, "option name"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := alone(t)
			c.grow(3, 3)
			before := *c.cfgs[2].Cluster
			c.reopen(func(_ int, cl *Cluster) { tt.change(cl) }, 2)
			id := c.nodes[2].Status().ID
			c.eventually("tell the others", func() bool {
				m := members(t, c.nodes[0])[id]
				return !m.Reachable && strings.Contains(m.Apart, tt.option) && m.Problem == m.Apart
			})
			c.eventually("tell the node itself", func() bool {
				st := c.nodes[2].Status()
				return st.Leader == "" && strings.Contains(st.Apart, tt.option)
			})
			for other, m := range members(t, c.nodes[2]) {
				if other != id && !strings.Contains(m.Apart, tt.option) {
					t.Errorf("member %s: %+v", other, m)
				}
			}
			_, err := c.nodes[2].Propose(t.Context(), service("x", "http://a"))
			if err == nil || !strings.Contains(err.Error(), tt.option) {
				t.Errorf("a change: %v", err)
			}
			c.reopen(func(_ int, cl *Cluster) { cl.Secret, cl.Name = before.Secret, before.Name }, 2)
			c.eventually("be as before", func() bool {
				m := members(t, c.nodes[0])[id]
				return m.Reachable && m.Apart == "" && c.nodes[2].Status().Apart == ""
			})
		})
	}
}
