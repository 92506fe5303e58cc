// Package changetest has a store for tests of what writes resources. It applies changes to a real
// state at once; it has no log, agrees with nobody, and keeps nothing after the test.
package changetest

import (
	"context"
	"crypto/rand"
	"sync"
	"testing"
	"time"

	"github.com/dgate-io/caddy-dgate/internal/change"
	"github.com/dgate-io/caddy-dgate/internal/resource"
	"github.com/dgate-io/caddy-dgate/internal/state"
)

// Store is a [change.Store] without raft.
type Store struct {
	db *state.DB

	mu    sync.Mutex
	index uint64
}

// New makes a store with the namespace default in it, closed at the end of the test.
func New(tb testing.TB) *Store {
	tb.Helper()
	db, err := state.Open(tb.TempDir(), state.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = db.Close() })
	s := &Store{db: db}
	op, err := state.Put(&resource.Namespace{Name: resource.DefaultNamespace, Tags: []string{"default"}}, state.Condition{})
	if err != nil {
		tb.Fatal(err)
	}
	if out, err := s.Propose(tb.Context(), op); err != nil || out.Err != nil {
		tb.Fatal(err, out.Err)
	}
	return s
}

// Propose implements [change.Store].
func (s *Store) Propose(_ context.Context, ops ...state.Op) (state.Outcome, error) {
	outcome := s.Apply(state.Command{Ops: ops})
	return outcome, nil
}

// Apply applies a command, which gets an id and a time.
func (s *Store) Apply(cmd state.Command) (outcome state.Outcome) {
	cmd.Time = time.Now()
	_, _ = rand.Read(cmd.ID[:]) // it never fails
	data, err := cmd.Encode()
	if err != nil {
		return state.Outcome{Err: err}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, part := range state.Split(data) {
		s.index++
		outcome = s.db.Apply([]state.Entry{{Index: s.index, Term: 1, Data: part}})[0]
	}
	return outcome
}

// DB implements [change.Store].
func (s *Store) DB() *state.DB { return s.db }

var _ change.Store = (*Store)(nil)
