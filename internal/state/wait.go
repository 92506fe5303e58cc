package state

import (
	"context"
	"fmt"
	"slices"
	"sync"
)

// waiters are those who wait for an index to be applied.
type waiters struct {
	mu      sync.Mutex
	applied uint64
	waiting []*waiter
	closed  bool
}

type waiter struct {
	index uint64
	ready chan struct{}
}

// reached wakes those whose index is applied.
func (w *waiters) reached(index uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.applied = index
	w.waiting = slices.DeleteFunc(w.waiting, func(one *waiter) bool {
		if one.index <= index {
			close(one.ready)
		}
		return one.index <= index
	})
}

// close wakes everybody.
func (w *waiters) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	for _, one := range w.waiting {
		close(one.ready)
	}
	w.waiting = nil
}

// Wait blocks until index is applied on this node, ctx is done (its cause is returned), or the
// state is closed ([ErrClosed]). Wait for indexes that a command was applied at: those of raft's
// own entries may never be reported.
func (db *DB) Wait(ctx context.Context, index uint64) error {
	w := &db.waiters
	w.mu.Lock()
	if w.closed {
		w.mu.Unlock()
		return ErrClosed
	}
	if w.applied >= index {
		w.mu.Unlock()
		return nil
	}
	one := &waiter{index: index, ready: make(chan struct{})}
	w.waiting = append(w.waiting, one)
	w.mu.Unlock()
	select {
	case <-one.ready:
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.closed {
			return ErrClosed
		}
		return nil
	case <-ctx.Done():
		w.mu.Lock()
		defer w.mu.Unlock()
		w.waiting = slices.DeleteFunc(w.waiting, func(other *waiter) bool { return other == one })
		return fmt.Errorf("wait for index %d: %w", index, context.Cause(ctx))
	}
}
