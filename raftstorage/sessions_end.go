package raftstorage

import (
	"context"
	"time"

	"github.com/dgate-io/caddy-dgate/internal/state"
)

// retire takes an idle session out of use.
func (l *locker) retire(s *session) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.users > 0 || len(s.doubtful) > 0 || time.Since(s.unused) < l.timing.idle {
		return false
	}
	if l.session == s {
		l.session = nil
	}
	return true
}

// free deletes a session and all its locks.
func (l *locker) free(ctx context.Context, s *session) error {
	defer s.end(ErrClosed)
	for {
		var ops []state.Op
		err := l.group.database().View(func(r *state.Reader) (err error) {
			ops, err = locksOf(r, map[string]bool{s.key.Name: true})
			return err
		})
		if err != nil {
			return err
		}
		ops = append(ops, state.Delete(s.key, state.Condition{Mode: state.AtVersion, Version: s.version}))
		_, err = l.group.change(ctx, ops...)
		if !outdated(err) {
			return err
		}
		if err := l.group.current(ctx); err != nil {
			return err
		}
		gone := true
		if err := l.group.database().View(func(r *state.Reader) error {
			_, found, err := r.Get(s.key)
			gone = !found
			return err
		}); err != nil || gone {
			return err
		}
	}
}

// yield ends the session, as closing does, but the locker can be used again.
func (l *locker) yield(ctx context.Context) {
	l.mu.Lock()
	s := l.session
	l.session = nil
	l.mu.Unlock()
	if s == nil || s.ctx.Err() != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, l.timing.close)
	defer cancel()
	_ = l.free(ctx, s) // otherwise the leader does it when it has not heard of this node for a while
}

// close ends the session, so that others can lock at once what this node had, if there is a leader.
func (l *locker) close() {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return
	}
	l.closed = true
	l.mu.Unlock()
	l.yield(l.ctx)
	l.cancel(ErrClosed)
	l.wg.Wait()
}
