package raftstorage

import (
	"context"
	"errors"
	"time"

	"github.com/hashicorp/raft"

	"github.com/dgate-io/caddy-dgate/internal/resource"
	"github.com/dgate-io/caddy-dgate/internal/state"
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
	s.locks = newLocker(storeLocks{s}, string(s.id), *timing)
	s.wg.Go(func() { s.leases.watch(s.stop) })
}

// stopLocking gives all locks of this node back, while changes can still be proposed.
func (s *store) stopLocking() {
	if s.locks != nil {
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
	if err := g.s.waitLeader(ctx); err != nil {
		return noBarrier(err)
	}
	if err := g.s.barrier(ctx); err != nil {
		return noBarrier(err)
	}
	return nil
}

func (g storeLocks) database() *state.DB { return g.s.db }

func (g storeLocks) keepAlive(ctx context.Context, session string) error {
	return g.s.leases.renew(ctx, session)
}

func (g storeLocks) leading() (uint64, bool) {
	return g.s.raft.CurrentTerm(), g.s.raft.State() == raft.Leader
}

func (g storeLocks) verify(ctx context.Context) error {
	verified := make(chan error, 1)
	go func() { verified <- g.s.raft.VerifyLeader().Error() }()
	select {
	case err := <-verified:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (g storeLocks) decree(ctx context.Context, ops ...state.Op) error {
	cmd := state.Command{Ops: ops, ID: g.s.counter.next(g.s.session), Time: time.Now().UTC(), Proposer: string(g.s.id)}
	data, err := cmd.Encode()
	if err != nil {
		return err
	}
	outcome, err := g.s.try(ctx, state.Split(data))
	if err == nil {
		err = outcome.Err
	}
	return err
}

// keepAliveRequest is the body of the call by which a node keeps its session alive.
type keepAliveRequest struct {
	Session string `json:"session"`
}

// keepAlive answers that call on the leader.
func (s *store) answerKeepAlive(ctx context.Context, in keepAliveRequest) error {
	if in.Session == "" {
		return resource.Errorf(resource.BadRequest, "the session is missing")
	}
	return s.leases.renew(ctx, in.Session)
}
