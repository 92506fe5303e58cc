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
