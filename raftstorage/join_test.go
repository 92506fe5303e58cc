package raftstorage

import (
	"strings"
	"testing"

	"github.com/dgate-io/caddy-dgate/internal/resource"
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
