package raftstorage

import (
	"slices"
	"strings"
	"testing"

	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// A stranger that announces the address of a member which is only being restarted takes no place.
func TestJoinExpelsNobodyWhoRestarts(t *testing.T) {
	t.Parallel()
	c := alone(t)
	c.grow(3, 3)
	leader, down := c.leads(), c.follower()
	id := c.nodes[down].Status().ID
	stop(t, c.nodes[down])
	s := c.nodes[leader].store
	stranger := announcement{ID: "stranger", Address: c.cfgs[down].Cluster.Listen, Level: 1, Nonce: "x"}
	err := s.admit(t.Context(), stranger)
	if resource.CodeOf(err) != resource.Conflict || !strings.Contains(err.Error(), "dgate-cli cluster remove "+id) {
		t.Errorf("while nobody answers there: %v", err)
	}
	if _, ok := findServer(s.servers(), id); !ok {
		t.Errorf("%s was only being restarted, and was removed: %v", id, s.servers())
	}
	c.open(down)
	if err := s.admit(t.Context(), stranger); resource.CodeOf(err) != resource.Conflict || !strings.Contains(err.Error(), "set advertise") {
		t.Errorf("while it answers: %v", err)
	}
}

// Servers can exchange their addresses, in a circle. The configuration gets the new ones, and whatever
// else a leader does goes on.
func TestExchangedAddresses(t *testing.T) {
	t.Parallel()
	c := alone(t)
	c.grow(4, 3)
	write(t, c.nodes[0], service("a", "http://a"))
	c.same()
	a := []string{c.address(0), c.address(1), c.address(2), c.address(3)}
	next := []string{a[1], a[2], a[0], a[3]}
	c.reopen(func(i int, cl *Cluster) { cl.Listen, cl.Join = next[i], a }, 0, 1, 2)
	write(t, c.nodes[1], service("b", "http://a"))
	c.eventually("have the new addresses in the configuration", func() bool {
		leader := c.leader()
		if leader < 0 {
			return false
		}
		servers := c.nodes[leader].store.servers()
		for i, n := range c.nodes {
			if server, ok := findServer(servers, n.Status().ID); !ok || string(server.Address) != next[i] {
				return false
			}
		}
		return true
	})
	gone := slices.IndexFunc(c.nodes[:3], func(n *Node) bool { return n.Status().Role != Leader })
	id := c.nodes[gone].Status().ID
	c.eventually("remove a voter", func() bool {
		err := c.nodes[3].Remove(t.Context(), id, false)
		return err == nil || resource.CodeOf(err) == resource.NotFound
	})
	c.eventually("promote the spare", func() bool {
		leader := c.leader()
		return leader >= 0 && len(votersOf(c.nodes[leader].store.servers())) == 3
	})
}
