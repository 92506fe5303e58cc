package raftstorage

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dgate-io/caddy-dgate/internal/resource"
	"github.com/dgate-io/caddy-dgate/internal/state"
)

// TestLockExcludes has callers on three nodes count under a lock.
func TestLockExcludes(t *testing.T) {
	t.Parallel()
	g := newGround(t, quickLeases())
	g.hours.Store(24) // wall clocks mean nothing
	var inside, most, total atomic.Int64
	var tokens sync.Map
	var wg sync.WaitGroup
	for _, server := range []string{"a", "b", "c"} {
		l, _ := g.node(server)
		for range 4 {
			wg.Go(func() {
				for range 5 {
					k := mustLock(t, l, "x")
					if n := inside.Add(1); n > most.Load() {
						most.Store(n)
					}
					if _, twice := tokens.LoadOrStore(k.Token, true); twice {
						t.Errorf("token %d was given twice", k.Token)
					}
					total.Add(1)
					inside.Add(-1)
					mustUnlock(t, k)
				}
			})
		}
	}
	wg.Wait()
	if most.Load() != 1 || total.Load() != 60 {
		t.Errorf("%d at once, %d in all", most.Load(), total.Load())
	}
}

// TestLockOrder says that one node serves its callers in the order of their calls.
func TestLockOrder(t *testing.T) {
	t.Parallel()
	l, _ := newGround(t, quickLeases()).node("a")
	first := mustLock(t, l, "x")
	const callers = 8
	order := make(chan int, callers)
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			k := mustLock(t, l, "x")
			order <- i
			mustUnlock(t, k)
		})
		waitFor(t, func() bool {
			l.mu.Lock()
			defer l.mu.Unlock()
			return len(l.queues["x"]) == i+2
		})
	}
	mustUnlock(t, first)
	wg.Wait()
	for i := range callers {
		if got := <-order; got != i {
			t.Fatalf("caller %d came at place %d", got, i)
		}
	}
}

func waitFor(t testing.TB, condition func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !condition(); {
		if time.Now().After(end) {
			t.Fatal("it does not come to that")
		}
		time.Sleep(time.Millisecond)
	}
}

func TestTryLock(t *testing.T) {
	t.Parallel()
	g := newGround(t, quickLeases())
	a, _ := g.node("a")
	b, _ := g.node("b")
	k := mustLock(t, a, "x")
	if tryLock(t, a, "x") || tryLock(t, b, "x") {
		t.Error("a lock that is held was given to another caller")
	}
	if !tryLock(t, b, "y") {
		t.Error("another lock is not free")
	}
	mustUnlock(t, k)
	if !tryLock(t, a, "x") || !tryLock(t, b, "x") {
		t.Error("the lock is not free after it was given back")
	}
	mustUnlock(t, k) // again
	if k.Context().Err() == nil {
		t.Error("the context of a lock that was given back goes on")
	}
}

// TestLockGivesUp ends the context of those who wait.
func TestLockGivesUp(t *testing.T) {
	t.Parallel()
	g := newGround(t, quickLeases())
	a, _ := g.node("a")
	b, _ := g.node("b")
	k := mustLock(t, a, "x")
	for name, l := range map[string]*locker{"same node": a, "other node": b} {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		if _, err := l.lock(ctx, "x", true); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v", name, err)
		}
		cancel()
	}
	mustUnlock(t, k)
	if !tryLock(t, b, "x") || !tryLock(t, a, "x") {
		t.Error("who has given up is in the way")
	}
}

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

// TestLockWithLostAnswers never learns whether it got the lock, and does not keep it.
func TestLockWithLostAnswers(t *testing.T) {
	t.Parallel()
	g := newGround(t, quickLeases())
	a, side := g.node("a")
	b, _ := g.node("b")
	mustUnlock(t, mustLock(t, a, "first"))
	side.forget.Store(true)
	if _, err := a.lock(t.Context(), "x", true); resource.CodeOf(err) != resource.OutcomeUnknown {
		t.Fatalf("the answer was lost: %v", err)
	}
	side.forget.Store(false)
	mustUnlock(t, mustLock(t, b, "x"))

	k := mustLock(t, a, "y")
	side.cut.Store(true)
	if err := k.Unlock(t.Context()); resource.CodeOf(err) != resource.NoLeader {
		t.Errorf("unlock without a leader: %v", err)
	}
	mustUnlock(t, k)
	side.cut.Store(false)
	mustUnlock(t, mustLock(t, b, "y"))
}

// TestLockThatComesTooLate is given back if nobody waits for it any more.
func TestLockThatComesTooLate(t *testing.T) {
	t.Parallel()
	g := newGround(t, quickLeases())
	a, side := g.node("a")
	b, _ := g.node("b")
	mustUnlock(t, mustLock(t, a, "first"))
	side.holding = make(chan struct{})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := a.lock(ctx, "x", true); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	close(side.holding)
	waitFor(t, func() bool { return tryLock(t, b, "x") })
	if !tryLock(t, a, "x") {
		t.Error("not free")
	}
}

// TestLockerCloses gives everything back at once, and answers afterwards.
func TestLockerCloses(t *testing.T) {
	t.Parallel()
	timing := quickLeases()
	timing.ttl = time.Hour
	g := newGround(t, timing)
	a, _ := g.node("a")
	b, _ := g.node("b")
	k := mustLock(t, a, "x")
	waiting := make(chan error)
	go func() {
		_, err := a.lock(t.Context(), "x", true)
		waiting <- err
	}()
	a.close()
	if err := <-waiting; !errors.Is(err, ErrClosed) {
		t.Errorf("who waits: %v", err)
	}
	if !tryLock(t, b, "x") {
		t.Error("the lock is not free")
	}
	mustUnlock(t, k)
	if !errors.Is(context.Cause(k.Context()), ErrClosed) {
		t.Errorf("lost because %v", context.Cause(k.Context()))
	}
	if _, err := a.lock(t.Context(), "x", true); !errors.Is(err, ErrClosed) {
		t.Errorf("lock: %v", err)
	}
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

func TestLockNames(t *testing.T) {
	t.Parallel()
	l, _ := newGround(t, quickLeases()).node("a")
	for what, name := range map[string]string{"empty": "", "long": strings.Repeat("x", maxLockName+1), "zero byte": "a\x00b"} {
		if _, err := l.lock(t.Context(), name, true); resource.CodeOf(err) != resource.BadRequest {
			t.Errorf("%s: %v", what, err)
		}
	}
	for _, name := range []string{"issue_cert_*.example.com", "ünïcode", "a/b/../c", strings.Repeat("x", maxLockName)} {
		mustUnlock(t, mustLock(t, l, name))
	}
}

// TestOnce has several nodes ask for the same slots.
func TestOnce(t *testing.T) {
	t.Parallel()
	g := newGround(t, quickLeases())
	var done [3]atomic.Int64
	slots := []string{"2026-01-01T00:00:00Z", "2026-01-01T00:05:00Z", "2026-01-01T00:10:00Z"}
	for i, slot := range slots {
		var wg sync.WaitGroup
		for _, server := range []string{"a", "b", "c"} {
			l, side := g.node(server)
			side.forget.Store(server == "b")
			for range 5 {
				wg.Go(func() {
					mine, err := l.once(t.Context(), "clean", slot)
					if err != nil {
						t.Error(err)
					}
					if mine {
						done[i].Add(1)
					}
				})
			}
		}
		wg.Wait()
	}
	l, _ := g.node("late")
	for i, slot := range slots {
		if n := done[i].Load(); n != 1 {
			t.Errorf("slot %s was done %d times", slot, n)
		}
		if mine, err := l.once(t.Context(), "clean", slot); mine || err != nil {
			t.Errorf("slot %s again: %t, %v", slot, mine, err)
		}
	}
	if mine, err := l.once(t.Context(), "other", slots[0]); !mine || err != nil {
		t.Errorf("another job: %t, %v", mine, err)
	}
}

// TestNodeLocks does all of it on a node, which is restarted.
func TestNodeLocks(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	n := New(logged(t, Config{Dir: dir}))
	if err := n.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	k, err := n.Lock(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	if other, err := n.TryLock(t.Context(), "x"); other != nil || err != nil {
		t.Errorf("%v, %v", other, err)
	}
	if mine, err := n.Once(t.Context(), "job", "1"); !mine || err != nil {
		t.Errorf("once: %t, %v", mine, err)
	}
	write(t, n, k.Fence(), service("a", "http://a"))
	began := time.Now()
	stop(t, n)
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("closing took %v", took)
	}
	if err := k.Unlock(t.Context()); err != nil {
		t.Errorf("unlock after close: %v", err)
	}
	again := start(t, Config{Dir: dir})
	if k, err = again.TryLock(t.Context(), "x"); k == nil || err != nil {
		t.Errorf("after a restart: %v, %v", k, err)
	}
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
