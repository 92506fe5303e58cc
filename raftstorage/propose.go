package raftstorage

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"github.com/dgate-io/caddy-dgate/internal/resource"
	"github.com/dgate-io/caddy-dgate/internal/state"
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
	if err := s.writable(); err != nil {
		return state.Outcome{}, err
	}
	cmd.ID = s.counter.next(s.session)
	cmd.Time = time.Now().UTC()
	cmd.Proposer = string(s.id)
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
	outcome, err := s.submit(ctx, state.Split(data))
	if err == nil {
		err = outcome.Err
	}
	return outcome, err
}

// writable says why this node takes no writes, or nil.
func (s *store) writable() error {
	if err := s.db.Halted(); err != nil {
		return &resource.Error{Code: resource.NoLeader, Message: "this node is read-only: " + err.Error(), Err: err}
	}
	return s.storageFailure()
}

// submit tries until the command is applied, or time is up. Trying again after an unknown outcome
// is safe: a command id is applied once.
func (s *store) submit(ctx context.Context, entries [][]byte) (state.Outcome, error) {
	var doubt error // set when a try may have been applied
	for {
		if ctx.Err() != nil && doubt == nil {
			return state.Outcome{}, &resource.Error{Code: resource.NoLeader, Message: "the change was given up before it began", Err: context.Cause(ctx)}
		}
		if err := s.waitLeader(ctx); err != nil {
			if doubt != nil {
				return state.Outcome{}, unknownOutcome(doubt)
			}
			return state.Outcome{}, &resource.Error{Code: resource.NoLeader, Message: "there is no leader at the moment; try again", Err: err}
		}
		outcome, err := s.try(ctx, entries)
		switch {
		case err == nil && errors.Is(outcome.Err, state.ErrChunksMissing) && ctx.Err() == nil:
			// Other large commands pushed parts of this one out.
		case err == nil && isLocal(outcome.Err):
			return state.Outcome{}, unknownOutcome(outcome.Err)
		case err == nil:
			return outcome, nil
		case ctx.Err() != nil:
			return state.Outcome{}, unknownOutcome(cmp.Or(s.storageFailure(), context.Cause(ctx)))
		case !neverApplied(err):
			doubt = err
		}
		select {
		case <-s.stop:
			if doubt != nil {
				return state.Outcome{}, unknownOutcome(doubt)
			}
			return state.Outcome{}, closedError()
		default:
		}
	}
}

// waitLeader waits for this node to lead, for as long as a proposal may wait.
func (s *store) waitLeader(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, s.cfg.timing.leaderWait, errors.New("none was elected in time"))
	defer cancel()
	return s.leading.wait(ctx)
}

// try proposes the entries of one command in order and waits for the last one.
func (s *store) try(ctx context.Context, entries [][]byte) (state.Outcome, error) {
	type answer struct {
		outcome state.Outcome
		err     error
	}
	answered := make(chan answer, 1)
	futures := make([]raft.ApplyFuture, len(entries))
	deadline, _ := ctx.Deadline() // there is one: see propose
	for i, e := range entries {
		futures[i] = s.raft.Apply(e, max(time.Until(deadline), time.Millisecond))
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
		return a.outcome, a.err
	case <-ctx.Done():
		return state.Outcome{}, context.Cause(ctx)
	}
}

// neverApplied tells errors after which the command is certainly not in the log.
func neverApplied(err error) bool {
	return errors.Is(err, raft.ErrNotLeader) || errors.Is(err, raft.ErrEnqueueTimeout) ||
		errors.Is(err, raft.ErrLeadershipTransferInProgress)
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
	if _, err := s.propose(ctx, state.Command{ClusterID: newClusterID(), Ops: []state.Op{op}}); err != nil {
		return fmt.Errorf("first command: %w", err)
	}
	return nil
}

// counter numbers commands and bounds those in flight.
type counter struct {
	mu      sync.Mutex
	last    uint64
	count   int
	bytes   int
	drained chan struct{} // closed when draining and nothing is in flight
}

// next is a new command id.
func (c *counter) next(session [8]byte) (id [16]byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last++
	copy(id[:], session[:])
	binary.BigEndian.PutUint64(id[8:], c.last)
	return id
}

// admit takes a command of size bytes in, or says that there are too many.
func (c *counter) admit(size int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.drained != nil:
		return closedError()
	case c.count >= maxInFlight, c.count > 0 && c.bytes+size > maxInFlightBytes:
		return resource.Errorf(resource.Overloaded, "too many changes at once; try again")
	}
	c.count++
	c.bytes += size
	return nil
}

func (c *counter) done(size int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.count--
	c.bytes -= size
	if c.drained != nil && c.count == 0 {
		close(c.drained)
	}
}

// drain admits nothing any more and waits for what is in flight.
func (c *counter) drain(atMost time.Duration) {
	c.mu.Lock()
	c.drained = make(chan struct{})
	if c.count == 0 {
		close(c.drained)
	}
	drained := c.drained
	c.mu.Unlock()
	select {
	case <-drained:
	case <-time.After(atMost):
	}
}
