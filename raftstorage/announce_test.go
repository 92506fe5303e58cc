package raftstorage

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/dgate-io/caddy-dgate/internal/resource"
	"github.com/dgate-io/caddy-dgate/raftstorage/peer"
)

// reopen closes nodes, and opens them with a changed configuration.
func (c *cluster) reopen(change func(i int, cl *Cluster), which ...int) {
	c.t.Helper()
	for _, i := range which {
		stop(c.t, c.nodes[i])
	}
	for _, i := range which {
		cl := *c.cfgs[i].Cluster
		change(i, &cl)
		c.cfgs[i].Cluster = &cl
		c.open(i)
	}
}

// All nodes come back with other addresses, and know only some of those of the others.
func TestNewAddresses(t *testing.T) {
	t.Parallel()
	c := alone(t)
	c.grow(3, 3)
	write(t, c.nodes[0], service("a", "http://a"))
	c.same()
	meet := freeAddress(t)
	began := time.Now()
	c.reopen(func(i int, cl *Cluster) {
		cl.Listen, cl.Join = "127.0.0.1:0", []string{meet}
		if i == 0 {
			cl.Listen = meet
		}
	}, 0, 1, 2)
	write(t, c.nodes[1], service("b", "http://a"))
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %s", took)
	}
	c.eventually("write the addresses into the configuration", func() bool {
		for _, n := range c.nodes {
			for _, server := range mustStore(t, n).servers() {
				known := false
				for _, other := range c.nodes {
					known = known || string(server.Address) == other.Status().Address
				}
				if !known {
					return false
				}
			}
		}
		return true
	})
	c.same()
}

func mustStore(t testing.TB, n *Node) *store {
	t.Helper()
	s, err := n.current()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// copyDir copies the data directory of a node that is closed.
func copyDir(t testing.TB, from string) string {
	t.Helper()
	to := t.TempDir()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	return to
}

func TestCopiedDirectory(t *testing.T) {
	t.Parallel()
	c := alone(t)
	c.grow(3, 3)
	write(t, c.nodes[0], service("a", "http://a"))
	c.same()
	c.leads(0)
	stop(t, c.nodes[2])
	clone := copyDir(t, c.cfgs[2].Dir)
	c.open(2)
	c.eventually("be noted", func() bool {
		m := members(t, c.nodes[0])[c.nodes[2].Status().ID]
		return m.Reachable && m.Problem == ""
	})
	old := c.nodes[2]
	id := old.Status().ID
	// The clone starts elsewhere.
	cfg := c.cfgs[2]
	cl := *cfg.Cluster
	cl.Listen = "127.0.0.1:0"
	cfg.Dir, cfg.Cluster = clone, &cl
	c.cfgs, c.nodes = append(c.cfgs, cfg), append(c.nodes, nil)
	c.open(3)
	c.eventually("tell one of the two", func() bool { return old.Status().Superseded != c.nodes[3].Status().Superseded })
	gone, left := old, c.nodes[3]
	if !old.Status().Superseded {
		gone, left = left, gone // the copy is older than what the member has confirmed meanwhile
	}
	if got := names(t, gone, "service"); len(got) != 1 {
		t.Errorf("the one that is superseded serves %v", got)
	}
	if _, err := gone.Propose(t.Context(), service("x", "http://a")); resource.CodeOf(err) != resource.NoLeader || !strings.Contains(err.Error(), "delete") {
		t.Errorf("it writes: %v", err)
	}
	write(t, left, service("b", "http://a"))
	if all := members(t, c.nodes[0]); len(all) != 3 || all[id].Address != left.Status().Address {
		t.Errorf("members %+v", all)
	}
}

func TestDirectoryOfBefore(t *testing.T) {
	t.Parallel()
	c := alone(t)
	c.grow(3, 3)
	stop(t, c.nodes[2])
	before := copyDir(t, c.cfgs[2].Dir)
	c.open(2)
	for i := range 20 {
		write(t, c.nodes[2], service(numbered("s", i), "http://a"))
	}
	c.same()
	c.eventually("be known as up to date", func() bool {
		s := mustStore(t, c.nodes[c.leads()])
		s.members.mu.Lock()
		defer s.members.mu.Unlock()
		return s.members.seen[c.nodes[2].Status().ID].Applied >= s.db.Applied()
	})
	stop(t, c.nodes[2])
	c.cfgs[2].Dir = before
	c.open(2)
	c.eventually("be refused", func() bool { return c.nodes[2].Status().Superseded })
	write(t, c.nodes[0], service("after", "http://a"))
}

func TestStrangersAreRefused(t *testing.T) {
	t.Parallel()
	c := alone(t)
	c.grow(3, 3)
	term := c.nodes[0].Status().Term
	tests := map[string]struct {
		change func(*Cluster)
		why    string
	}{
		"another secret":         {func(cl *Cluster) { cl.Secret = peer.NewSecret() }, "secret"},
		"another name":           {func(cl *Cluster) { cl.Name = "other" }, "name"},
		"a taken address":        {func(cl *Cluster) { cl.Advertise = c.nodes[1].Status().Address }, "set advertise"},
		"that of the one member": {func(cl *Cluster) { cl.Advertise = c.nodes[0].Status().Address }, "set advertise"},
		"nobody there":           {func(cl *Cluster) { cl.Join = []string{freeAddress(t)} }, "refused"},
	}
	for name, tt := range tests {
		i := c.add(joining, func(_ int, cfg *Config) {
			cfg.Cluster.Join = []string{c.nodes[0].Status().Address}
			tt.change(cfg.Cluster)
		})
		c.eventually("say why: "+name, func() bool {
			why := c.nodes[i].Status().Joining
			return strings.Contains(why, tt.why)
		})
		if st := c.nodes[i].Status(); st.ClusterID != "" || st.Members != 0 {
			t.Errorf("%s: %+v", name, st)
		}
		stop(t, c.nodes[i])
		c.nodes = c.nodes[:3]
		c.cfgs = c.cfgs[:3]
	}
	if st := c.nodes[0].Status(); st.Members != 3 || st.Term != term {
		t.Errorf("the cluster was harmed: %+v", st)
	}
}

// A server that nobody can call stays one that does not vote, and the cluster goes on.
func TestUnreachableServer(t *testing.T) {
	t.Parallel()
	c := alone(t)
	hidden := freeAddress(t)
	i := c.add(joining, func(_ int, cfg *Config) { cfg.Cluster.Advertise = hidden })
	id := c.nodes[i].Status().ID
	c.eventually("be let in", func() bool {
		m, ok := members(t, c.nodes[0])[id]
		return ok && m.Role == NonVoter && !m.Reachable && m.Problem != ""
	})
	c.eventually("say that it calls, and cannot be called", func() bool {
		m := members(t, c.nodes[0])[id]
		return strings.HasPrefix(m.Apart, "it calls from 127.0.0.1, but cannot be reached at "+hidden) && m.Problem == m.Apart
	})
	c.eventually("be told so", func() bool {
		return strings.Contains(c.nodes[i].Status().Joining, "the leader says: it calls from 127.0.0.1")
	})
	write(t, c.nodes[0], service("a", "http://a"))
	must(t, c.nodes[0].Remove(t.Context(), id, false))
	write(t, c.nodes[0], service("b", "http://a"))
}

// A voter that cannot reach a server keeps it from voting.
func TestServerThatOneVoterCannotReach(t *testing.T) {
	t.Parallel()
	c := alone(t)
	c.grow(2, 2)
	i := c.add(joining, func(_ int, cfg *Config) { cfg.Cluster.Join = []string{c.nodes[c.leads()].Status().Address} })
	other := c.nodes[1-c.leads()]
	c.cuts.set(1-c.leads(), c.address(i), true)
	id := c.nodes[i].Status().ID
	c.eventually("say who cannot reach it", func() bool {
		return strings.Contains(members(t, c.nodes[i])[id].Problem, other.Status().ID+" does not reach it")
	})
	c.cuts.set(1-c.leads(), c.address(i), false)
	c.voters(3)
}

// A server that lost its directory comes back at its address as another one.
func TestLostDirectory(t *testing.T) {
	t.Parallel()
	c := alone(t)
	c.grow(3, 3)
	write(t, c.nodes[0], service("a", "http://a"))
	before := c.nodes[2].Status().ID
	stop(t, c.nodes[2])
	c.cfgs[2].Dir = t.TempDir()
	c.cfgs[2].Cluster.Join = []string{c.nodes[0].Status().Address, c.nodes[1].Status().Address}
	c.open(2)
	c.voters(3)
	all := members(t, c.nodes[0])
	if _, still := all[before]; still || len(all) != 3 {
		t.Errorf("members %+v", all)
	}
	c.same()
}

// set cuts a connection in one direction, or mends it.
func (c *cuts) set(from int, to string, cut bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cut == nil {
		c.cut = map[cutTo]bool{}
	}
	c.cut[cutTo{from, to}] = cut
}
