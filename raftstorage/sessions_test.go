package raftstorage

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/dgate-io/caddy-dgate/internal/state"
)

// TestLockOfCrashedNode frees locks when their node is gone for the time of a session, and at
// once when it comes back.
func TestLockOfCrashedNode(t *testing.T) {
	t.Parallel()
	timing := quickLeases()
	g := newGround(t, timing)
	a, _ := g.node("a")
	b, _ := g.node("b")
	lost := mustLock(t, a, "x")
	killed := time.Now()
	kill(a)
	k := mustLock(t, b, "x")
	if waited := time.Since(killed); waited < timing.ttl/3 || waited > 3*timing.ttl {
		t.Errorf("the lock was free after %v; a session lasts %v", waited, timing.ttl)
	}
	if k.Token <= lost.Token {
		t.Errorf("token %d after %d", k.Token, lost.Token)
	}
	mustUnlock(t, lost)
	if o, err := g.apply(lost.Fence()); err == nil {
		t.Errorf("work under a lock that was lost: %+v", o)
	}
	if _, err := g.apply(k.Fence()); err != nil {
		t.Errorf("work under a lock that is held: %v", err)
	}

	g.leases.Load().mu.Lock()
	for name := range g.leases.Load().until {
		g.leases.Load().until[name] = time.Now().Add(time.Hour)
	}
	g.leases.Load().mu.Unlock()
	kill(b)
	again, _ := g.node("b")
	began := time.Now()
	mustLock(t, again, "another")
	if !tryLock(t, again, "x") || time.Since(began) > 5*time.Second {
		t.Error("a node that came back waits for its own lock")
	}
}

// TestLockIsLostFirst says that a node that reaches nobody takes its locks for lost before others
// get them.
func TestLockIsLostFirst(t *testing.T) {
	t.Parallel()
	g := newGround(t, quickLeases())
	a, side := g.node("a")
	b, _ := g.node("b")
	k := mustLock(t, a, "x")
	for end := time.Now().Add(2 * g.timing.ttl); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if k.Context().Err() != nil {
			t.Fatalf("lost while the leader is there: %v", context.Cause(k.Context()))
		}
	}
	side.cut.Store(true)
	got := make(chan *Lock)
	go func() { got <- mustLock(t, b, "x") }()
	select {
	case <-k.Context().Done():
		if cause := context.Cause(k.Context()); !errors.Is(cause, errSessionOverdue) {
			t.Errorf("lost because %v", cause)
		}
		mustUnlock(t, <-got)
	case <-got:
		t.Error("somebody else has the lock, and its holder does not know")
	}
	side.cut.Store(false)
	mustUnlock(t, mustLock(t, a, "x"))
}

// TestLockAfterNewLeader says that a change of leaders takes nobody's lock, and that a session which
// nobody knows is over.
func TestLockAfterNewLeader(t *testing.T) {
	t.Parallel()
	g := newGround(t, quickLeases())
	a, _ := g.node("a")
	k := mustLock(t, a, "x")
	for range 5 {
		g.term.Add(1)
		time.Sleep(g.timing.ttl / 4)
	}
	if k.Context().Err() != nil {
		t.Fatalf("a new leader took the lock: %v", context.Cause(k.Context()))
	}
	s := k.session
	if _, err := g.apply(state.Delete(lockKey("x"), state.Condition{}), state.Delete(s.key, state.Condition{})); err != nil {
		t.Fatal(err)
	}
	ended(t, k, 5*time.Second)
	if cause := context.Cause(k.Context()); !errors.Is(cause, errSessionGone) {
		t.Errorf("lost because %v", cause)
	}
	mustUnlock(t, mustLock(t, a, "x"))
}

// TestIdleSession is closed: a node that locks nothing tells nobody that it lives.
func TestIdleSession(t *testing.T) {
	t.Parallel()
	timing := quickLeases()
	timing.ttl, timing.idle = 90*time.Millisecond, 100*time.Millisecond
	timing.margin = 10 * time.Millisecond
	g := newGround(t, timing)
	a, side := g.node("a")
	mustUnlock(t, mustLock(t, a, "x"))
	sessions := func() (n int) {
		_ = g.db.View(func(r *state.Reader) error { n = r.Count(state.Session, "", ""); return nil })
		return n
	}
	waitFor(t, func() bool { return sessions() == 0 })
	calls := side.calls.Load()
	time.Sleep(2 * timing.ttl)
	if more := side.calls.Load(); more != calls {
		t.Errorf("%d calls without a lock", more-calls)
	}
	mustUnlock(t, mustLock(t, a, "x"))
}

// TestReclaim: a node that comes back frees what it had locked, also if it locks nothing itself, and
// also if it reaches the others a while later only.
func TestReclaim(t *testing.T) {
	t.Parallel()
	timing := quickLeases()
	timing.ttl = time.Hour
	g := newGround(t, timing)
	a, _ := g.node("a")
	b, _ := g.node("b")
	mustLock(t, a, "x")
	kept := mustLock(t, b, "y")
	kill(a)
	again, side := g.node("a")
	side.cut.Store(true)
	again.reclaim()
	side.cut.Store(false)
	mustLock(t, b, "x")
	if _, err := g.apply(kept.Fence()); err != nil {
		t.Errorf("the lock of another node: %v", err)
	}
}
