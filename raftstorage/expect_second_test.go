package raftstorage

import (
	"strings"
	"testing"
	"time"

	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// openOne opens one of the nodes that are not open yet.
func (c *cluster) openOne(i int) {
	c.t.Helper()
	n := c.nodes[i]
	if err := n.Open(c.t.Context()); err != nil {
		c.t.Fatalf("node %d: %v", i, err)
	}
	c.t.Cleanup(func() { stop(c.t, n) })
}

// Who sees a cluster forms no second one, also if that has no leader and lets nobody in.
func TestNoSecondClusterBesideOne(t *testing.T) {
	t.Parallel()
	c := starters(t, 6, 3)
	var first []string
	for i := range 3 {
		first = append(first, c.cfgs[i].Cluster.Listen)
	}
	for i := range 3 {
		c.cfgs[i].Cluster.Join = first
		c.nodes[i] = New(c.cfgs[i])
		c.openOne(i)
	}
	c.eventually("form a cluster", func() bool { return c.nodes[2].Status().FaultTolerance == 1 && c.nodes[2].Status().ClusterID != "" })
	id := c.nodes[2].Status().ClusterID
	stop(t, c.nodes[0])
	stop(t, c.nodes[1])
	c.eventually("have no leader", func() bool { return c.nodes[2].Status().Leader == "" })
	rest := append([]string{first[2]}, c.cfgs[3].Cluster.Join[3:]...) // four: fewer than two times expect
	for i := 3; i < 6; i++ {
		c.cfgs[i].Cluster.Join = rest
		c.nodes[i] = New(c.cfgs[i])
		c.openOne(i)
	}
	for range 12 { // of their rounds
		for i, n := range c.nodes[3:] {
			wake(n.store.members.joinNow)
			if got := n.store.boundTo(); got != "" && got != id {
				t.Fatalf("node %d is bound to cluster %s beside %s", i+3, got, id)
			}
		}
		sleep(t.Context(), 50*time.Millisecond)
	}
	c.open(0)
	c.eventually("be let in", func() bool {
		for _, n := range c.nodes[2:] {
			if n.Status().ClusterID != id {
				return false
			}
		}
		return true
	})
}

// With too many servers in the join list, no part of them begins.
func TestExpectIsTooSmall(t *testing.T) {
	t.Parallel()
	c := starters(t, 6, 3)
	c.openAll(0)
	c.eventually("say that expect is too small", func() bool {
		for _, n := range c.nodes {
			if !strings.Contains(n.Status().Joining, "the join list has 6 servers, of which every 3 could begin a cluster of their own") {
				return false
			}
		}
		return true
	})
}

// A proposal that is given up is never begun, and one that is being begun is not given up.
func TestProposalGivenUpIsNotBegun(t *testing.T) {
	t.Parallel()
	c := starters(t, 3, 3)
	c.openOne(0)
	s := c.nodes[0].store
	servers := []proposedServer{{ID: string(s.id()), Address: c.cfgs[0].Cluster.Listen}}
	for i := 1; i < 3; i++ {
		servers = append(servers, proposedServer{ID: numbered("z", i), Address: c.cfgs[i].Cluster.Listen})
	}
	p, err := s.members.pledge.propose(string(s.id()), servers)
	must(t, err)
	s.configuring.Lock() // a reload is under way
	must(t, s.form(p))
	must(t, s.former().withdraw(t.Context(), p))
	s.configuring.Unlock()
	c.eventually("give up", func() bool { return !s.members.forming.Load() })
	if got := s.servers(); len(got) > 0 {
		t.Errorf("cluster %s was given up and is begun: %v", p.Cluster, got)
	}
	p, err = s.members.pledge.propose(string(s.id()), servers)
	must(t, err)
	must(t, s.form(p))
	c.eventually("begin", func() bool { return !s.members.forming.Load() && len(s.servers()) == 3 })
	if err := s.former().withdraw(t.Context(), p); err == nil {
		t.Error("a cluster that has begun was given up")
	}
	if got := s.members.pledge.get().Promised; got == nil || got.Cluster != p.Cluster {
		t.Errorf("it has promised %v", got)
	}
}

// Who is asked again for a promise that it has kept does not refuse it.
func TestPromiseIsAskedForAgain(t *testing.T) {
	t.Parallel()
	c := starters(t, 3, 3)
	c.openAll(0)
	c.voters(3)
	leader, other := c.nodes[c.leads()].store, c.nodes[c.follower()].store
	c.same()
	c.settled(0)
	c.eventually("have a name", func() bool { return leader.db.ClusterID() != "" })
	p := proposal{Cluster: leader.db.ClusterID(), Proposer: string(leader.id()), Number: 1}
	if err := leader.call(t.Context(), other.advertised(), "promise", p, nil); err != nil {
		t.Errorf("the same cluster: %v", err)
	}
	p.Cluster = "another"
	if err := leader.call(t.Context(), other.advertised(), "promise", p, nil); resource.CodeOf(err) != resource.Conflict {
		t.Errorf("another cluster: %v", err)
	}
}
