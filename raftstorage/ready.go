package raftstorage

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

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
	ctx, cancel := s.guarding().whileWorking(ctx)
	defer cancel()
	switch {
	case s.db.ClusterID() == "" && s.cluster.Load().mayBegin():
		if err := s.named(ctx, s.cfg.timing.catchUp); err != nil {
			if failed := s.storageFailure(); failed != nil {
				return failed
			}
			return err
		}
	case s.db.ClusterID() == "":
		// Nothing can be served yet, and that is no reason not to open.
		if err := s.named(ctx, s.cfg.timing.joined); err != nil {
			s.log().Warn("this node serves nothing before a cluster admits it", zap.String("reason", s.notAdmitted(err)))
		}
	case s.behind:
		if err := s.caughtUp(ctx); err != nil {
			s.log().Error("the newest changes are not there yet; serving those before", zap.Uint64("index", s.db.Applied()), zap.Error(err))
		}
	}
	return s.checkClusterID()
}

// notAdmitted is why this node has no cluster yet.
func (s *store) notAdmitted(err error) string {
	if failed := s.storageFailure(); failed != nil {
		return failed.Error()
	}
	return cmp.Or(s.waiting(), err.Error())
}

// named waits until there is a cluster, and this node has what was agreed on so far.
func (s *store) named(ctx context.Context, atMost time.Duration) error {
	ctx, cancel := context.WithTimeoutCause(ctx, atMost, errors.New("it takes too long"))
	defer cancel()
	for s.db.ClusterID() == "" {
		if err := s.db.Wait(ctx, s.db.Applied()+1); err != nil {
			return fmt.Errorf("wait for a cluster: %w", err)
		}
	}
	return s.settled(ctx)
}

// caughtUp waits until this node has applied everything that was agreed on. One of several cannot
// tell without the others, and does not wait as long for them.
func (s *store) caughtUp(ctx context.Context) error {
	atMost := s.cfg.timing.catchUp
	if len(s.member.Load().servers()) > 1 {
		atMost = min(atMost, catchUpMember)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, atMost, errors.New("it takes too long"))
	defer cancel()
	if err := s.settled(ctx); err != nil {
		return fmt.Errorf("apply the log: %w", err)
	}
	return nil
}

// settled waits until this node has applied what was agreed on before it was opened.
func (s *store) settled(ctx context.Context) error {
	m := s.member.Load()
	if m.networked {
		return s.catchUp(ctx)
	}
	select {
	case <-m.ready:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for a leader: %w", context.Cause(ctx))
	}
}
