package cluster

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
	"time"
)

// cli runs `dgate-cli` against a node, as the docs show.
func (n *node) cli(args ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := n.Command(ctx, "dgate-cli", args...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("dgate-cli %v on %s: %w: %s", args, n.name, err, out)
	}
	return nil
}

// id is the server id of a node.
func (n *node) id() (string, error) {
	s, err := n.status()
	if err != nil {
		return "", err
	}
	if s.ID == "" {
		return "", fmt.Errorf("%s has no id", n.name)
	}
	return s.ID, nil
}

// member returns what a node knows of a member.
func (n *node) member(id string) (m member, err error) {
	s, err := n.status()
	if err != nil {
		return m, err
	}
	for _, m := range s.Members {
		if m.ID == id {
			return m, nil
		}
	}
	return m, fmt.Errorf("%s knows no member %s: %+v", n.name, id, s.Members)
}

// joined waits until a node is a member as others see it, and has what they have.
func (c *cluster) joined(n, of *node) string {
	c.t.Helper()
	var id string
	c.must(await(40*time.Second, func() (err error) {
		if id, err = n.id(); err == nil {
			_, err = of.member(id)
		}
		return err
	}))
	c.reach(of, []*node{n})
	return id
}

// joinTo makes the place for a node that is told to join some, and starts it.
func (c *cluster) joinTo(some []*node, change func(*node)) *node {
	c.t.Helper()
	n := c.add()
	for _, other := range some {
		n.Join = append(n.Join, other.Raft)
	}
	if change != nil {
		change(n)
	}
	c.must(n.start())
	return n
}

// Test 14: every node of three is replaced while clients write, with five in between.
func TestReplaceEveryNode(t *testing.T) {
	count := rounds(t, 1, 10)
	c := startCluster(t, 3)
	c.collect(collection)
	w := startWorkload(t, c.nodes, 6)
	w.more(50)
	var gaps spans
	for range count {
		old := slices.Clone(c.nodes)
		if !long {
			old = []*node{c.leader()}
		}
		for _, victim := range old {
			leader := c.leader()
			handover := victim == leader
			from := w.now()
			fresh := c.joinTo(old, nil)
			c.joined(fresh, leader)
			id, err := victim.id()
			c.must(err)
			w.use(slices.DeleteFunc(slices.Clone(c.nodes), func(n *node) bool { return n == victim }))
			w.more(5) // the victim's last clients have their answers
			if handover {
				c.must(victim.cli("cluster", "leave"))
			} else {
				c.must(leader.cli("cluster", "remove", id))
			}
			c.remove(victim)
			c.complete(3)
			w.more(20)
			pause := w.pause(from, w.now())
			gaps = append(gaps, pause)
			t.Logf("%s replaced (leader: %t): longest pause of writes %v", victim.name, handover, pause.Round(time.Millisecond))
		}
	}
	c.bounded("pause of writes while a node is replaced", gaps, time.Second)
	c.settle(w)
}

// Test 15: what cannot join says why, and the cluster does not notice.
func TestCannotJoin(t *testing.T) {
	rounds(t, 1, 1)
	c := startCluster(t, 1)
	c.collect(collection)
	first := c.nodes[0]
	term := first.term()
	tests := map[string]struct {
		change func(*node)
		want   string // in the status of the node
	}{
		"an address where nobody is": {func(n *node) { n.Join = []string{"127.0.0.1:1"} }, `127\.0\.0\.1:1\b`},
		"another secret":             {func(n *node) { n.Secret = "YW5vdGhlciBzZWNyZXQgdGhhdCBub2JvZHkga25vd3MsIGhlcmUgYXQgbGVhc3Q=" }, `(?i)secret`},
		"another cluster name":       {func(n *node) { n.Cluster = "other" }, `(?i)secret|name`},
		"the address of another":     {func(n *node) { n.Advertise = first.Raft }, `(?i)address`},
	}
	strangers := map[string]*node{}
	for name, tt := range tests {
		n := c.add()
		n.Join = []string{first.Raft}
		tt.change(n)
		strangers[name] = n
	}
	c.must(each(slices.Collect(maps.Values(strangers)), (*node).start))
	for name, n := range strangers {
		re := regexp.MustCompile(tests[name].want)
		if err := await(20*time.Second, func() error {
			s, err := n.status()
			if err != nil {
				return err
			}
			if !re.MatchString(s.Joining) {
				return fmt.Errorf("joining: %q, want a match for %s", s.Joining, re)
			}
			t.Logf("%s: %s", name, s.Joining)
			return nil
		}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := n.ready(); err == nil {
			t.Errorf("%s: it says that it is ready", name)
		}
	}
	_, err := first.want(http.MethodPut, documentPath("after"), `"written"`)
	c.must(err)
	if s, err := first.status(); err != nil || s.Term != term || s.Role != "leader" || len(s.Members) != 1 {
		t.Errorf("the cluster noticed: %+v, %v, term %d before", s, err, term)
	}
}

// Test 15, too: a node that can call the others, but that nobody can call, stays without a vote, and
// the cluster works on; it can be removed.
func TestUnreachableMember(t *testing.T) {
	rounds(t, 1, 1)
	c := startCluster(t, 1)
	c.collect(collection)
	first := c.nodes[0]
	n := c.joinTo([]*node{first}, func(n *node) { n.Advertise = "127.0.0.1:9" })
	var problem string
	_ = await(10*time.Second, func() error {
		s, err := first.status()
		if err != nil {
			return err
		}
		for _, m := range s.Members {
			if m.Address == "127.0.0.1:9" && m.Problem != "" {
				problem = m.Problem
				return nil
			}
		}
		joining, err := n.status()
		if err == nil && joining.Joining != "" && len(s.Members) == 1 {
			problem = joining.Joining // it was not even admitted, which is as good
		}
		return errors.New("nothing is wrong")
	})
	t.Logf("problem: %s", problem)
	if problem == "" {
		t.Error("nobody says why it has no vote")
	}
	_, err := first.want(http.MethodPut, documentPath("after"), `"written"`)
	c.must(err)
	s, err := first.status()
	c.must(err)
	for _, m := range s.Members {
		if m.ID != s.ID {
			if m.Role == "voter" {
				t.Errorf("a member that nobody reaches votes: %+v", m)
			}
			c.must(first.cli("cluster", "remove", m.ID))
		}
	}
	_, err = first.want(http.MethodPut, documentPath("after"), `"again"`)
	c.must(err)
	c.remove(n)
}

// Test 15, too: of two nodes with the same data directory at most one stays a member.
func TestClone(t *testing.T) {
	onlyLong(t) // members announce themselves every 30 s
	c := startCluster(t, 3)
	c.collect(collection)
	original := c.followers(c.leader())[0]
	c.must(original.Stop())
	clone := c.add()
	clone.Join = []string{c.nodes[0].Raft, c.nodes[1].Raft, c.nodes[2].Raft}
	c.must(os.CopyFS(clone.DataDir, os.DirFS(original.DataDir)))
	c.must(original.start())
	c.must(clone.start())
	others := c.others(original, clone)
	if err := await(60*time.Second, func() error {
		ready, knows := 0, 0
		for _, n := range []*node{original, clone} {
			if n.ready() == nil {
				ready++
			} else if s, err := n.status(); err == nil && s.Superseded {
				knows++
			}
		}
		if ready != 1 || knows != 1 {
			return fmt.Errorf("%d are ready, and %d say that there is another, want one of each", ready, knows)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	for i := range 10 { // and it stays so
		_, err := others[0].want(http.MethodPut, documentPath(fmt.Sprint("clone-", i)), `"x"`)
		c.must(err)
	}
	if original.ready() == nil && clone.ready() == nil {
		t.Error("both clones say that they are ready")
	}
	s, err := others[0].status()
	c.must(err)
	if len(s.Members) != 3 {
		t.Errorf("members: %+v", s.Members)
	}
	for _, n := range []*node{original, clone} {
		s, err := n.status()
		t.Logf("%s: ready: %v; %+v, %v", n.name, n.ready(), s, err)
	}
}

// Test 16: as many nodes without data as there may be start at once, with expect 3. They are one
// cluster, or, if they are fewer, none.
func TestExpect(t *testing.T) {
	count := rounds(t, 1, 200)
	sizes := []int{4}
	if long {
		sizes = []int{2, 3, 4, 5}
	}
	var times spans
	for i := range count {
		for _, size := range sizes {
			c := newCluster(t, max(size, 3))
			c.introduce(3)
			began := time.Now()
			c.must(each(c.nodes[:size], (*node).start))
			for _, late := range c.nodes[size:] {
				<-time.After(time.Duration(rand.IntN(3000)) * time.Millisecond)
				for _, n := range c.nodes[:size] {
					if n.ready() == nil {
						t.Errorf("round %d: two nodes that expect three are ready", i)
					}
				}
				c.must(late.start())
			}
			c.complete(3)
			times = append(times, time.Since(began))
			c.collect(collection)
			c.converged()
			c.oneCluster()
			for _, n := range c.nodes {
				c.must(n.end())
				c.must(os.RemoveAll(n.Dir))
			}
		}
	}
	t.Logf("from exec to a complete cluster: %s", times)
}

// oneCluster expects all nodes to have the same cluster id.
func (c *cluster) oneCluster() {
	c.t.Helper()
	ids := map[string][]string{}
	for _, n := range c.nodes {
		text, err := os.ReadFile(filepath.Join(n.DataDir, "cluster-id"))
		c.must(err)
		ids[string(text)] = append(ids[string(text)], n.name)
	}
	if len(ids) != 1 {
		c.t.Errorf("%d clusters: %v", len(ids), ids)
	}
}

// Test 17: all nodes get new addresses at once. They find each other again within 10 s.
func TestNewAddresses(t *testing.T) {
	count := rounds(t, 1, 20)
	c := startCluster(t, 3)
	c.collect(collection)
	w := startWorkload(t, c.nodes, 6)
	var times spans
	for range count {
		w.more(20)
		c.must(each(c.nodes, func(n *node) error { return n.Stop() }))
		for _, n := range c.nodes {
			c.must(n.MoveRaft())
		}
		c.introduce(3)
		began := time.Now()
		c.must(each(c.nodes, (*node).start))
		c.leader()
		times = append(times, time.Since(began))
		c.complete(3)
	}
	c.bounded("from the start with new addresses to a leader", times, 10*time.Second)
	c.settle(w)
}

// Test 18: a node that has been alone, with data of its own, becomes one of three by two lines of
// configuration and a reload, and is alone again by two commands.
func TestGrowAndShrink(t *testing.T) {
	rounds(t, 1, 1)
	size := 2
	if long {
		size = 100
	}
	c := newCluster(t, 1)
	first := c.nodes[0]
	first.Secret = ""
	c.must(first.start())
	c.collect(collection)
	c.collect("big")
	c.put("secret/default/password", map[string]any{"data": "kept"})
	for i := range size {
		c.put(fmt.Sprintf("document/default/big/%d", i), filler(1000_000, int64(i)))
	}
	w := startWorkload(t, c.nodes, 6)
	w.more(20)
	first.Secret, first.Expect = secret, 0
	c.must(first.Write(first.text()))
	c.must(first.Reload())
	w.more(20)
	began := time.Now()
	for range 2 {
		n := c.joinTo([]*node{first}, nil)
		c.joined(n, first)
	}
	c.complete(3)
	t.Logf("from 1 to 3 with %d MB: %v", size, time.Since(began).Round(time.Millisecond))
	w.use(c.nodes)
	w.more(50)
	c.reach(c.leader(), c.nodes)
	for i := range size {
		for _, n := range c.nodes {
			if err := n.hasFiller(i); err != nil {
				t.Error(err)
			}
		}
	}
	w.use([]*node{first})
	w.more(5)
	for _, n := range c.others(first) {
		id, err := n.id()
		c.must(err)
		c.must(first.cli("cluster", "remove", id))
		c.remove(n)
	}
	w.more(20)
	c.complete(1)
	c.settle(w)
}

// hasFiller is nil if a node has a big document as it was written.
func (n *node) hasFiller(i int) error {
	a, err := n.want(http.MethodGet, fmt.Sprintf("/api/v1/document/default/big/%d", i), "")
	if err != nil {
		return err
	}
	got, err := valueOf(a.body)
	if err == nil && got != filler(1000_000, int64(i)) {
		err = fmt.Errorf("document %d of %s is not as it was written", i, n.name)
	}
	return err
}
