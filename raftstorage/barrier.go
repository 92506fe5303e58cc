package raftstorage

import (
	"context"
	"errors"
	"time"

	"github.com/hashicorp/raft"

	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// Barrier returns when this node has applied everything that was agreed on before the call. The
// error has the code no_leader if this node cannot tell what that is.
func (n *Node) Barrier(ctx context.Context) error {
	s, err := n.current()
	if err != nil {
		return err
	}
	timeout := n.cfg.timing.propose
	if deadline, ok := ctx.Deadline(); ok {
		timeout = min(timeout, time.Until(deadline))
	}
	err = s.raft.Barrier(timeout).Error()
	switch {
	case err == nil:
		return nil
	case errors.Is(err, raft.ErrRaftShutdown):
		return closedError()
	}
	return &resource.Error{Code: resource.NoLeader, Message: "there is no leader that could tell what was agreed on", Err: err}
}
