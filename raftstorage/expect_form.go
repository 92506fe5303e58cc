package raftstorage

import (
	"context"
	"net/http"

	"github.com/hashicorp/raft"
	"go.uber.org/zap"

	"github.com/dgate-io/caddy-dgate/internal/resource"
	"github.com/dgate-io/caddy-dgate/raftstorage/peer"
)

// former is how this server forms a cluster with others.
func (s *store) former() *former {
	ms := s.members
	f := &former{self: proposedServer{ID: string(s.id()), Address: s.advertised()}, pledge: ms.pledge, begin: s.form}
	if c := s.clusterConfig(); c != nil {
		f.expect = c.Expect
	}
	f.call = func(ctx context.Context, address, method string, in, out any) error {
		ctx, cancel := context.WithTimeout(ctx, ms.timing.ask)
		defer cancel()
		return s.call(ctx, address, method, in, out)
	}
	return f
}

// form makes this server begin the cluster that all others have agreed to.
func (s *store) form(p proposal) error {
	var servers []raft.Server
	for _, one := range p.Servers {
		servers = append(servers, raft.Server{Suffrage: raft.Voter, ID: raft.ServerID(one.ID), Address: raft.ServerAddress(one.Address)})
		if one.ID != string(s.id()) {
			s.noteSeen(announcement{ID: one.ID, Address: one.Address})
		}
	}
	s.log().Info("this server begins a cluster", zap.String("cluster", p.Cluster), zap.Int("servers", len(servers)))
	// Restarting ends who called us, and must not wait for it. If it fails the next round tries again.
	forming := &s.members.forming
	if !forming.CompareAndSwap(false, true) {
		return nil
	}
	s.later(func() {
		defer forming.Store(false)
		// It can have been given up meanwhile, and then it never begins.
		err := s.restart(func() error {
			return s.members.pledge.begin(p.Cluster, func() error { return s.bootstrapAs(servers) })
		})
		if err != nil {
			s.log().Error("the cluster could not be begun; trying again", zap.Error(err))
		}
	})
	return nil
}

// servePromise answers a server that proposes to form a cluster.
func (s *store) servePromise(_ context.Context, from peer.Identity, r *http.Request) (any, error) {
	var p proposal
	if err := decode(r, &p); err != nil {
		return nil, err
	}
	ms := s.members
	ms.mu.Lock()
	target := ms.target
	ms.mu.Unlock()
	switch {
	case from.ServerID != p.Proposer:
		return nil, resource.Errorf(resource.Unauthorized, "server %s proposes for server %s", from.ServerID, p.Proposer)
	case len(s.servers()) > 0 && s.boundTo() == p.Cluster:
		return struct{}{}, nil // it has begun: the question comes late
	case len(s.servers()) > 0:
		return nil, resource.Errorf(resource.Conflict, "this server is in cluster %s", s.boundTo())
	case target != "" && target != p.Cluster:
		return nil, resource.Errorf(resource.Conflict, "this server is joining cluster %s", target)
	}
	return struct{}{}, s.former().agree(p)
}

// serveRelease answers a server that has given up its proposal.
func (s *store) serveRelease(_ context.Context, from peer.Identity, r *http.Request) (any, error) {
	var p proposal
	if err := decode(r, &p); err != nil {
		return nil, err
	}
	if from.ServerID != p.Proposer {
		return nil, resource.Errorf(resource.Unauthorized, "server %s answers for server %s", from.ServerID, p.Proposer)
	}
	return struct{}{}, s.members.pledge.release(p.Cluster)
}

// serveFate answers what became of a proposal of this server.
func (s *store) serveFate(_ context.Context, _ peer.Identity, r *http.Request) (any, error) {
	var p proposal
	if err := decode(r, &p); err != nil {
		return nil, err
	}
	return s.former().fateOf(p, s.db.ClusterID)
}
