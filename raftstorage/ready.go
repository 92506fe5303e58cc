package raftstorage

import (
	"context"
	"errors"
	"fmt"

	"go.uber.org/zap"
)

// ready waits for what must be there before the store is used. A new store gets its first
// command. One whose state is as new as its log can be read at once, with or without a leader;
// otherwise there is a moment to catch up, and then it is read as it is. What fails is not waited
// for: the guard goes on trying, and a new store has nothing to serve meanwhile.
func (s *store) ready(ctx context.Context) error {
	if s.rebuilt != "" {
		s.log().Warn("the state is rebuilt from snapshot and log", zap.String("reason", s.rebuilt))
	}
	ctx, cancel := s.guard.whileWorking(ctx)
	defer cancel()
	if s.db.ClusterID() == "" {
		if err := s.begin(ctx); err != nil {
			if failed := s.storageFailure(); failed != nil {
				return failed
			}
			return err
		}
	} else if s.behind {
		if err := s.caughtUp(ctx); err != nil {
			s.log().Error("the newest changes are not there yet; serving those before", zap.Uint64("index", s.db.Applied()), zap.Error(err))
		}
	}
	return s.checkClusterID()
}

// begin waits for the first command, or makes it.
func (s *store) begin(ctx context.Context) error {
	if err := s.caughtUp(ctx); err != nil {
		return err
	}
	if s.db.ClusterID() != "" {
		return nil
	}
	return s.firstCommand(ctx)
}

// caughtUp waits until this node leads and has applied its whole log.
func (s *store) caughtUp(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, s.cfg.timing.catchUp, errors.New("it takes too long"))
	defer cancel()
	if err := s.waitLeader(ctx); err != nil {
		return err
	}
	if err := s.barrier(ctx); err != nil {
		return fmt.Errorf("apply the log: %w", err)
	}
	return nil
}
