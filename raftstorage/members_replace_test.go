package raftstorage

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// writing writes to some nodes until it is stopped, and remembers what was answered.
type writing struct {
	mu    sync.Mutex
	acked []string
	wg    sync.WaitGroup
	stop  context.CancelFunc
}

// load writes to whatever nodes are in the list at the moment.
func (c *cluster) load(nodes *atomic.Pointer[[]*Node]) *writing {
	ctx, cancel := context.WithCancel(context.Background())
	w := &writing{stop: cancel}
	for i := range 4 {
		w.wg.Go(func() {
			for j := 0; ctx.Err() == nil; j++ {
				all := *nodes.Load()
				name := numbered(string(rune('a'+i)), j)
				if _, err := all[j%len(all)].Propose(context.Background(), service(name, "http://a")); err == nil {
					w.mu.Lock()
					w.acked = append(w.acked, name)
					w.mu.Unlock()
				}
				sleep(ctx, 5*time.Millisecond)
			}
		})
	}
	return w
}

// Every node is replaced by a new one while there are writes; nothing that was answered is lost.
func TestReplacingEveryNode(t *testing.T) {
	t.Parallel()
	c := alone(t)
	c.grow(3, 3)
	var current atomic.Pointer[[]*Node]
	now := slices.Clone(c.nodes)
	first := slices.Clone(now)
	current.Store(&first)
	w := c.load(&current)
	defer func() { w.stop(); w.wg.Wait() }()
	for i := range 3 {
		j := c.add(joining, func(_ int, cfg *Config) {
			cfg.Cluster.Join = []string{c.nodes[i+1].Status().Address, c.nodes[i+2].Status().Address}
		})
		fresh := c.nodes[j]
		c.eventually("be let in", func() bool { return fresh.Status().Members == 4 && fresh.DB().ClusterID() != "" })
		rest := append(slices.Clone(now[1:]), fresh)
		now = rest
		current.Store(&rest)
		old := c.nodes[i]
		c.eventually("take a node out", func() bool { return old.Leave(t.Context()) == nil })
		c.eventually("have three voters", func() bool {
			return !slices.ContainsFunc(rest, func(n *Node) bool { return len(votersOf(mustStore(t, n).servers())) != 3 })
		})
		stop(t, old)
	}
	w.stop()
	w.wg.Wait()
	c.nodes, c.cfgs = now, c.cfgs[3:]
	c.same()
	got := names(t, c.nodes[2], "service")
	for _, name := range w.acked {
		if !slices.Contains(got, name) {
			t.Fatalf("%s was answered and is lost", name)
		}
	}
	if len(w.acked) < 50 {
		t.Errorf("only %d writes", len(w.acked))
	}
	t.Logf("%d writes", len(w.acked))
}

func TestAutopilotReplacesDeadVoter(t *testing.T) {
	t.Parallel()
	quickly := func(_ int, cfg *Config) {
		cfg.timing.members.autopilot, cfg.timing.members.deadVoter = 50*time.Millisecond, 300*time.Millisecond
	}
	c := newCluster(t, 1, joining, quickly)
	c.grow(4, 3, quickly)
	leader := c.leads()
	var dead int
	for i, n := range c.nodes {
		if m := members(t, n)[n.Status().ID]; i != leader && m.Role == Voter {
			dead = i
		}
	}
	id := c.nodes[dead].Status().ID
	stop(t, c.nodes[dead])
	c.eventually("put the spare in its place", func() bool {
		all := members(t, c.nodes[leader])
		voters := 0
		for _, m := range all {
			if m.Role == Voter {
				voters++
			}
		}
		_, still := all[id]
		return !still && voters == 3 && len(all) == 3
	})
	write(t, c.nodes[leader], service("a", "http://a"))
}

func TestRemovalKeepsQuorum(t *testing.T) {
	t.Parallel()
	c := alone(t)
	c.grow(3, 3)
	leader := c.leads()
	stop(t, c.nodes[(leader+1)%3])
	alive := c.nodes[(leader+2)%3]
	err := c.nodes[leader].Remove(t.Context(), alive.Status().ID, false)
	if err == nil {
		t.Fatal("a healthy voter was removed, and one of two is left")
	}
	for id, m := range members(t, c.nodes[leader]) {
		if !m.Reachable {
			must(t, alive.Remove(t.Context(), id, false))
		}
	}
	write(t, alive, service("a", "http://a"))
	must(t, c.nodes[leader].Remove(t.Context(), alive.Status().ID, false))
	write(t, c.nodes[leader], service("b", "http://a"))
}

func TestLeavingOnExit(t *testing.T) {
	t.Parallel()
	c := alone(t)
	c.grow(3, 3, func(_ int, cfg *Config) { cfg.Cluster.LeaveOnExit = true })
	stop(t, c.nodes[1])
	stop(t, c.nodes[2])
	if st := c.nodes[0].Status(); st.Members != 1 {
		t.Errorf("%d members are left", st.Members)
	}
	write(t, c.nodes[0], service("a", "http://a"))
	// Started again, it is let in again.
	c.open(1)
	c.nodes[2] = c.nodes[1]
	c.voters(2)
	c.same()
}
