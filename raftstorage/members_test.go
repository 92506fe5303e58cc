package raftstorage

import (
	"context"
	"testing"
	"time"

	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// hasty are the spans of membership in tests.
func hasty() memberTiming {
	t := defaultMemberTiming()
	t.ask, t.joinFirst, t.joinMost = 500*time.Millisecond, 20*time.Millisecond, 200*time.Millisecond
	t.announce, t.alone, t.lead, t.steady = 500*time.Millisecond, 100*time.Millisecond, 50*time.Millisecond, 100*time.Millisecond
	return t
}

// joining lets the nodes of a cluster join by themselves.
func joining(_ int, cfg *Config) {
	cfg.manual = false
	cfg.timing.members = hasty()
}

// grow adds nodes that join, and waits until so many vote.
func (c *cluster) grow(to, voters int, changes ...func(int, *Config)) {
	c.t.Helper()
	for len(c.nodes) < to {
		c.add(append([]func(int, *Config){joining}, changes...)...)
	}
	c.voters(voters)
}

// voters waits until all nodes that are open agree on how many vote.
func (c *cluster) voters(want int) {
	c.t.Helper()
	ok := func() bool {
		for _, n := range c.nodes {
			if s, err := n.current(); err == nil && !s.isRemoved() && len(votersOf(s.servers())) != want {
				return false
			}
		}
		return true
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if until(ctx, ok) == nil {
		return
	}
	for i, n := range c.nodes {
		if s, err := n.current(); err == nil {
			c.t.Logf("node %d: %+v\nservers %+v", i, n.Status(), s.servers())
		}
	}
	c.t.Fatalf("there are not %d voters", want)
}

func alone(t testing.TB) *cluster {
	t.Helper()
	return newCluster(t, 1, joining)
}

// members lists the members as a node sees them, by id.
func members(t testing.TB, n *Node) map[string]Member {
	t.Helper()
	all, err := n.Members(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]Member{}
	for _, m := range all {
		found[m.ID] = m
	}
	return found
}

func TestJoining(t *testing.T) {
	t.Parallel()
	c := alone(t)
	write(t, c.nodes[0], service("before", "http://a"))
	c.grow(4, 3)
	write(t, c.nodes[3], service("after", "http://a"))
	c.same()
	c.eventually("know each other", func() bool {
		spares := 0
		for _, n := range c.nodes {
			st, all := n.Status(), members(t, n)
			self := all[st.ID]
			if len(all) != 4 || st.Members != 4 || st.FaultTolerance != 1 || st.Joining != "" || !self.Self || self.Name != st.Name || self.Address != st.Address {
				return false
			}
			for _, m := range all {
				if m.Role == NonVoter && m.Problem == spareProblem(3) {
					m.Problem = ""
				}
				if !m.Reachable || m.Problem != "" || m.Level != 1 || m.Storage != "ok" {
					return false
				}
				if m.Role == NonVoter {
					spares++
				}
			}
		}
		return spares == len(c.nodes)
	})
}

func TestEdge(t *testing.T) {
	t.Parallel()
	c := alone(t)
	c.grow(2, 1, func(_ int, cfg *Config) { cfg.Cluster.Edge = true })
	write(t, c.nodes[1], service("a", "http://a"))
	c.same()
	st := c.nodes[1].Status()
	c.eventually("be an edge", func() bool {
		m := members(t, c.nodes[1])[st.ID]
		return m.Role == Edge && m.Problem == ""
	})
	// By its configuration it becomes one that votes, and back.
	cfg := *c.cfgs[1].Cluster
	cfg.Listen, cfg.Edge = "127.0.0.1:0", false
	must(t, c.nodes[1].Configure(&cfg))
	c.voters(2)
	cfg.Edge = true
	must(t, c.nodes[1].Configure(&cfg))
	c.voters(1)
}

func TestRemovingAndLeaving(t *testing.T) {
	t.Parallel()
	c := alone(t)
	c.grow(4, 3)
	// The spare takes the place of who is removed, also if that is the leader.
	leader := c.leads()
	id := c.nodes[leader].Status().ID
	must(t, c.nodes[(leader+1)%4].Remove(t.Context(), id, false))
	c.eventually("know that it was removed", func() bool { return c.nodes[leader].Status().Removed })
	c.eventually("make the spare a voter", func() bool {
		voters := 0
		for _, m := range members(t, c.nodes[(leader+1)%4]) {
			if m.Role == Voter {
				voters++
			}
		}
		return voters == 3
	})
	if got := names(t, c.nodes[leader], "namespace"); len(got) != 1 {
		t.Errorf("a node that was removed serves %v", got)
	}
	if _, err := c.nodes[leader].Propose(t.Context(), service("x", "http://a")); resource.CodeOf(err) != resource.NoLeader {
		t.Errorf("a node that was removed writes: %v", err)
	}
	if err := c.nodes[leader].Leave(t.Context()); err != nil {
		t.Errorf("leaving twice: %v", err)
	}
	// It comes back when it is told to.
	must(t, c.nodes[leader].Join(t.Context(), []string{c.nodes[(leader+1)%4].Status().Address}))
	c.eventually("be back", func() bool { return !c.nodes[leader].Status().Removed && len(members(t, c.nodes[leader])) == 4 })
	write(t, c.nodes[leader], service("y", "http://a"))
	c.same()
}

func TestShrinking(t *testing.T) {
	t.Parallel()
	c := alone(t)
	c.grow(3, 3)
	write(t, c.nodes[0], service("a", "http://a"))
	must(t, c.nodes[2].Leave(t.Context()))
	must(t, c.nodes[1].Leave(t.Context()))
	if err := c.nodes[0].Leave(t.Context()); resource.CodeOf(err) != resource.Conflict {
		t.Errorf("the last voter leaves: %v", err)
	}
	write(t, c.nodes[0], service("b", "http://a"))
	if st := c.nodes[0].Status(); st.Members != 1 || !c.nodes[1].Status().Removed {
		t.Errorf("status %+v", st)
	}
}

func TestTransfer(t *testing.T) {
	t.Parallel()
	c := alone(t)
	if err := c.nodes[0].Transfer(t.Context(), ""); resource.CodeOf(err) != resource.Conflict {
		t.Errorf("a transfer to nobody: %v", err)
	}
	c.grow(3, 3)
	for i := range c.nodes {
		must(t, c.nodes[(i+1)%3].Transfer(t.Context(), c.nodes[i].Status().Name))
		c.leads(i)
	}
	if err := c.nodes[0].Transfer(t.Context(), "nobody"); resource.CodeOf(err) != resource.NotFound {
		t.Errorf("a transfer to a stranger: %v", err)
	}
}
