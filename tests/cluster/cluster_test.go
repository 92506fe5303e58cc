package cluster

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dgate-io/caddy-dgate/tests/harness"
)

// cluster is some nodes that are meant to belong together.
type cluster struct {
	t     testing.TB
	nodes []*node
	net   *network // nil if all are on the loopback interface
	made  int      // nodes so far, for names
}

// newCluster makes the places for n nodes, each of which is told to expect all and to join the others.
func newCluster(t testing.TB, n int) *cluster {
	t.Helper()
	c := &cluster{t: t}
	c.grow(n)
	return c
}

// grow adds places for nodes, and tells all where all are.
func (c *cluster) grow(n int) []*node {
	c.t.Helper()
	first := len(c.nodes)
	for range n {
		c.add()
	}
	switch {
	case n == 1:
		c.introduce(0)
	case n < 5:
		c.introduce(3)
	default:
		c.introduce(5)
	}
	return c.nodes[first:]
}

// introduce tells the nodes that are there of each other.
func (c *cluster) introduce(expect int) {
	for _, n := range c.nodes {
		n.Join, n.Expect = nil, expect
		for _, other := range c.nodes {
			if other != n {
				n.Join = append(n.Join, other.Raft)
			}
		}
	}
}

// add makes the place for one node, which knows of nobody.
func (c *cluster) add() *node {
	c.t.Helper()
	caddy, err := harness.NewIn(c.t.TempDir())
	if err != nil {
		c.t.Fatal(err)
	}
	c.made++
	n := &node{Caddy: caddy, name: fmt.Sprintf("n%d", c.made), settings: settings{Cluster: "faults", Secret: secret, Host: "127.0.0.1"}}
	n.DataDir = filepath.Join(n.Dir, "dgate")
	if c.net != nil {
		c.net.put(n)
	}
	c.nodes = append(c.nodes, n)
	c.t.Cleanup(func() {
		if err := n.end(); err != nil {
			c.t.Error(err)
		}
		if c.t.Failed() {
			c.t.Logf("log of %s:\n%s", n.name, lastLines(n.Log(), 120))
		}
	})
	return n
}

// remove forgets a node, which is ended.
func (c *cluster) remove(n *node) {
	c.t.Helper()
	c.must(n.end())
	c.nodes = slices.DeleteFunc(slices.Clone(c.nodes), func(other *node) bool { return other == n })
}

// startCluster starts n nodes at once, which become one cluster, and returns when all can be written to.
func startCluster(t testing.TB, n int) *cluster {
	t.Helper()
	c := newCluster(t, n)
	c.start()
	return c
}

// start starts all nodes that do not run and waits until the cluster is complete.
func (c *cluster) start() {
	c.t.Helper()
	c.must(each(c.nodes, func(n *node) error {
		if n.Running() {
			return nil
		}
		return n.start()
	}))
	c.complete(len(c.nodes))
}

// complete waits until all nodes are ready and so many vote.
func (c *cluster) complete(voters int) {
	c.t.Helper()
	c.must(await(40*time.Second, func() error {
		if err := each(c.nodes, (*node).ready); err != nil {
			return err
		}
		return c.votes(voters)
	}))
}

// votes is nil if so many members vote and all can be reached.
func (c *cluster) votes(voters int) error {
	s, err := c.nodes[0].status()
	if err != nil {
		return err
	}
	n := 0
	for _, m := range s.Members {
		if !m.Reachable && !m.Self && len(s.Members) > 1 {
			return fmt.Errorf("%s does not reach %s at %s: %s", c.nodes[0].name, m.ID, m.Address, m.Problem)
		}
		if m.Role != "nonvoter" && m.Role != "edge" {
			n++
		}
	}
	if n != voters {
		return fmt.Errorf("%d voters, want %d: %+v", n, voters, s.Members)
	}
	return nil
}

func (c *cluster) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

// running are the nodes that have a process that is not paused.
func (c *cluster) running() []*node {
	return slices.DeleteFunc(slices.Clone(c.nodes), func(n *node) bool {
		n.mu.Lock()
		defer n.mu.Unlock()
		return n.paused || !n.Running()
	})
}

// leads returns the node that leads as far as these nodes know: one says it of itself.
func leads(nodes []*node) (*node, error) {
	var found []*node
	var errs []error
	for _, n := range nodes {
		role, _, err := n.role()
		if err != nil {
			errs = append(errs, err)
		} else if role == "leader" {
			found = append(found, n)
		}
	}
	if len(found) != 1 {
		return nil, errors.Join(append(errs, fmt.Errorf("%d leaders", len(found)))...)
	}
	return found[0], nil
}

// leader waits until exactly one of the running nodes leads.
func (c *cluster) leader() *node {
	c.t.Helper()
	return c.leaderOf(c.running())
}

func (c *cluster) leaderOf(nodes []*node) *node {
	c.t.Helper()
	var n *node
	c.must(await(30*time.Second, func() (err error) {
		n, err = leads(nodes)
		return err
	}))
	return n
}

// followers are the running nodes but one.
func (c *cluster) followers(leader *node) []*node {
	return slices.DeleteFunc(c.running(), func(n *node) bool { return n == leader })
}

// converged waits until all running nodes have the same hash at the same index.
func (c *cluster) converged() changes {
	c.t.Helper()
	return c.agree(30*time.Second, c.running())
}

// agree waits until nodes have the same hash at the same index.
func (c *cluster) agree(d time.Duration, nodes []*node) changes {
	c.t.Helper()
	var last changes
	c.must(await(d, func() error {
		var seen []string
		same := true
		for i, n := range nodes {
			got, err := n.changes()
			if err != nil {
				return err
			}
			seen = append(seen, fmt.Sprintf("%s %s at %s", n.name, got.hash[:min(len(got.hash), 12)], got.index))
			if i > 0 && got != last {
				same = false
				if got.index == last.index {
					seen = append(seen, "other hash at the same index")
				}
			}
			last = got
		}
		if !same {
			return fmt.Errorf("not the same everywhere: %s", strings.Join(seen, "; "))
		}
		return nil
	}))
	return last
}

// put writes a resource or document on any node, at a path below the version of the API.
func (c *cluster) put(path string, body any) {
	c.t.Helper()
	text, err := json.Marshal(body)
	c.must(err)
	nodes := c.running()
	_, err = nodes[rand.IntN(len(nodes))].want(http.MethodPut, "/api/v1/"+path, string(text))
	c.must(err)
}

// collect makes a collection for documents.
func (c *cluster) collect(name string) {
	c.t.Helper()
	c.put("collection/default/"+name, struct{}{})
}

// lastLines returns the end of a text.
func lastLines(text string, n int) string {
	lines := strings.SplitAfter(text, "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "")
}
