package raftstorage

import (
	"context"
	"errors"
	"time"

	"github.com/hashicorp/raft"

	"github.com/dgate-io/caddy-dgate/internal/resource"
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
	if err := s.waitLeader(ctx); err != nil {
		return noBarrier(err)
	}
	switch err = s.barrier(ctx); {
	case err == nil:
		return nil
	case errors.Is(err, raft.ErrRaftShutdown):
		return closedError()
	}
	return noBarrier(err)
}

// barrier returns when everything in the log is applied, or ctx is done, which has a deadline.
func (s *store) barrier(ctx context.Context) error {
	deadline, _ := ctx.Deadline()
	applied := make(chan error, 1)
	// Raft's timeout ends before the barrier is in the log; how long it takes then, on a disk that
	// fails, is up to us.
	go func() { applied <- s.raft.Barrier(max(time.Until(deadline), time.Millisecond)).Error() }()
	select {
	case err := <-applied:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func noBarrier(err error) error {
	return &resource.Error{Code: resource.NoLeader, Message: "there is no leader that could tell what was agreed on", Err: err}
}
