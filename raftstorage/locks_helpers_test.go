package raftstorage

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dgate-io/caddy-dgate/internal/resource"
	"github.com/dgate-io/caddy-dgate/internal/state"
)

// quickLeases are spans that let tests see sessions end.
func quickLeases() leaseTiming {
	return leaseTiming{
		ttl: 600 * time.Millisecond, margin: 150 * time.Millisecond, idle: time.Minute, poll: 200 * time.Millisecond,
		tick: 20 * time.Millisecond, close: time.Second,
	}
}

// ground is one agreed state, for several lockers that stand for nodes.
type ground struct {
	t      testing.TB
	db     *state.DB
	leases atomic.Pointer[leases]
	timing leaseTiming

	mu    sync.Mutex
	index uint64
	term  atomic.Uint64
	hours atomic.Int64 // what the wall clocks of proposers are off by, another way for each command
}

func newGround(t testing.TB, timing leaseTiming) *ground {
	t.Helper()
	db, err := state.Open(t.TempDir(), state.Options{})
	if err != nil {
		t.Fatal(err)
	}
	g := &ground{t: t, db: db, timing: timing}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	g.term.Store(1)
	watching := newLeases(&side{ground: g}, timing)
	g.leases.Store(watching)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		watching.watch(stop)
	}()
	t.Cleanup(func() { close(stop); <-stopped })
	return g
}

func (g *ground) apply(ops ...state.Op) (state.Outcome, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.index++
	cmd := state.Command{Time: time.Now().Add(time.Duration(g.hours.Load()) * time.Hour), Ops: ops}
	g.hours.Store(-g.hours.Load())
	data, err := cmd.Encode()
	if err != nil {
		return state.Outcome{}, err
	}
	o := g.db.Apply([]state.Entry{{Index: g.index, Term: 1, Data: data}})[0]
	return o, o.Err
}

// side is how one node sees the ground.
type side struct {
	*ground
	cut     atomic.Bool   // it reaches nobody
	forget  atomic.Bool   // changes happen, and their answers are lost
	holding chan struct{} // if not nil, changes wait for it
	calls   atomic.Int64  // keepalives
}

func (s *side) change(ctx context.Context, ops ...state.Op) (state.Outcome, error) {
	if s.cut.Load() {
		return state.Outcome{}, resource.Errorf(resource.NoLeader, "cut off")
	}
	if s.holding != nil {
		select {
		case <-s.holding:
		case <-ctx.Done():
			return state.Outcome{}, resource.Errorf(resource.NoLeader, "given up")
		}
	}
	o, err := s.apply(ops...)
	if s.forget.Load() {
		return state.Outcome{}, resource.Errorf(resource.OutcomeUnknown, "lost")
	}
	return o, err
}

func (s *side) current(context.Context) error {
	if s.cut.Load() {
		return resource.Errorf(resource.NoLeader, "cut off")
	}
	return nil
}

func (s *side) database() *state.DB { return s.db }

func (s *side) keepAlive(ctx context.Context, session string) error {
	s.calls.Add(1)
	if s.cut.Load() {
		return resource.Errorf(resource.NoLeader, "cut off")
	}
	return s.leases.Load().renew(ctx, session)
}

func (s *side) leading() (uint64, bool)      { return s.term.Load(), true }
func (s *side) verify(context.Context) error { return nil }
func (s *side) decree(_ context.Context, ops ...state.Op) error {
	_, err := s.apply(ops...)
	return err
}

// node makes a locker for a server.
func (g *ground) node(server string) (*locker, *side) {
	s := &side{ground: g}
	l := newLocker(s, func() string { return server }, g.timing)
	g.t.Cleanup(l.close)
	return l, s
}

// kill ends a locker as a crash does: nothing is given back.
func kill(l *locker) {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.cancel(ErrClosed)
	l.wg.Wait()
}

func mustLock(t testing.TB, l *locker, name string) *Lock {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	k, err := l.lock(ctx, name, true)
	if err != nil {
		t.Fatalf("lock %s: %v", name, err)
	}
	return k
}

func mustUnlock(t testing.TB, k *Lock) {
	t.Helper()
	if err := k.Unlock(t.Context()); err != nil {
		t.Fatalf("unlock %s: %v", k.Name, err)
	}
}

// tryLock tells whether a lock is free, and leaves it so.
func tryLock(t testing.TB, l *locker, name string) bool {
	t.Helper()
	k, err := l.lock(t.Context(), name, false)
	if err != nil {
		t.Fatalf("try %s: %v", name, err)
	}
	if k == nil {
		return false
	}
	mustUnlock(t, k)
	return true
}

// ended waits for a lock to be lost.
func ended(t testing.TB, k *Lock, atMost time.Duration) {
	t.Helper()
	select {
	case <-k.Context().Done():
	case <-time.After(atMost):
		t.Fatalf("the lock %s is not lost after %v", k.Name, atMost)
	}
}
