package raftstorage

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/raft"
	"go.uber.org/zap"

	"github.com/dgate-io/caddy-dgate/internal/resource"
	"github.com/dgate-io/caddy-dgate/internal/state"
)

// Recover makes this node the only voter of a new cluster. It is for when most voters are lost for
// good: while there is a leader, or might be one, it is refused with the code conflict. Every
// change in the log of this node counts as agreed on from then on, also those that the lost
// servers never heard of; changes that this node never heard of are lost.
//
// The cluster gets another id, so that members of the old one that come back after all are
// refused; secrets stay readable. lastIndexSeen is the [Status.LastIndex] on which the decision
// was based: if the log has grown since, nothing is done. Zero is any.
func (n *Node) Recover(ctx context.Context, lastIndexSeen uint64) error {
	s, err := n.current()
	if err != nil {
		return err
	}
	return s.recover(ctx, lastIndexSeen)
}

func (s *store) recover(ctx context.Context, seen uint64) error {
	m := s.member.Load()
	r, l, servers := m.raft, m.leader(), m.servers()
	self, member := findServer(servers, string(s.id()))
	switch last := r.LastIndex(); {
	case len(servers) == 0:
		return resource.Errorf(resource.Conflict, "this node has nothing to recover: it has not been in a cluster yet")
	case !member && s.members.pledge.get().Recovering == "":
		return resource.Errorf(resource.Conflict, "this node was removed from its cluster")
	case s.members.isReplaced():
		return resource.Errorf(resource.Conflict, "another process is server %s now", s.id())
	case l.self || self.Suffrage == raft.Voter && len(votersOf(servers)) == 1:
		return resource.Errorf(resource.Conflict, "this node leads its cluster, and nothing is to be recovered")
	case l.known():
		return resource.Errorf(resource.Conflict, "the cluster has a leader, %s: remove the members that are lost instead", l.id)
	case seen != 0 && seen != last:
		return resource.Errorf(resource.Conflict, "the log ends at %d now and not at %d: look at the status again", last, seen)
	}
	if err := s.checkNoLeader(ctx, servers); err != nil {
		return err
	}
	id := newClusterID()
	s.log().Warn("this node becomes the only voter of a new cluster; every change in its log counts as agreed on",
		zap.String("before", s.db.ClusterID()), zap.String("now", id), zap.Uint64("index", r.LastIndex()))
	if err := s.restart(func() error { return s.appendRecovery(id) }); err != nil {
		return fmt.Errorf("recover: %w", err)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, s.cfg.timing.propose, errors.New("it takes too long"))
	defer cancel()
	if err := until(ctx, func() bool { return s.db.ClusterID() == id }); err != nil {
		return &resource.Error{Code: resource.NoLeader, Message: "this node is the only voter now, but does not lead yet: " + err.Error(), Err: err}
	}
	return nil
}

// checkNoLeader refuses to recover while most voters answer: they elect a leader by themselves.
func (s *store) checkNoLeader(ctx context.Context, servers []raft.Server) error {
	voters := votersOf(servers)
	greetings, errs := s.askMembers(ctx, voters)
	alive := 0
	for i, g := range greetings {
		if errs[i] == nil && g.Replaced == "" && !g.Removed {
			alive++
		}
	}
	if len(voters) > 0 && alive >= quorum(len(voters)) {
		return resource.Errorf(resource.Conflict, "%d of %d voters answer: they elect a leader by themselves", alive, len(voters))
	}
	return nil
}

// appendRecovery makes this server the only one of another cluster. Raft does not run meanwhile. The id
// comes first: from then on nobody of the old cluster is let near. If what makes it true is not written,
// the next start of raft forgets it, see [store.checkRecovering].
func (s *store) appendRecovery(id string) error {
	err := s.members.pledge.change(func(v *vows) error { *v = vows{Number: v.Number, Recovering: id}; return nil })
	if err != nil {
		return err
	}
	return s.appendAlone()
}

// checkRecovering forgets a recovery that was interrupted before it was in the log: this server is a
// member like any other then, and its cluster has the id of before. Servers are those of the log.
func (s *store) checkRecovering(servers []raft.Server) {
	id := s.members.pledge.get().Recovering
	if id == "" || s.db.ClusterID() == id || len(servers) == 1 && servers[0].ID == s.id() {
		return
	}
	s.log().Warn("a recovery was interrupted before it began; this server is still a member of its cluster", zap.String("cluster", s.db.ClusterID()))
	if err := s.members.pledge.forgetRecovery(); err != nil {
		s.log().Error("it is forgotten only until the next start", zap.Error(err))
	}
}

// appendAlone makes this server the only one, by an entry of a term of its own behind the log.
// Raft does not run meanwhile.
func (s *store) appendAlone() error {
	last, err := s.guard.LastIndex()
	if err != nil {
		return fmt.Errorf("read log: %w", err)
	}
	var before raft.Log
	if last > 0 {
		if err := s.guard.GetLog(last, &before); err != nil {
			return fmt.Errorf("read log: %w", err)
		}
	}
	snaps, err := s.snaps.List()
	if err != nil {
		return fmt.Errorf("list snapshots: %w", err)
	}
	term := before.Term
	if len(snaps) > 0 {
		last, term = max(last, snaps[0].Index), max(term, snaps[0].Term)
	}
	now, err := s.guard.GetUint64(currentTerm)
	if err != nil && !isAnswer(err) {
		return fmt.Errorf("read log: %w", err)
	}
	term = max(term, now) + 1
	alone := raft.Configuration{Servers: []raft.Server{{Suffrage: raft.Voter, ID: s.id(), Address: raft.ServerAddress(s.place.address)}}}
	if s.place.address == "" {
		alone.Servers[0].Address = localAddress
	}
	if err := s.guard.SetUint64(currentTerm, term); err != nil {
		return fmt.Errorf("write log: %w", err)
	}
	entry := &raft.Log{Index: last + 1, Term: term, Type: raft.LogConfiguration, Data: raft.EncodeConfiguration(alone), AppendedAt: time.Now()}
	if err := s.guard.StoreLog(entry); err != nil {
		return fmt.Errorf("write log: %w", err)
	}
	return nil
}

// finishRecovery gives a cluster that goes on with this server alone its new id. It is repeated
// until it has worked, also by a later start.
func (s *store) finishRecovery(ctx context.Context) error {
	ms := s.members
	id := ms.pledge.get().Recovering
	if id == "" {
		return nil
	}
	if s.db.ClusterID() != id {
		ctx, cancel := context.WithTimeout(ctx, ms.timing.change)
		defer cancel()
		if _, err := s.propose(ctx, state.Command{ClusterID: id, ReplaceID: true}); err != nil {
			return fmt.Errorf("new id of the cluster: %w", err)
		}
	}
	if err := s.keepClusterID(); err != nil {
		return err
	}
	return ms.pledge.kept()
}
