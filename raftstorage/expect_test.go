package raftstorage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"

	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// gathering is servers that form a cluster over a network that loses and repeats requests.
type gathering struct {
	rnd     *rand.Rand
	loss    float64
	dir     string
	servers map[string]*gathered // by address
	late    []func()             // requests that arrive later, or again
	formed  map[string][]proposedServer
}

type gathered struct {
	former  *former
	cluster string
	up      bool
}

func gather(t *testing.T, seed uint64, n, expect int, loss float64) *gathering {
	g := &gathering{
		rnd: rand.New(rand.NewPCG(seed, 1)), loss: loss, dir: t.TempDir(),
		servers: map[string]*gathered{}, formed: map[string][]proposedServer{},
	}
	for i := range n {
		g.restart(t, proposedServer{ID: fmt.Sprintf("s%d", i), Address: fmt.Sprintf("a%d", i)}, expect)
	}
	return g
}

// restart starts a server anew, with what it has on the disk.
func (g *gathering) restart(t *testing.T, self proposedServer, expect int) {
	p, err := openPledge(filepath.Join(g.dir, self.ID))
	must(t, err)
	s := &gathered{up: true}
	if old := g.servers[self.Address]; old != nil {
		s.cluster = old.cluster
	}
	s.former = &former{self: self, expect: expect, pledge: p, call: g.call, begin: func(p proposal) error {
		g.formed[p.Cluster] = p.Servers
		s.cluster = p.Cluster
		return nil
	}}
	g.servers[self.Address] = s
}

func (g *gathering) call(_ context.Context, address, method string, in, out any) error {
	data, err := json.Marshal(in)
	if err != nil {
		return err
	}
	s := g.servers[address]
	if s == nil || !s.up || g.rnd.Float64() < g.loss {
		return errors.New("unreachable")
	}
	handle := func() (any, error) {
		var p proposal
		if err := json.Unmarshal(data, &p); err != nil {
			return nil, err
		}
		switch method {
		case "promise":
			if s.cluster != "" {
				return nil, resource.Errorf(resource.Conflict, "in a cluster")
			}
			return nil, s.former.agree(p)
		case "release":
			return nil, s.former.pledge.release(p.Cluster)
		}
		return s.former.fateOf(p, func() string { return s.cluster })
	}
	if g.rnd.Float64() < g.loss && method == "promise" {
		g.late = append(g.late, func() { _, _ = handle() })
	}
	answer, err := handle()
	if g.rnd.Float64() < g.loss {
		return errors.New("the answer was lost")
	}
	if f, ok := answer.(fate); ok && err == nil {
		*out.(*fate) = f
	}
	return err
}

// step lets one server take a round; who is in a cluster lets those of its proposal in.
func (g *gathering) step(t *testing.T, address string) {
	s := g.servers[address]
	if s.cluster != "" || !s.up {
		return
	}
	for id, servers := range g.formed {
		if slices.ContainsFunc(servers, func(o proposedServer) bool { return o.ID == s.former.self.ID }) {
			if bound := s.former.pledge.get().cluster(); bound != id {
				t.Errorf("%s is in cluster %s, and bound to %q", s.former.self.ID, id, bound)
			}
			s.cluster = id // the leader has come by
			return
		}
	}
	var waiting []proposedServer
	for _, other := range g.servers {
		if other != s && other.up && other.cluster == "" && g.rnd.Float64() >= g.loss {
			waiting = append(waiting, other.former.self)
		}
	}
	if _, err := s.former.round(t.Context(), waiting); err != nil {
		t.Error(err)
	}
}

// run lets servers take turns until a cluster stands. Some restart in between.
func (g *gathering) run(t *testing.T, expect int) {
	var addresses []string
	for a := range g.servers {
		addresses = append(addresses, a)
	}
	slices.Sort(addresses)
	for range 3000 {
		if len(g.late) > 0 && g.rnd.IntN(3) == 0 {
			i := g.rnd.IntN(len(g.late))
			g.late[i]()
			g.late = slices.Delete(g.late, i, i+1)
		}
		address := addresses[g.rnd.IntN(len(addresses))]
		if g.rnd.IntN(20) == 0 {
			g.restart(t, g.servers[address].former.self, expect)
		}
		g.step(t, address)
	}
}

func TestFormingOneCluster(t *testing.T) {
	t.Parallel()
	for seed := range uint64(60) {
		n, expect := 2+int(seed%4), 3
		g := gather(t, seed, n, expect, float64(seed%5)/10)
		g.run(t, expect)
		switch {
		case len(g.formed) > 1:
			// Two may stand beside each other only if they have no server in common; with five
			// servers and three each, they would.
			t.Errorf("seed %d: %d servers formed %d clusters: %v", seed, n, len(g.formed), g.formed)
		case n >= expect && len(g.formed) == 0:
			t.Errorf("seed %d: %d servers formed none", seed, n)
		case n < expect && len(g.formed) > 0:
			t.Errorf("seed %d: %d servers formed one", seed, n)
		}
	}
}

func TestPromises(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), pledgeFile)
	p, err := openPledge(path)
	must(t, err)
	one := proposal{Cluster: "c1", Proposer: "a", Number: 1}
	must(t, p.promise(one))
	must(t, p.promise(one))
	if err := p.promise(proposal{Cluster: "c2", Proposer: "b", Number: 9}); resource.CodeOf(err) != resource.Conflict {
		t.Errorf("a second proposer: %v", err)
	}
	must(t, p.promise(proposal{Cluster: "c3", Proposer: "a", Number: 2}))
	if err := p.promise(one); resource.CodeOf(err) != resource.Conflict {
		t.Errorf("a proposal that came late: %v", err)
	}
	if err := p.join("c9"); err == nil {
		t.Error("a server that has promised joins another cluster")
	}
	p, err = openPledge(path)
	must(t, err)
	if got := p.get().cluster(); got != "c3" {
		t.Errorf("after a restart it is bound to %q", got)
	}
	must(t, p.release("c1"))
	must(t, p.release("c3"))
	must(t, p.join("c9"))
	if err := p.promise(one); resource.CodeOf(err) != resource.Conflict {
		t.Errorf("a promise while joining: %v", err)
	}
	must(t, p.refused("c9"))
	must(t, p.promise(one))
	must(t, p.kept())
	if got := p.get().cluster(); got != "" {
		t.Errorf("in the cluster it is bound to %q", got)
	}
}
