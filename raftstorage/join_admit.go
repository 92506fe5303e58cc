package raftstorage

import (
	"context"
	"errors"
	"net/http"

	"github.com/hashicorp/raft"
	"go.uber.org/zap"

	"github.com/dgate-io/caddy-dgate/internal/resource"
	"github.com/dgate-io/caddy-dgate/internal/state"
	"github.com/dgate-io/caddy-dgate/raftstorage/peer"
)

// joinRequest asks the leader to be let in.
type joinRequest struct {
	announcement
	// Cluster is the id of the cluster that is meant.
	Cluster string `json:"cluster"`
}

// serveJoin lets a server in, as one that does not vote: if something is wrong with it, nobody
// else notices.
func (s *store) serveJoin(ctx context.Context, from peer.Identity, r *http.Request) (any, error) {
	var in joinRequest
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	cluster := s.db.ClusterID()
	switch {
	case !s.leads() || cluster != s.boundTo(): // it gets another id first
		return nil, notLeader()
	case from.ServerID != in.ID:
		return nil, resource.Errorf(resource.Unauthorized, "server %s asks for server %s", from.ServerID, in.ID)
	case cluster == "" || in.Cluster != cluster:
		return nil, resource.Errorf(resource.Conflict, "this is cluster %s, and server %s asks for cluster %s", cluster, in.ID, in.Cluster)
	case in.Level < s.usedLevel():
		return nil, resource.Errorf(resource.Conflict, "server %s understands level %d and cluster %s uses level %d: upgrade it", in.ID, in.Level, cluster, s.usedLevel())
	}
	if err := checkAdvertised(in.Address); err != nil {
		return nil, err
	}
	if err := s.admit(ctx, in.announcement); err != nil {
		return nil, err
	}
	replaced, err := s.upsert(ctx, in.announcement)
	if err == nil && replaced != "" {
		err = resource.Errorf(resource.Conflict, "%s", replaced)
	}
	wake(s.members.leadNow)
	return struct{}{}, err
}

func checkAdvertised(address string) error {
	if _, _, err := splitAddress(address); err != nil {
		return resource.Errorf(resource.BadRequest, "the address %q of the server cannot be reached: %v (option advertise)", address, err)
	}
	return nil
}

// admit adds a server to the configuration, if it is not in it. A server that had the same address is
// removed in the same step, if the new one is who answers there: it has lost its data and come back as
// another. One that does not answer is perhaps only being restarted.
func (s *store) admit(ctx context.Context, a announcement) error {
	ms := s.members
	ms.changing.Lock()
	defer ms.changing.Unlock()
	servers := s.servers()
	if _, ok := findServer(servers, a.ID); ok {
		return nil // upsert brings its address up to date
	}
	for _, other := range servers {
		if s.whereIs(other) != a.Address && string(other.Address) != a.Address {
			continue
		}
		if other.ID == s.id() {
			return resource.Errorf(resource.Conflict, "server %s announces the address %s of server %s: set advertise", a.ID, a.Address, other.ID)
		}
		switch g, err := s.ask(ctx, a.Address); {
		case err != nil:
			return resource.Errorf(resource.Conflict, "server %s announces the address %s of server %s, which does not answer there: remove that one first if it is gone "+
				"(dgate-cli cluster remove %s), or set advertise", a.ID, a.Address, other.ID, other.ID)
		case g.ID != a.ID:
			return resource.Errorf(resource.Conflict, "server %s announces the address %s, where server %s answers: set advertise", a.ID, a.Address, g.ID)
		case s.whereIs(other) != a.Address: // it has moved, which the configuration does not say yet
			if err := s.moveServer(string(other.ID), s.whereIs(other)); err != nil {
				return err
			}
			continue
		}
		s.log().Warn("a server was replaced by another one at its address", zap.String("gone", string(other.ID)), zap.String("new", a.ID), zap.String("address", a.Address))
		if err := s.expel(ctx, string(other.ID)); err != nil {
			return err
		}
	}
	m := s.raftNow()
	if m == nil {
		return notLeader()
	}
	if err := m.AddNonvoter(raft.ServerID(a.ID), raft.ServerAddress(a.Address), 0, ms.timing.change).Error(); err != nil {
		return changeError("add server "+a.ID, err)
	}
	s.log().Info("a server was let in", zap.String("server", a.ID), zap.String("name", a.Name), zap.String("address", a.Address))
	return nil
}

// expel takes a server out of the configuration and forgets it. The caller holds changing.
func (s *store) expel(ctx context.Context, id string) error {
	r := s.raftNow()
	if r == nil {
		return notLeader()
	}
	if err := r.RemoveServer(raft.ServerID(id), 0, s.members.timing.change).Error(); err != nil {
		return changeError("remove server "+id, err)
	}
	return s.forget(ctx, id)
}

// forget deletes what the cluster remembers of a server.
func (s *store) forget(ctx context.Context, id string) error {
	ms := s.members
	ms.mu.Lock()
	delete(ms.seen, id)
	delete(ms.following, id)
	delete(ms.silent, id)
	delete(ms.problems, id)
	ms.mu.Unlock()
	records, versions, err := s.records()
	if _, known := records[id]; !known || err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, ms.timing.change)
	defer cancel()
	_, err = s.propose(ctx, state.Command{Ops: []state.Op{state.Delete(memberKey(id), state.Condition{Mode: state.AtVersion, Version: versions[id]})}})
	return err
}

// changeError is the error of a change of the configuration. Who asked can ask again.
func changeError(what string, err error) error {
	code := resource.OutcomeUnknown
	if neverApplied(err) {
		return &resource.Error{Code: resource.NoLeader, Message: errNotLeader.Error(), Err: errors.Join(errNotLeader, err)}
	}
	return &resource.Error{Code: code, Message: what + ": " + err.Error(), Err: err}
}
