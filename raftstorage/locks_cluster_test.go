package raftstorage

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dgate-io/caddy-dgate/internal/resource"
	"github.com/dgate-io/caddy-dgate/internal/state"
)

// lockable makes a cluster whose sessions end soon.
func lockable(t *testing.T, size int) (*cluster, leaseTiming) {
	t.Helper()
	timing := leaseTiming{
		ttl: 5 * time.Second, margin: 500 * time.Millisecond, idle: time.Minute, poll: 500 * time.Millisecond,
		tick: 50 * time.Millisecond, close: time.Second,
	}
	return newCluster(t, size, func(_ int, cfg *Config) { cfg.leases = &timing }), timing
}

func (c *cluster) lock(i int, name string) *Lock {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), 30*time.Second)
	defer cancel()
	k, err := c.nodes[i].Lock(ctx, name)
	if err != nil {
		c.t.Fatalf("node %d: %v", i, err)
	}
	return k
}

// free waits for a lock on a node and gives it back.
func (c *cluster) free(i int, name string, within time.Duration) {
	c.t.Helper()
	began := time.Now()
	mustUnlock(c.t, c.lock(i, name))
	if took := time.Since(began); took > within {
		c.t.Errorf("node %d got the lock %s after %v, and not within %v", i, name, took, within)
	}
}

// TestLocksInCluster has each way in which a node can lose a lock, and some in which it must not.
func TestLocksInCluster(t *testing.T) {
	t.Parallel()
	c, timing := lockable(t, 3)
	lead := c.leads()
	a, b := (lead+1)%3, (lead+2)%3

	k := c.lock(a, "x")
	if other, err := c.nodes[b].TryLock(t.Context(), "x"); other != nil || err != nil {
		t.Errorf("two nodes have it: %v, %v", other, err)
	}
	waiting := make(chan *Lock)
	go func() { waiting <- c.lock(b, "x") }()
	mustUnlock(t, k)
	began := time.Now()
	next := <-waiting
	if took := time.Since(began); took > time.Second || next.Token <= k.Token {
		t.Errorf("the next one got token %d after %d, after %v", next.Token, k.Token, took)
	}
	mustUnlock(t, next)

	// A node that stops gives its locks back at once.
	c.lock(a, "y")
	stop(t, c.nodes[a])
	c.free(b, "y", time.Second)
	c.open(a)
	c.settled(a)

	// A leader that is cut off costs nobody else a lock.
	lead = c.leads()
	a, b = (lead+1)%3, (lead+2)%3
	k = c.lock(a, "z")
	lost := c.lock(lead, "of the leader")
	c.isolate(lead, true)
	gained := c.lock(b, "of the leader")
	if lost.Context().Err() == nil || gained.Token <= lost.Token {
		t.Errorf("the leader that was cut off has its lock still (token %d, then %d)", lost.Token, gained.Token)
	}
	if k.Context().Err() != nil {
		t.Errorf("a change of leaders took the lock: %v", context.Cause(k.Context()))
	}
	if _, err := c.nodes[b].Propose(t.Context(), lost.Fence(), service("s", "http://lost")); resource.CodeOf(err) != resource.PreconditionFailed {
		t.Errorf("work under a lock that was lost: %v", err)
	}
	if _, err := c.nodes[b].Propose(t.Context(), gained.Fence(), service("s", "http://held")); err != nil {
		t.Errorf("work under a lock that is held: %v", err)
	}

	// A node that comes back does not wait for itself.
	crashed := lead
	c.isolate(crashed, false)
	c.settled(crashed)
	c.lock(crashed, "of a crashed node")
	c.isolate(crashed, true)
	stop(t, c.nodes[crashed])
	c.open(crashed)
	c.isolate(crashed, false)
	c.free(b, "of a crashed node", timing.ttl*2/3)
}

// TestLocksAreShared says that the node that is quickest does not get a lock each time.
func TestLocksAreShared(t *testing.T) {
	t.Parallel()
	timing := *defaultLeaseTiming()
	c := newCluster(t, 3, func(_ int, cfg *Config) { cfg.leases = &timing })
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	var turns [3]atomic.Int64
	var wg sync.WaitGroup
	for i, n := range c.nodes {
		for range 5 {
			wg.Go(func() {
				for ctx.Err() == nil {
					k, err := n.Lock(ctx, "x")
					if err != nil {
						return
					}
					turns[i].Add(1)
					mustUnlock(t, k)
				}
			})
		}
	}
	wg.Wait()
	least, all := turns[0].Load(), int64(0)
	for i := range turns {
		least, all = min(least, turns[i].Load()), all+turns[i].Load()
	}
	t.Logf("%d turns, %d at least", all, least)
	if least < all/20 || least == 0 {
		t.Errorf("of %d turns one node had %d", all, least)
	}
}

// TestLocksWithoutQuorum fail clearly, and after a short time.
func TestLocksWithoutQuorum(t *testing.T) {
	t.Parallel()
	c, timing := lockable(t, 2)
	a := c.follower()
	k := c.lock(a, "x")
	c.isolate(a, true)
	began := time.Now()
	_, err := c.nodes[a].Lock(t.Context(), "y")
	if code := resource.CodeOf(err); code != resource.NoLeader && code != resource.OutcomeUnknown || time.Since(began) > 15*time.Second {
		t.Errorf("lock, after %v: %v", time.Since(began), err)
	}
	ended(t, k, 2*timing.ttl)
	mustUnlock(t, k)
	if mine, err := c.nodes[a].Once(t.Context(), "job", "1"); mine || err == nil {
		t.Errorf("once: %t, %v", mine, err)
	}
	c.isolate(a, false)
	mustUnlock(t, c.lock(a, "x"))
}

// TestOnceInCluster asks all nodes for the same slots, while leaders change.
func TestOnceInCluster(t *testing.T) {
	t.Parallel()
	c, _ := lockable(t, 3)
	for slot := range 10 {
		var wg sync.WaitGroup
		var mu sync.Mutex
		done := 0
		for _, n := range c.nodes {
			for range 3 {
				wg.Go(func() {
					mine, err := n.Once(t.Context(), "job", fmt.Sprintf("%04d", slot))
					mu.Lock()
					defer mu.Unlock()
					if err != nil {
						t.Error(err)
					}
					if mine {
						done++
					}
				})
			}
		}
		if slot%4 == 3 {
			_ = c.raft(c.leads()).LeadershipTransfer().Error() // there may be none
		}
		wg.Wait()
		if done != 1 {
			t.Errorf("slot %d was done %d times", slot, done)
		}
	}
}

// TestLockTorture has callers on three nodes write under a lock, while nodes are cut off and leaders
// change. What was written is in the order of the tokens.
func TestLockTorture(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it takes a while")
	}
	c, timing := lockable(t, 3)
	type work struct{ token, index uint64 }
	var mu sync.Mutex
	var accepted []work
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
	defer cancel()
	var wg sync.WaitGroup
	for i, n := range c.nodes {
		for j := range 8 {
			wg.Go(func() {
				for round := 0; ctx.Err() == nil; round++ {
					k, err := n.Lock(ctx, "x")
					if err != nil {
						continue
					}
					for range 3 {
						o, err := n.Propose(ctx, k.Fence(), service("s", fmt.Sprintf("http://%d.%d.%d", i, j, rand.Uint32()))) //nolint:gosec // a test
						if err == nil {
							mu.Lock()
							accepted = append(accepted, work{k.Token, o.Index})
							mu.Unlock()
						}
					}
					_ = k.Unlock(ctx) // it may be lost
				}
			})
		}
	}
	for round := 0; ctx.Err() == nil; round++ {
		victim := rand.IntN(3) //nolint:gosec // a test
		if round%3 == 0 {
			_ = c.raft(c.leads()).LeadershipTransfer().Error() // there may be none
		}
		c.isolate(victim, true)
		sleep(ctx, time.Duration(rand.Int64N(int64(2*timing.ttl)))) //nolint:gosec // a test
		c.isolate(victim, false)
		sleep(ctx, 500*time.Millisecond)
	}
	wg.Wait()
	slices.SortFunc(accepted, func(a, b work) int { return cmp.Compare(a.index, b.index) })
	tokens := map[uint64]bool{}
	for i, w := range accepted {
		tokens[w.token] = true
		if i > 0 && w.token < accepted[i-1].token {
			t.Errorf("token %d was accepted at %d, after token %d", w.token, w.index, accepted[i-1].token)
		}
	}
	if len(tokens) < 10 {
		t.Errorf("%d callers had the lock", len(tokens))
	}
	t.Logf("%d writes by %d holders", len(accepted), len(tokens))
	for i := range c.nodes {
		c.settled(i)
		c.free(i, "x", timing.ttl+5*time.Second)
	}
	c.same()
	err := c.nodes[0].DB().View(func(r *state.Reader) error {
		if n := r.Count(state.Lock, "", ""); n > 0 {
			t.Errorf("%d locks are left behind", n)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
