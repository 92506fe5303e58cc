package raftstorage

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dgate-io/caddy-dgate/internal/resource"
	"github.com/dgate-io/caddy-dgate/internal/state"
)

// A node that began a cluster of its own, and was never used, drops that to join another one.
func TestUnusedNodeJoins(t *testing.T) {
	t.Parallel()
	c := alone(t)
	write(t, c.nodes[0], service("a", "http://a"))
	i := c.add(joining, func(_ int, cfg *Config) { cfg.Cluster.Join = nil })
	db := c.nodes[i].DB()
	own := c.nodes[i].Status().ClusterID
	if own == "" || own == c.nodes[0].Status().ClusterID {
		t.Fatalf("it has cluster %q", own)
	}
	must(t, c.nodes[i].Join(t.Context(), []string{c.nodes[0].Status().Address}))
	c.voters(2)
	c.same()
	if c.nodes[i].DB() != db {
		t.Error("it has another state")
	}
	stop(t, c.nodes[i])
	c.open(i)
	write(t, c.nodes[i], service("b", "http://a"))
	c.same()
}

// The same by its configuration, which names the other node from now on.
func TestUnusedNodeIsConfiguredToJoin(t *testing.T) {
	t.Parallel()
	c := alone(t)
	write(t, c.nodes[0], service("a", "http://a"))
	i := c.add(joining, func(_ int, cfg *Config) { cfg.Cluster.Join = nil })
	cl := *c.cfgs[i].Cluster
	cl.Listen, cl.Join = "127.0.0.1:0", []string{c.nodes[0].Status().Address}
	must(t, c.nodes[i].Configure(&cl))
	c.voters(2)
	c.same()
}

// Of two unused nodes that are told to join each other, one does.
func TestUnusedNodesJoinEachOther(t *testing.T) {
	t.Parallel()
	c := alone(t)
	c.add(joining, func(_ int, cfg *Config) { cfg.Cluster.Join = nil })
	for i := range c.nodes {
		cl := *c.cfgs[i].Cluster
		cl.Listen, cl.Join = "127.0.0.1:0", []string{c.nodes[1-i].Status().Address}
		must(t, c.nodes[i].Configure(&cl))
	}
	c.voters(2)
	c.same()
}

func TestNodeWithDataDoesNotJoin(t *testing.T) {
	t.Parallel()
	c := alone(t)
	i := c.add(joining, func(_ int, cfg *Config) { cfg.Cluster.Join = nil })
	write(t, c.nodes[i], service("mine", "http://a"))
	err := c.nodes[i].Join(t.Context(), []string{c.nodes[0].Status().Address})
	for _, want := range []string{c.nodes[0].Status().ClusterID, c.nodes[i].Status().ClusterID, "dgate-cli export", "dgate-cli apply -f"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %s: %v", want, err)
		}
	}
	if resource.CodeOf(err) != resource.Conflict {
		t.Errorf("code of %v", err)
	}
	if err := c.nodes[0].Join(t.Context(), []string{c.nodes[0].Status().Address}); err == nil || !strings.Contains(err.Error(), "that is this node") {
		t.Errorf("a node joins itself: %v", err)
	}
	write(t, c.nodes[i], service("more", "http://a"))
	// By its configuration it does not either, and says so.
	cl := *c.cfgs[i].Cluster
	cl.Listen, cl.Join = "127.0.0.1:0", []string{c.nodes[0].Status().Address}
	must(t, c.nodes[i].Configure(&cl))
	id := c.nodes[i].Status().ID
	c.eventually("say why it does not join", func() bool {
		return strings.Contains(members(t, c.nodes[i])[id].Problem, "dgate-cli export")
	})
	if st := c.nodes[i].Status(); st.Joining != "" || st.Members != 1 {
		t.Errorf("status %+v", st)
	}
}

// Interrupted at its worst moment, the next start goes on.
func TestInterruptedDrop(t *testing.T) {
	t.Parallel()
	c := alone(t)
	i := c.add(joining, func(_ int, cfg *Config) { cfg.Cluster.Join = nil })
	stop(t, c.nodes[i])
	p, err := openPledge(c.cfgs[i].path(pledgeFile))
	must(t, err)
	must(t, p.change(func(v *vows) error {
		v.Dropping, v.Joining = true, c.nodes[0].Status().ClusterID
		return nil
	}))
	c.cfgs[i].Cluster.Join = []string{c.nodes[0].Status().Address}
	c.open(i)
	c.voters(2)
	c.same()
}

// A node whose disk fails while it forgets its own cluster goes on with that, and forgets nothing later.
func TestDropThatFails(t *testing.T) {
	t.Parallel()
	a := alone(t)
	b := &cluster{t: t, secret: a.secret, cuts: &cuts{}}
	b.add(joining)
	n, dir := b.nodes[0], b.cfgs[0].Dir
	obstacle := filepath.Join(dir, state.FileName+".new", "x") // where a state is built
	must(t, os.MkdirAll(obstacle, 0o700))
	g, err := b.nodes[0].store.ask(t.Context(), a.address(0))
	must(t, err)
	if err := n.store.dropOwn(g); err == nil {
		t.Fatal("it did not fail")
	}
	if v := n.store.members.pledge.get(); v.Dropping || v.Joining != "" {
		t.Errorf("it has promised %+v", v)
	}
	write(t, n, service("mine", "http://a"))
	stop(t, n)
	must(t, os.RemoveAll(filepath.Dir(obstacle)))
	b.cfgs[0].Cluster.Join = []string{a.address(0)}
	b.open(0)
	if got := names(t, b.nodes[0], "service"); len(got) != 1 {
		t.Errorf("a change that was answered is gone: %v", got)
	}
}

// A node that is being used while it is about to forget its own cluster keeps it.
func TestDropComesTooLate(t *testing.T) {
	t.Parallel()
	a := alone(t)
	b := &cluster{t: t, secret: a.secret, cuts: &cuts{}}
	b.add(joining)
	n := b.nodes[0]
	g, err := n.store.ask(t.Context(), a.address(0))
	must(t, err)
	n.store.configuring.Lock() // a reload is under way
	dropped := make(chan error, 1)
	go func() { dropped <- n.store.dropOwn(g) }()
	write(t, n, service("mine", "http://a"))
	if v := n.store.members.pledge.get(); v.Dropping {
		t.Error("it has promised to forget what it can be asked to change")
	}
	n.store.configuring.Unlock()
	if err := <-dropped; resource.CodeOf(err) != resource.Conflict {
		t.Errorf("got %v", err)
	}
	if got := names(t, n, "service"); len(got) != 1 {
		t.Errorf("services: %v", got)
	}
	write(t, n, service("more", "http://a"))
}
