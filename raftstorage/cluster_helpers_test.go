package raftstorage

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/raft"

	"github.com/dgate-io/caddy-dgate/internal/state"
	"github.com/dgate-io/caddy-dgate/raftstorage/peer"
)

// brisk is a timing for clusters in tests: elections are quick, and nobody waits to be admitted.
func brisk() *timing {
	t := *defaultTiming()
	t.election, t.joined, t.leaderWait, t.drain = 400*time.Millisecond, 10*time.Millisecond, 4*time.Second, 500*time.Millisecond
	t.compare = time.Hour
	return &t
}

// cluster is several nodes in one process, each with its directory and its port.
type cluster struct {
	t      testing.TB
	secret *peer.Secret
	nodes  []*Node
	cfgs   []Config
	cuts   *cuts
}

// newCluster makes a cluster of size voters. Each change may alter the configuration of a node before
// it is opened.
func newCluster(t testing.TB, size int, changes ...func(i int, cfg *Config)) *cluster {
	t.Helper()
	c := &cluster{t: t, secret: peer.NewSecret(), cuts: &cuts{}}
	for i := range size {
		c.add(changes...)
		if i > 0 {
			c.vote(i)
		}
	}
	for i := range size {
		c.settled(i)
	}
	return c
}

// add opens one more node. It is no member before somebody makes it one.
func (c *cluster) add(changes ...func(i int, cfg *Config)) int {
	c.t.Helper()
	i := len(c.nodes)
	cfg := Config{
		Dir: c.t.TempDir(), timing: brisk(), manual: true,
		Cluster: &Cluster{NodeName: numbered("node", i), Listen: "127.0.0.1:0", Secret: c.secret},
	}
	if i > 0 {
		cfg.Cluster.Join = []string{c.nodes[0].Status().Address}
	}
	for _, change := range changes {
		change(i, &cfg)
	}
	cfg.link = func(to string) error { return c.cuts.between(i, to) }
	c.cfgs, c.nodes = append(c.cfgs, quiet(cfg)), append(c.nodes, nil)
	c.open(i)
	c.cfgs[i].Cluster.Listen = c.address(i) // also when it is opened again
	return i
}

// open opens a node, and closes it at the end of the test.
func (c *cluster) open(i int) {
	c.t.Helper()
	c.nodes[i] = New(c.cfgs[i])
	if err := c.nodes[i].Open(c.t.Context()); err != nil {
		c.t.Fatalf("node %d: %v", i, err)
	}
	n := c.nodes[i]
	c.t.Cleanup(func() { stop(c.t, n) })
}

func (c *cluster) address(i int) string {
	if c.nodes[i] == nil {
		return ""
	}
	return c.nodes[i].Status().Address
}

// vote makes a node a voter.
func (c *cluster) vote(i int) {
	c.t.Helper()
	st := c.nodes[i].Status()
	c.change(func(r *raft.Raft) error {
		return r.AddVoter(raft.ServerID(st.ID), raft.ServerAddress(st.Address), 0, time.Second).Error()
	})
}

// change has the leader do something.
func (c *cluster) change(f func(r *raft.Raft) error) {
	c.t.Helper()
	var last error
	c.eventually("change the members", func() bool {
		i := c.leader()
		last = errors.New("no leader")
		if i >= 0 {
			last = f(c.raft(i))
		}
		return last == nil
	})
}

func (c *cluster) raft(i int) *raft.Raft { return c.nodes[i].store.member.Load().raft }

// leader is the node that leads, or -1.
func (c *cluster) leader() int {
	return slices.IndexFunc(c.nodes, func(n *Node) bool {
		st := n.Status()
		return st.Role == Leader && st.Leader == st.ID
	})
}

// leads waits until a node of some leads.
func (c *cluster) leads(some ...int) int {
	c.t.Helper()
	var i int
	c.eventually("elect a leader", func() bool {
		i = c.leader()
		return i >= 0 && (len(some) == 0 || slices.Contains(some, i))
	})
	return i
}

// follower is a node that does not lead.
func (c *cluster) follower() int {
	c.t.Helper()
	return (c.leads() + 1) % len(c.nodes)
}

// settled waits until a node has what was agreed on.
func (c *cluster) settled(i int) {
	c.t.Helper()
	c.eventually("catch up", func() bool { return c.nodes[i].Barrier(c.t.Context()) == nil })
}

func (c *cluster) eventually(what string, cond func() bool) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := until(ctx, cond); err != nil {
		c.t.Fatalf("it does not come to that: %s", what)
	}
}

// same waits until all nodes have applied the same, and compares their states.
func (c *cluster) same() {
	c.t.Helper()
	c.eventually("have the same state", func() bool {
		var log state.Changelog
		for i, n := range c.nodes {
			if i == 0 {
				log = n.DB().Changelog()
			} else if n.DB().Changelog() != log {
				return false
			}
		}
		return true
	})
}

// cuts are connections that are cut in a test. Those that are open end with their next message.
type cuts struct {
	mu  sync.Mutex
	cut map[cutTo]bool
}

// cutTo is a connection from a node to an address.
type cutTo struct {
	from int
	to   string
}

var errCut = errors.New("the connection is cut")

func (c *cuts) between(from int, to string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cut[cutTo{from, to}] {
		return errCut
	}
	return nil
}

// isolate cuts a node off from all others, or connects it again.
func (c *cluster) isolate(i int, cut bool) {
	c.cuts.mu.Lock()
	defer c.cuts.mu.Unlock()
	if c.cuts.cut == nil {
		c.cuts.cut = map[cutTo]bool{}
	}
	for j := range c.nodes {
		if i != j {
			c.cuts.cut[cutTo{i, c.address(j)}], c.cuts.cut[cutTo{j, c.address(i)}] = cut, cut
		}
	}
}
