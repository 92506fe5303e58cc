package raftstorage

import (
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/dgate-io/caddy-dgate/internal/resource"
	"github.com/dgate-io/caddy-dgate/raftstorage/peer"
)

// starters makes nodes that know each other's addresses and form a cluster. They are not open yet.
func starters(t testing.TB, n, expect int) *cluster {
	t.Helper()
	c := &cluster{t: t, secret: peer.NewSecret(), cuts: &cuts{}}
	var addresses []string
	for range n {
		addresses = append(addresses, freeAddress(t))
	}
	for i := range n {
		cfg := Config{
			Dir: t.TempDir(), timing: brisk(),
			Cluster: &Cluster{NodeName: numbered("node", i), Listen: addresses[i], Secret: c.secret, Join: addresses, Expect: expect},
		}
		joining(i, &cfg)
		c.cfgs, c.nodes = append(c.cfgs, quiet(cfg)), append(c.nodes, New(quiet(cfg)))
	}
	return c
}

// freeAddress is an address that was free a moment ago.
func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// openAll opens nodes at once, in any order.
func (c *cluster) openAll(pause time.Duration) {
	var wg sync.WaitGroup
	for i := range c.nodes {
		wg.Go(func() {
			if pause > 0 {
				sleep(c.t.Context(), rand.N(pause))
			}
			if err := c.nodes[i].Open(c.t.Context()); err != nil {
				c.t.Errorf("node %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	for _, n := range c.nodes {
		c.t.Cleanup(func() { stop(c.t, n) })
	}
}

func TestExpectedServersFormOneCluster(t *testing.T) {
	t.Parallel()
	for round := range 6 {
		n := 3 + round%3
		c := starters(t, n, 3)
		c.openAll(50 * time.Millisecond)
		c.voters(3)
		ids := map[string]bool{}
		c.eventually("know their cluster", func() bool {
			clear(ids)
			for _, n := range c.nodes {
				ids[n.Status().ClusterID] = true
			}
			return !ids[""]
		})
		if len(ids) != 1 {
			t.Fatalf("round %d: %d servers form %d clusters", round, n, len(ids))
		}
		write(t, c.nodes[n-1], service("a", "http://a"))
		c.same()
		for _, n := range c.nodes {
			stop(t, n)
		}
	}
}

func TestTooFewServersFormNone(t *testing.T) {
	t.Parallel()
	c := starters(t, 2, 3)
	for _, cfg := range c.cfgs {
		cfg.timing.leaderWait = 300 * time.Millisecond
	}
	c.openAll(0)
	c.eventually("wait for a third", func() bool {
		return slices.ContainsFunc(c.nodes, func(n *Node) bool {
			return n.Status().Joining == "this node is not part of a cluster yet: 2 of the 3 servers that form the cluster are there (option expect)"
		})
	})
	for _, n := range c.nodes {
		if _, err := n.Propose(t.Context(), service("a", "http://a")); resource.CodeOf(err) != resource.NoLeader {
			t.Errorf("a node without a cluster writes: %v", err)
		}
		if id := n.Status().ClusterID; id != "" {
			t.Errorf("it has the cluster %s", id)
		}
	}
}

func TestFormedClusterSurvivesRestart(t *testing.T) {
	t.Parallel()
	c := starters(t, 3, 3)
	c.openAll(0)
	c.voters(3)
	write(t, c.nodes[0], service("a", "http://a"))
	c.same()
	for _, n := range c.nodes {
		stop(t, n)
	}
	for i := range c.nodes {
		c.nodes[i] = New(c.cfgs[i])
	}
	c.openAll(0)
	write(t, c.nodes[1], service("b", "http://a"))
	c.same()
}
