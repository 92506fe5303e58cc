package raftstorage

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/hashicorp/raft"

	"github.com/dgate-io/caddy-dgate/internal/resource"
	"github.com/dgate-io/caddy-dgate/internal/state"
	"github.com/dgate-io/caddy-dgate/raftstorage/peer"
)

// locking is the part of a store that locks: for this node, and if it leads, for all.
type locking struct {
	locks  *locker
	leases *leases
}

// startLocking begins to watch over sessions. This node has none of its own until it locks something.
func (s *store) startLocking() {
	timing := defaultLeaseTiming()
	if s.cfg.leases != nil {
		timing = s.cfg.leases
	}
	s.leases = newLeases(storeLocks{s}, *timing)
	s.locks = newLocker(storeLocks{s}, func() string { return string(s.id()) }, *timing)
	s.locks.reclaim()
	s.locks.tidy()
	s.wg.Go(func() { s.leases.watch(s.stop) })
}

// stopLocking gives all locks of this node back, while changes can still be proposed.
func (s *store) stopLocking() {
	if s.locks != nil {
		s.locks.close()
	}
}

// abandonLocks ends locking without telling anybody: the leader finds out when there is one.
func (s *store) abandonLocks() {
	if s.locks != nil {
		s.locks.cancel(ErrClosed)
		s.locks.close()
	}
}

// storeLocks is what sessions and locks do with a store.
type storeLocks struct{ s *store }

var (
	_ lockGroup  = storeLocks{}
	_ leaseGroup = storeLocks{}
)

func (g storeLocks) change(ctx context.Context, ops ...state.Op) (state.Outcome, error) {
	return g.s.propose(ctx, state.Command{Ops: ops})
}

func (g storeLocks) current(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, g.s.cfg.timing.propose, errors.New("it takes too long"))
	defer cancel()
	if err := g.s.catchUp(ctx); err != nil {
		return noBarrier(err)
	}
	return nil
}

func (g storeLocks) database() *state.DB { return g.s.db }

func (g storeLocks) keepAlive(ctx context.Context, session string) error {
	return g.s.callLeader(ctx, "keepalive", keepAliveRequest{session}, nil)
}

func (g storeLocks) leading() (uint64, bool) {
	r := g.s.member.Load().raft
	return r.CurrentTerm(), r.State() == raft.Leader
}

func (g storeLocks) verify(ctx context.Context) error {
	verified := make(chan error, 1)
	go func() { verified <- g.s.member.Load().raft.VerifyLeader().Error() }()
	select {
	case err := <-verified:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (g storeLocks) decree(ctx context.Context, ops ...state.Op) error {
	cmd := state.Command{Ops: ops, ID: g.s.counter.next(g.s.session), Time: time.Now().UTC(), Proposer: string(g.s.id())}
	data, err := cmd.Encode()
	if err != nil {
		return err
	}
	outcome, err := g.s.member.Load().try(ctx, state.Split(data))
	if err == nil {
		err = outcome.Err
	}
	return err
}

// keepAliveRequest is the body of the call by which a node keeps its session alive.
type keepAliveRequest struct {
	Session string `json:"session"`
}

// serveKeepAlive answers that call on the leader.
func (s *store) serveKeepAlive(ctx context.Context, _ peer.Identity, r *http.Request) (any, error) {
	var in keepAliveRequest
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	if in.Session == "" {
		return nil, resource.Errorf(resource.BadRequest, "the session is missing")
	}
	if m := s.member.Load(); m.raft.State() != raft.Leader {
		return nil, notLeader()
	}
	return struct{}{}, s.leases.renew(ctx, in.Session)
}
