package raftstorage

import (
	"strings"
	"testing"

	"github.com/dgate-io/caddy-dgate/internal/resource"
)

func TestRecover(t *testing.T) {
	t.Parallel()
	c := alone(t)
	if err := c.nodes[0].Recover(t.Context(), 0); resource.CodeOf(err) != resource.Conflict {
		t.Errorf("a node that leads recovers: %v", err)
	}
	c.grow(3, 3)
	write(t, c.nodes[0], service("a", "http://a"))
	c.same()
	if err := c.nodes[1].Recover(t.Context(), 0); resource.CodeOf(err) != resource.Conflict {
		t.Errorf("a cluster with a leader recovers: %v", err)
	}
	before := c.nodes[2].Status().ClusterID
	stop(t, c.nodes[0])
	stop(t, c.nodes[1])
	n := c.nodes[2]
	c.eventually("have no leader", func() bool { return n.Status().Leader == "" })
	if err := n.Recover(t.Context(), n.Status().LastIndex+1); resource.CodeOf(err) != resource.Conflict || !strings.Contains(err.Error(), "look at the status again") {
		t.Errorf("another log than was seen: %v", err)
	}
	must(t, n.Recover(t.Context(), n.Status().LastIndex))
	write(t, n, service("b", "http://a"))
	now := n.Status()
	if now.ClusterID == before || now.Members != 1 || now.FaultTolerance != 0 {
		t.Errorf("status %+v", now)
	}
	// The others come back. They have a majority among them, and keep out of it.
	c.open(0)
	c.open(1)
	c.leads(0, 1)
	write(t, c.nodes[0], service("old", "http://a"))
	write(t, n, service("c", "http://a"))
	if st := n.Status(); st.ClusterID != now.ClusterID || st.Term != now.Term {
		t.Errorf("the old cluster disturbed it: %+v", st)
	}
	members, err := c.nodes[0].Members(t.Context())
	must(t, err)
	for _, m := range members {
		if there := m.ID == now.ID; m.Reachable == there || m.Leader && there || there != (m.Cluster == now.ClusterID) {
			t.Errorf("the old cluster has the member %+v", m)
		}
	}
	// One that comes back alone says where the others are.
	stop(t, c.nodes[0])
	c.eventually("know of the other cluster", func() bool {
		why := c.nodes[1].Status().Elsewhere
		return strings.Contains(why, now.ClusterID) && strings.Contains(why, before)
	})
	stop(t, c.nodes[1])
	// After a restart it is the same; a node with a fresh directory joins.
	stop(t, n)
	c.cfgs[2].Cluster.Listen = freeAddress(t)
	c.open(2)
	write(t, c.nodes[2], service("d", "http://a"))
	c.cfgs[0].Dir = t.TempDir()
	c.cfgs[0].Cluster.Join = []string{c.nodes[2].Status().Address}
	c.open(0)
	c.nodes[1] = c.nodes[0]
	c.voters(2)
	c.same()
	if got := names(t, c.nodes[0], "service"); len(got) != 4 {
		t.Errorf("services %v", got)
	}
}

// A recovery that was interrupted before it was in the log leaves the server what it was.
func TestInterruptedRecovery(t *testing.T) {
	t.Parallel()
	c := alone(t)
	c.grow(3, 3)
	write(t, c.nodes[0], service("a", "http://a"))
	c.same()
	i := c.follower()
	stop(t, c.nodes[i])
	p, err := openPledge(c.cfgs[i].path(pledgeFile))
	must(t, err)
	must(t, p.change(func(v *vows) error { v.Recovering = newClusterID(); return nil }))
	c.open(i)
	write(t, c.nodes[(i+1)%3], service("b", "http://a"))
	c.same()
	if v := c.nodes[i].store.members.pledge.get(); v.Recovering != "" {
		t.Errorf("it still recovers: %+v", v)
	}
	stop(t, c.nodes[i])
	c.open(i) // it does not come up again
	write(t, c.nodes[(i+1)%3], service("c", "http://a"))
	c.same()
}
