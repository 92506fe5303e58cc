package raftstorage

import (
	"context"
	"testing"
	"time"

	"github.com/hashicorp/raft"
)

// quickEnd runs f with a context of a moment, which must be the end of it.
func quickEnd(t *testing.T, what string, f func(ctx context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- f(ctx) }()
	select {
	case err := <-done:
		if err == nil {
			t.Errorf("%s: there is nobody to ask, and it says nothing", what)
		}
	case <-time.After(10 * time.Second):
		t.Errorf("%s goes on after its context", what)
	}
}

// A leader that is known and cannot be asked is not asked for ever.
func TestAskingALeaderEnds(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3)
	l := c.leads()
	m := c.nodes[l].store.member.Load()
	m.settled.Store(0) // as while its state is busy with what was agreed on before
	quickEnd(t, "transfer", func(ctx context.Context) error { return c.nodes[l].Transfer(ctx, "") })
	m.settled.Store(m.raft.CurrentTerm())
	// Its heartbeats arrive, and it cannot be dialled.
	s := c.nodes[(l+1)%3].store
	id := raft.ServerID(c.nodes[l].Status().ID)
	s.addresses.set(id, raft.ServerAddress(freeAddress(t)))
	quickEnd(t, "barrier", c.nodes[(l+1)%3].Barrier)
	stop(t, c.nodes[(l+1)%3]) // which asks it as well
}
