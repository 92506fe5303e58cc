package raftstorage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/hashicorp/raft"
	"go.uber.org/zap"

	"github.com/dgate-io/caddy-dgate/internal/resource"
	"github.com/dgate-io/caddy-dgate/internal/state"
	"github.com/dgate-io/caddy-dgate/raftstorage/peer"
)

// serveAnnounce takes an announcement in. The leader makes it known to all, if it is news.
func (s *store) serveAnnounce(ctx context.Context, from peer.Identity, r *http.Request) (any, error) {
	var a announcement
	if err := decode(r, &a); err != nil {
		return nil, err
	}
	if from.ServerID != a.ID {
		return nil, resource.Errorf(resource.Unauthorized, "server %s announces server %s", from.ServerID, a.ID)
	}
	answer := announced{greeting: s.greet()}
	if theirs := r.Header.Get(headerCluster); theirs == "" || theirs != s.db.ClusterID() {
		return answer, nil // it finds out that this is another cluster
	}
	answer.Known = s.known()
	records, _, err := s.records()
	if err != nil {
		return nil, err
	}
	if slices.Contains(records[a.ID].Before, a.Nonce) {
		answer.Decided, answer.ReplacedBy = true, copied(a.ID)
		return answer, nil
	}
	if !s.leads() {
		if !s.unmoved(records[a.ID], a) {
			s.noteCall(a)
		}
		return answer, nil
	}
	if _, member := findServer(s.servers(), a.ID); !member {
		answer.Decided, answer.Gone = true, true
		return answer, nil
	}
	replaced, err := s.upsert(ctx, a)
	if err != nil {
		s.log().Warn("a member could not be noted", zap.String("member", a.ID), zap.Error(err))
		return answer, nil
	}
	answer.Decided, answer.ReplacedBy = true, replaced
	return answer, nil
}

// upsert makes what a server announced known to the cluster; only the leader does. It says why
// the process that announced itself is not that server any more, or "".
func (s *store) upsert(ctx context.Context, a announcement) (replaced string, err error) {
	ms := s.members
	ms.changing.Lock()
	defer ms.changing.Unlock()
	records, versions, err := s.records()
	if err != nil {
		return "", err
	}
	record, known := records[a.ID]
	ms.mu.Lock()
	confirmed := ms.seen[a.ID].Applied
	ms.mu.Unlock()
	switch {
	case slices.Contains(record.Before, a.Nonce):
		return copied(a.ID), nil
	case known && record.Nonce != a.Nonce && a.Last < confirmed:
		return fmt.Sprintf("the data directory is older than what server %s has confirmed (its log ends at %d, and %d was applied): "+
			"delete it, so that this node joins as a new server", a.ID, a.Last, confirmed), nil
	}
	s.noteCall(a)
	next := memberRecord{Name: a.Name, Address: a.Address, Role: Voter, Version: a.Version, Level: a.Level, Nonce: a.Nonce, Before: record.Before}
	if a.Edge {
		next.Role = Edge
	}
	if known && record.Nonce != a.Nonce && record.Nonce != "" {
		next.Before = append(slices.Clone(record.Before), record.Nonce)
		next.Before = next.Before[max(0, len(next.Before)-noncesKept):]
	}
	moved := s.moveServer(a.ID, a.Address) // if it cannot be, that is no reason not to remember the rest
	if known && sameRecord(record, next) {
		return "", moved
	}
	cond := state.Condition{Mode: state.Absent}
	if known {
		cond = state.Condition{Mode: state.AtVersion, Version: versions[a.ID]}
	}
	return "", errors.Join(moved, s.saveRecord(ctx, a.ID, next, cond))
}

// copied is what a process is told when another one is its server by now.
func copied(id string) string {
	return "another process with a copy of this data directory is server " + id + " now: delete the data directory of this one"
}

func sameRecord(a, b memberRecord) bool {
	return a.Name == b.Name && a.Address == b.Address && a.Role == b.Role && a.Version == b.Version &&
		a.Level == b.Level && a.Nonce == b.Nonce
}

// saveRecord writes what the cluster remembers of a server.
func (s *store) saveRecord(ctx context.Context, id string, r memberRecord, cond state.Condition) error {
	data, err := json.Marshal(r)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, s.members.timing.change)
	defer cancel()
	_, err = s.propose(ctx, state.Command{Ops: []state.Op{{Key: memberKey(id), Data: data, If: cond}}})
	return err
}

// moveServer writes a new address of a server into the configuration, if it has one. If that is still
// the address of another one, which has announced where it is now, both are moved: servers can have
// exchanged their addresses, and no two may have the same at any time. The caller holds changing.
func (s *store) moveServer(id, address string) error {
	servers := s.servers()
	server, ok := findServer(servers, id)
	if !ok || string(server.Address) == address || address == "" {
		return nil
	}
	i := slices.IndexFunc(servers, func(other raft.Server) bool { return string(other.Address) == address })
	if i < 0 {
		return s.writeAddress(server, address)
	}
	other := servers[i]
	now := s.whereIs(other)
	if other.ID == s.id() {
		now = s.advertised()
	}
	if now == address || now == "" {
		return resource.Errorf(resource.Conflict, "server %s announces the address %s of server %s", id, address, other.ID)
	}
	if err := s.writeAddress(other, string(other.ID)+placeholder); err != nil {
		return err
	}
	if err := s.writeAddress(server, address); err != nil {
		return err
	}
	return s.moveServer(string(other.ID), now) // and so on: who is where it says is not moved again
}

// placeholder makes an address of the id of a server that is at none. Nobody is asked there: a server
// is found where it has announced that it is.
const placeholder = ".invalid:1"

// writeAddress changes the address of a server in the configuration.
func (s *store) writeAddress(server raft.Server, address string) error {
	r := s.raftNow()
	if r == nil {
		return errors.New("this node is being restarted")
	}
	var future raft.Future
	if server.Suffrage == raft.Voter {
		future = r.AddVoter(server.ID, raft.ServerAddress(address), 0, s.members.timing.change)
	} else {
		future = r.AddNonvoter(server.ID, raft.ServerAddress(address), 0, s.members.timing.change)
	}
	if err := future.Error(); err != nil {
		return fmt.Errorf("new address of server %s: %w", server.ID, err)
	}
	s.log().Info("a server has a new address", zap.String("server", string(server.ID)), zap.String("address", address))
	return nil
}
