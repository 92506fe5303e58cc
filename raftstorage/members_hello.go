package raftstorage

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"sync"
	"time"

	"github.com/dgate-io/caddy-dgate/internal/resource"
	"github.com/dgate-io/caddy-dgate/internal/state"
	"github.com/dgate-io/caddy-dgate/raftstorage/peer"
)

// greeting is what a server says of itself to whoever may ask.
type greeting struct {
	ID      string `json:"id"`
	Name    string `json:"name,omitempty"`
	Address string `json:"address"`
	// Cluster is the id of its cluster, or of the one that it is bound to; "" if it has none.
	Cluster string `json:"cluster,omitempty"`
	// Member is whether it is in a cluster, and Servers how large that is.
	Member  bool `json:"member,omitempty"`
	Servers int  `json:"servers,omitempty"`
	// Untouched is whether nobody has changed anything there since it was new.
	Untouched     bool              `json:"untouched,omitempty"`
	Expect        int               `json:"expect,omitempty"`
	Edge          bool              `json:"edge,omitempty"`
	Leader        string            `json:"leader,omitempty"`
	LeaderAddress string            `json:"leader_address,omitempty"`
	Version       string            `json:"version,omitempty"`
	Level         int               `json:"level"`
	Last          uint64            `json:"last"`
	Applied       uint64            `json:"applied"`
	Hash          string            `json:"hash"`
	Contact       int64             `json:"contact"` // milliseconds since it heard of the leader; -1: never
	Storage       string            `json:"storage,omitempty"`
	Replaced      string            `json:"replaced,omitempty"`
	Removed       bool              `json:"removed,omitempty"`
	Problems      map[string]string `json:"problems,omitempty"` // of the servers, if it leads
}

// serveHello answers who this server is and how it does.
func (s *store) serveHello(_ context.Context, _ peer.Identity, _ *http.Request) (any, error) {
	return s.greet(), nil
}

func (s *store) greet() greeting {
	c, ms := s.clusterConfig(), s.members
	g := greeting{
		ID: string(s.id()), Address: s.advertised(), Cluster: s.boundTo(), Level: ms.level,
		Applied: s.db.Applied(), Hash: s.db.Hash(), Contact: -1, Untouched: s.untouched(),
	}
	if c != nil {
		g.Name, g.Expect, g.Edge, g.Version = c.NodeName, c.Expect, c.Edge, c.Version
	}
	if err := s.storageFailure(); err != nil {
		g.Storage = err.Error()
	}
	if err := s.db.Halted(); err != nil {
		g.Storage = err.Error()
	}
	servers := s.servers()
	g.Member, g.Servers = len(servers) > 0, len(servers)
	if r := s.raftNow(); r != nil {
		address, leader := r.LeaderWithID()
		g.Last, g.Leader, g.LeaderAddress = r.LastIndex(), string(leader), string(address)
		if server, ok := findServer(servers, g.Leader); ok {
			g.LeaderAddress = s.whereIs(server)
		}
		if leader == s.id() {
			g.LeaderAddress, g.Contact = g.Address, 0
		} else if at := r.LastContact(); !at.IsZero() {
			g.Contact = time.Since(at).Milliseconds()
		}
	}
	ms.mu.Lock()
	defer ms.mu.Unlock()
	g.Replaced, g.Removed = ms.replaced, ms.removed
	if g.Leader == g.ID {
		g.Problems = maps.Clone(ms.problems)
	}
	return g
}

// ask asks a server who it is.
func (s *store) ask(ctx context.Context, address string) (greeting, error) {
	ctx, cancel := context.WithTimeout(ctx, s.members.timing.ask)
	defer cancel()
	var g greeting
	if address == "" || address == string(localAddress) {
		return g, fmt.Errorf("its address is not known")
	}
	err := s.call(ctx, address, "hello", nil, &g)
	if err == nil {
		s.noteTold(g)
	}
	return g, err
}

// askAll asks several servers at once who they are.
func (s *store) askAll(ctx context.Context, addresses []string) ([]greeting, []error) {
	greetings, errs := make([]greeting, len(addresses)), make([]error, len(addresses))
	var wg sync.WaitGroup
	for i, address := range addresses {
		wg.Go(func() { greetings[i], errs[i] = s.ask(ctx, address) })
	}
	wg.Wait()
	return greetings, errs
}

// boundTo is the id of the cluster that this server is in, or has promised to be in; "" if none.
func (s *store) boundTo() string {
	ms := s.members
	if v := ms.pledge.get(); v.Recovering != "" {
		return v.Recovering
	}
	if id := s.db.ClusterID(); id != "" {
		return id
	}
	if id := ms.pledge.get().cluster(); id != "" {
		return id
	}
	ms.mu.Lock()
	defer ms.mu.Unlock()
	return ms.target
}

// untouched tells whether nothing was changed here since the store was new: what it holds can be
// dropped without asking anybody.
func (s *store) untouched() bool {
	servers := s.servers()
	if len(servers) > 1 || len(servers) == 1 && servers[0].ID != s.id() {
		return false
	}
	clean := true
	err := s.db.View(func(r *state.Reader) error {
		for _, kind := range resource.All {
			for rec, err := range r.List(kind.Name, "") {
				if err != nil {
					return err
				}
				first := rec.Key == resource.Key{Kind: "namespace", Name: resource.DefaultNamespace}
				if clean = first && rec.CreatedAt.Equal(rec.UpdatedAt); !clean {
					return nil
				}
			}
		}
		for _, kind := range []string{state.File, state.Job, state.DataKey} {
			clean = clean && r.Count(kind, "", "") == 0
		}
		return nil
	})
	return err == nil && clean
}
