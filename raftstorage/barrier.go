package raftstorage

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/hashicorp/raft"

	"github.com/dgate-io/caddy-dgate/internal/resource"
	"github.com/dgate-io/caddy-dgate/raftstorage/peer"
)

// Barrier returns when this node has applied everything that was agreed on before the call. The
// error has the code no_leader if this node cannot tell what that is, within 10 s or before ctx
// is done.
func (n *Node) Barrier(ctx context.Context) error {
	s, err := n.current()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, s.cfg.timing.propose, errors.New("it takes too long"))
	defer cancel()
	switch err = s.catchUp(ctx); {
	case err == nil:
		return nil
	case s.stopped():
		return closedError()
	}
	return noBarrier(err)
}

// catchUp returns when this node has applied what the leader says was agreed on.
func (s *store) catchUp(ctx context.Context) error {
	var answer agreed
	if err := s.callLeader(ctx, "barrier", nil, &answer); err != nil {
		return err
	}
	return s.db.Wait(ctx, answer.Index)
}

// agreed is an index that a leader speaks of.
type agreed struct {
	Index uint64 `json:"index"`
}

// serveBarrier answers up to which entry everything is agreed on.
func (s *store) serveBarrier(ctx context.Context, _ peer.Identity, _ *http.Request) (any, error) {
	m := s.member.Load()
	if m == nil || m.transferring.Load() || m.raft.State() != raft.Leader {
		return nil, notLeader()
	}
	index, err := m.readIndex(ctx)
	if errors.Is(err, raft.ErrNotLeader) || errors.Is(err, raft.ErrLeadershipLost) || errors.Is(err, raft.ErrRaftShutdown) {
		return nil, notLeader()
	}
	return agreed{index}, err
}

// readIndex is the last entry that the state must have to contain everything agreed on before the
// call, which the state of this leader does then. A sole voter writes an entry for it, which shows
// that its disk works; others ask the voters.
func (m *member) readIndex(ctx context.Context) (uint64, error) {
	if !m.networked {
		if err := m.barrier(ctx); err != nil {
			return 0, err
		}
		return m.s.db.Applied(), nil
	}
	term := m.raft.CurrentTerm()
	if err := m.settle(ctx); err != nil { // what earlier leaders left counts from then on
		return 0, err
	}
	committed := m.raft.CommitIndex()
	verified := make(chan error, 1)
	go func() { verified <- m.raft.VerifyLeader().Error() }()
	select {
	case err := <-verified:
		if err != nil {
			return 0, err
		}
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
	if m.raft.CurrentTerm() != term || m.settled.Load() != term {
		return 0, raft.ErrNotLeader
	}
	index, err := m.visible(committed)
	if err != nil {
		return 0, err
	}
	return index, m.s.db.Wait(ctx, index)
}

// visible is the last entry up to index that the state gets to see: those of raft itself are kept
// from it, and nobody could wait for them.
func (m *member) visible(index uint64) (uint64, error) {
	for ; index > m.s.db.Applied(); index-- {
		var entry raft.Log
		if err := m.guard.GetLog(index, &entry); err != nil {
			if errors.Is(err, raft.ErrLogNotFound) {
				continue
			}
			return 0, err
		}
		if entry.Type == raft.LogCommand || entry.Type == raft.LogConfiguration {
			break
		}
	}
	return index, nil
}

// barrier returns when everything in the log is applied, or ctx is done, which has a deadline.
func (m *member) barrier(ctx context.Context) error {
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(m.s.cfg.timing.propose)
	}
	applied := make(chan error, 1)
	// Raft's timeout ends before the barrier is in the log; how long it takes then, on a disk that
	// fails, is up to us.
	var future raft.Future
	if !m.asks(func() { future = m.raft.Barrier(max(time.Until(deadline), time.Millisecond)) }) {
		return raft.ErrNotLeader
	}
	go func() { applied <- future.Error() }()
	select {
	case err := <-applied:
		return err
	case <-m.ctx.Done():
		return raft.ErrRaftShutdown
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func noBarrier(err error) error {
	return &resource.Error{Code: resource.NoLeader, Message: "there is no leader that could tell what was agreed on", Err: err}
}

// Leads tells whether this node decides what is agreed on.
func (n *Node) Leads() bool {
	s, err := n.current()
	if err != nil {
		return false
	}
	l, _ := s.leading.get()
	return l.self
}

// Follows tells whether another node does, as far as this one knows.
func (n *Node) Follows() bool {
	s, err := n.current()
	if err != nil {
		return false
	}
	l, _ := s.leading.get()
	return l.known() && !l.self
}
