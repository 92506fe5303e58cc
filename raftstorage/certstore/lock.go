package certstore

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/dgate-io/caddy-dgate/internal/resource"
	"github.com/dgate-io/caddy-dgate/raftstorage"
)

// LockPrefix is what the names of locks begin with that certmagic asks for.
const LockPrefix = "cert/"

// held are the locks that this node has, which are given back by name only.
type held struct {
	mu      sync.Mutex
	byName  map[string][]*raftstorage.Lock
	stuckAt time.Time // when one could last not be given back in time
}

// Lock implements [certmagic.Storage]. It waits for as long as ctx lasts until nobody else has the lock.
// Without a leader it fails after 5 s, but for the locks of orders: certmagic gives an order up for
// good when it does not get its lock, so these wait for a leader too. Other nodes can have the lock
// when this one is not heard of for 20 s.
func (s *Storage) Lock(ctx context.Context, name string) error {
	var k *raftstorage.Lock
	acquire := func() (err error) {
		k, err = s.node.Lock(ctx, LockPrefix+name)
		return err
	}
	try := acquire
	if strings.HasPrefix(name, "issue_cert_") {
		try = func() error { return patiently(ctx, acquire) }
	}
	if err := try(); err != nil {
		return ended(ctx, err)
	}
	s.locks.add(name, k)
	return nil
}

// TryLock implements [certmagic.TryLocker].
func (s *Storage) TryLock(ctx context.Context, name string) (bool, error) {
	k, err := s.node.TryLock(ctx, LockPrefix+name)
	if k == nil || err != nil {
		return false, ended(ctx, err)
	}
	s.locks.add(name, k)
	return true, nil
}

// Unlock implements [certmagic.Storage]. It is no error if the lock was lost meanwhile, or the store
// is closed, and takes at most 2 s: what cannot be given back by then is in the background. The next
// ones are not waited for then: at the end of a process there can be many of them.
func (s *Storage) Unlock(ctx context.Context, name string) error {
	k := s.locks.take(name)
	if k == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.locks.patience())
	defer cancel()
	err := k.Unlock(ctx)
	if err != nil {
		s.locks.mu.Lock()
		s.locks.stuckAt = time.Now()
		s.locks.mu.Unlock()
	}
	return err
}

// patience is how long one more lock may take to be given back.
func (h *held) patience() time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.stuckAt.IsZero() && time.Since(h.stuckAt) < recent {
		return unlockTimeout / 50
	}
	return unlockTimeout
}

// RenewLockLease implements [certmagic.LockLeaseRenewer]. Locks last for as long as the node that has
// them is there, so there is nothing to renew. One that was lost is acquired again: certmagic asks
// before each attempt of an order, and looks then whether somebody else has finished it.
func (s *Storage) RenewLockLease(ctx context.Context, name string, _ time.Duration) error {
	lost, live := s.locks.state(name)
	switch {
	case live:
		return nil
	case lost == nil:
		return &resource.Error{Code: resource.Conflict, Message: fmt.Sprintf("the lock %s is not held", name)}
	}
	k, err := s.node.Lock(ctx, LockPrefix+name)
	if err != nil {
		return ended(ctx, err)
	}
	s.locks.replace(name, lost, k)
	return nil
}

// state tells whether a lock is held, and which one is not any more.
func (h *held) state(name string) (lost *raftstorage.Lock, live bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, k := range h.byName[name] {
		if k.Context().Err() == nil {
			return nil, true
		}
		lost = k
	}
	return lost, false
}

// replace puts a lock in the place of one that was lost.
func (h *held) replace(name string, lost, k *raftstorage.Lock) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if i := slices.Index(h.byName[name], lost); i >= 0 {
		h.byName[name][i] = k
		return
	}
	if h.byName == nil {
		h.byName = map[string][]*raftstorage.Lock{}
	}
	h.byName[name] = append(h.byName[name], k)
}

func (h *held) add(name string, k *raftstorage.Lock) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.byName == nil {
		h.byName = map[string][]*raftstorage.Lock{}
	}
	h.byName[name] = append(h.byName[name], k)
}

// take finds the lock that is given back. If one was lost and somebody else on this node has got it
// since, the lost one goes first: both callers will come.
func (h *held) take(name string) *raftstorage.Lock {
	h.mu.Lock()
	defer h.mu.Unlock()
	locks := h.byName[name]
	if len(locks) == 0 {
		return nil
	}
	k := locks[0]
	if locks = slices.Delete(locks, 0, 1); len(locks) == 0 {
		delete(h.byName, name)
	} else {
		h.byName[name] = locks
	}
	return k
}
