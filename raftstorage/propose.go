package raftstorage

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/hashicorp/raft"
	"go.uber.org/zap"

	"github.com/dgate-io/caddy-dgate/internal/resource"
	"github.com/dgate-io/caddy-dgate/internal/state"
	"github.com/dgate-io/caddy-dgate/raftstorage/peer"
)

// Propose brings ops into the log as one command and returns when this node has applied it. All
// of them happen, or none.
//
// The error is the one that applying gave (the same on every node; nothing was changed), or a
// *[resource.Error] with one of these codes: no_leader (nothing was changed; no leader within
// 5 s, or this node cannot write, or it is closed), overloaded (nothing was changed; too much in
// flight), too_large, bad_request, outcome_unknown (the command may yet be applied: leadership
// was lost, ctx ended or 10 s passed after it was on its way).
func (n *Node) Propose(ctx context.Context, ops ...state.Op) (state.Outcome, error) {
	s, err := n.current()
	if err != nil {
		return state.Outcome{}, err
	}
	if len(ops) == 0 {
		return state.Outcome{}, resource.Errorf(resource.BadRequest, "there is nothing to change")
	}
	return s.propose(ctx, state.Command{Ops: ops})
}

// propose stamps a command and submits it.
func (s *store) propose(ctx context.Context, cmd state.Command) (state.Outcome, error) {
	if err := cmp.Or(s.writable(), s.requireLevel(cmd.Level())); err != nil {
		return state.Outcome{}, err
	}
	cmd.ID = s.counter.next(s.session)
	cmd.Time = time.Now().UTC()
	cmd.Proposer = string(s.id())
	cmd.Since = s.db.Applied()
	data, err := cmd.Encode()
	if err != nil {
		return state.Outcome{}, err
	}
	if err := s.counter.admit(len(data)); err != nil {
		return state.Outcome{}, err
	}
	defer s.counter.done(len(data))
	ctx, cancel := context.WithTimeoutCause(ctx, s.cfg.timing.propose, errors.New("it takes too long"))
	defer cancel()
	if cmd.ClusterID == "" {
		if err := s.waitNamed(ctx); err != nil {
			return state.Outcome{}, err
		}
	}
	outcome, err := s.submit(ctx, &cmd, data)
	if err == nil {
		err = outcome.Err
	}
	return outcome, err
}

// waitNamed waits for the first command of the cluster to be applied here: before it there is not
// even a namespace that others could refer to.
func (s *store) waitNamed(ctx context.Context) error {
	if s.db.ClusterID() != "" {
		return nil
	}
	waiting, cancel := s.whileHopeful(ctx)
	defer cancel()
	if err := until(waiting, func() bool { return s.db.ClusterID() != "" || s.stopped() }); err != nil {
		return s.noLeader(err)
	}
	if s.stopped() {
		return closedError()
	}
	return nil
}

// writable says why this node takes no writes, or nil.
func (s *store) writable() error {
	if err := s.db.Halted(); err != nil {
		return &resource.Error{Code: resource.NoLeader, Message: "this node is read-only: " + err.Error(), Err: err}
	}
	return cmp.Or(s.outside(), s.storageFailure())
}

// submit tries until the command is applied, or time is up. Trying again after an unknown outcome
// is safe: a command id is applied once.
func (s *store) submit(ctx context.Context, cmd *state.Command, data []byte) (state.Outcome, error) {
	var doubt error // set when a try may have been applied
	giveUp := func(err error) (state.Outcome, error) {
		switch {
		case doubt != nil:
			return state.Outcome{}, unknownOutcome(doubt)
		case s.stopped():
			return state.Outcome{}, closedError()
		case ctx.Err() != nil:
			return state.Outcome{}, &resource.Error{Code: resource.NoLeader, Message: "the change was given up before it began", Err: context.Cause(ctx)}
		}
		return state.Outcome{}, s.noLeader(err)
	}
	waiting, cancel := s.whileHopeful(ctx)
	defer func() { cancel() }()
	for pause := retryPause; ; pause = min(2*pause, maxRetryPause) {
		l, err := s.leading.wait(waiting)
		if err != nil {
			return giveUp(err)
		}
		outcome, err := s.tryWith(ctx, l, cmd, data)
		switch {
		case err == nil && errors.Is(outcome.Err, state.ErrChunksMissing):
			// Other large commands pushed parts of this one out.
			err = outcome.Err
		case err == nil && doubt == nil && errors.Is(outcome.Err, state.ErrForgotten):
			// It was not tried before, so nothing was changed: this node did not know how old it was.
			return state.Outcome{}, &resource.Error{Code: resource.NoLeader, Message: "this node is too far behind to change anything; try again", Err: outcome.Err}
		case err == nil && isLocal(outcome.Err):
			return state.Outcome{}, unknownOutcome(outcome.Err)
		case err == nil:
			return outcome, nil
		case resource.CodeOf(err) == resource.Overloaded && doubt == nil, resource.CodeOf(err) == resource.IndexTimeout:
			return outcome, err
		case ctx.Err() != nil:
			doubt = cmp.Or(s.storageFailure(), context.Cause(ctx))
		case !neverApplied(err):
			doubt = err
			cancel()                              // whoever is in doubt waits for the next leader as long as the first time
			waiting, cancel = s.whileHopeful(ctx) //nolint:fatcontext // it is of ctx, not of the one before
		}
		if ctx.Err() != nil || s.stopped() {
			return giveUp(err)
		}
		s.leading.other(ctx, l, pause) // not of waiting, which can be over while we are in doubt
		if doubt == nil && waiting.Err() != nil {
			return giveUp(err)
		}
	}
}

// whileHopeful is ctx for as long as a leader is waited for.
func (s *store) whileHopeful(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, s.cfg.timing.leaderWait, errors.New("none was elected in time"))
}

// tryWith proposes a command once, here or at another server that leads. After an error that is
// not [neverApplied] it may have been applied.
func (s *store) tryWith(ctx context.Context, l leader, cmd *state.Command, data []byte) (state.Outcome, error) {
	if l.self {
		return s.member.Load().try(ctx, state.Split(data))
	}
	reign, end := s.leading.reign(ctx, l)
	defer end()
	if reign.Err() != nil && ctx.Err() == nil {
		return state.Outcome{}, raft.ErrNotLeader
	}
	var answer agreed
	err := s.call(reign, s.at(l), "propose", data, &answer)
	switch refused := new(resource.Error); {
	case err == nil:
	case errors.Is(err, state.ErrForgotten):
		return state.Outcome{Err: err}, nil
	case !errors.As(err, &refused), refused.Code == resource.NoLeader, refused.Code == resource.Overloaded,
		refused.Code == resource.OutcomeUnknown, refused.Code == resource.Internal:
		return state.Outcome{}, err
	default: // what applying it answered, or what is wrong with it
		return state.Outcome{Err: err}, nil
	}
	return s.outcome(ctx, cmd, answer.Index)
}

// outcome waits until a command that was applied at index is applied here, and says what became of it.
func (s *store) outcome(ctx context.Context, cmd *state.Command, index uint64) (state.Outcome, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, s.cfg.timing.visible, errors.New("it takes too long"))
	defer cancel()
	if err := s.db.Wait(ctx, index); err != nil {
		return state.Outcome{Index: index}, &resource.Error{
			Code: resource.IndexTimeout, Err: err,
			Message: fmt.Sprintf("the change is stored, at index %d, but this node does not have it yet", index),
		}
	}
	outcome, known, err := s.db.Outcome(cmd)
	if err == nil && !known {
		err = errors.New("it was applied too long ago")
	}
	if err != nil {
		return state.Outcome{Index: index}, fmt.Errorf("what became of the change at index %d: %w", index, err)
	}
	return outcome, nil
}

// servePropose proposes a command of another member, once: it tries again itself. The answer is the
// entry that the command was applied at. Errors with the codes no_leader and overloaded mean that
// nothing was done.
func (s *store) servePropose(ctx context.Context, from peer.Identity, r *http.Request) (any, error) {
	data, err := io.ReadAll(io.LimitReader(r.Body, state.MaxCommandSize+maxMessage))
	if err != nil {
		return nil, &resource.Error{Code: resource.NoLeader, Message: "the change did not arrive", Err: err}
	}
	cmd, err := state.Decode(data)
	if err != nil {
		return nil, &resource.Error{Code: resource.BadRequest, Message: "the leader does not understand the change; perhaps it runs an older version: " + err.Error(), Err: err}
	}
	m := s.member.Load()
	if m == nil || m.raft.State() != raft.Leader {
		return nil, notLeader()
	}
	if err := cmp.Or(s.writable(), s.requireLevel(cmd.Level())); err != nil {
		return nil, err
	}
	if err := s.counter.admit(len(data)); err != nil {
		return nil, err
	}
	defer s.counter.done(len(data))
	ctx, cancel := context.WithTimeoutCause(ctx, s.cfg.timing.propose, errors.New("it takes too long"))
	defer cancel()
	outcome, err := m.try(ctx, state.Split(data))
	switch {
	case neverApplied(err):
		return nil, notLeader()
	case err != nil:
		return nil, unknownOutcome(err)
	case isLocal(outcome.Err):
		return nil, unknownOutcome(outcome.Err)
	case outcome.Err != nil:
		return nil, outcome.Err
	}
	m.nudges.add(raft.ServerID(from.ServerID), outcome.Index)
	return agreed{outcome.Index}, nil
}

// try proposes the entries of one command in order and waits for the last one.
func (m *member) try(ctx context.Context, entries [][]byte) (state.Outcome, error) {
	type answer struct {
		outcome state.Outcome
		err     error
	}
	answered := make(chan answer, 1)
	futures := make([]raft.ApplyFuture, len(entries))
	deadline, _ := ctx.Deadline() // there is one: see propose
	handed := m.asks(func() {
		for i, e := range entries {
			futures[i] = m.raft.Apply(e, max(time.Until(deadline), time.Millisecond))
		}
	})
	if !handed {
		return state.Outcome{}, raft.ErrNotLeader
	}
	go func() {
		var a answer
		for _, f := range futures {
			if a.err = f.Error(); a.err != nil {
				break
			}
			a.outcome, _ = f.Response().(state.Outcome)
		}
		answered <- a
	}()
	select {
	case a := <-answered:
		m.stuck(a.err)
		return a.outcome, a.err
	case <-m.ctx.Done():
		return state.Outcome{}, raft.ErrRaftShutdown
	case <-ctx.Done():
		return state.Outcome{}, context.Cause(ctx)
	}
}

// stuck notes that raft refuses changes because it gives leadership away. It can go on to do so for
// ever; then it is restarted.
func (m *member) stuck(err error) {
	if !errors.Is(err, raft.ErrLeadershipTransferInProgress) {
		m.stuckSince.Store(nil)
		return
	}
	now := time.Now()
	since := m.stuckSince.Load()
	if since == nil {
		m.stuckSince.Store(&now)
		return
	}
	if now.Sub(*since) < 3*m.s.cfg.timing.election {
		return
	}
	if m.restarting.CompareAndSwap(false, true) {
		m.s.log().Error("leadership was to be given away, and that does not end; restarting raft")
		go m.s.restartStuck() // not of this member, which it ends
	}
}

// restartStuck is restart, in a goroutine that ends with it.
func (s *store) restartStuck() {
	if err := s.restart(func() error { return nil }); err != nil && !s.stopped() {
		s.log().Error("restart raft", zap.Error(err))
	}
}

// neverApplied tells errors after which the command is certainly not in the log.
func neverApplied(err error) bool {
	return errors.Is(err, raft.ErrNotLeader) || errors.Is(err, raft.ErrEnqueueTimeout) ||
		errors.Is(err, raft.ErrLeadershipTransferInProgress) || undone(err) || resource.CodeOf(err) == resource.NoLeader
}

// isLocal tells errors of this node from the outcome that all nodes agree on.
func isLocal(err error) bool {
	var halted *state.HaltError
	var storage *state.StorageError
	return errors.As(err, &halted) || errors.As(err, &storage) || errors.Is(err, state.ErrClosed)
}

func unknownOutcome(err error) error {
	return &resource.Error{
		Code:    resource.OutcomeUnknown,
		Message: fmt.Sprintf("it is not known whether the change was made: %v", err),
		Err:     err,
	}
}

// firstCommand names the cluster and makes what every cluster begins with.
func (s *store) firstCommand(ctx context.Context) error {
	op, err := state.Put(&resource.Namespace{Name: resource.DefaultNamespace, Tags: []string{"default"}}, state.Condition{})
	if err != nil {
		return err
	}
	if _, err := s.propose(ctx, state.Command{ClusterID: cmp.Or(s.boundTo(), newClusterID()), Ops: []state.Op{op}}); err != nil {
		return fmt.Errorf("first command: %w", err)
	}
	return nil
}
