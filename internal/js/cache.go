package js

import (
	"context"
	"sync"
)

// maxPrograms is how many compiled programs are remembered. Those in use stay
// alive in their pools whatever happens here.
const maxPrograms = 256

// programCache remembers programs by content and sees to it that one is not
// compiled twice at a time.
type programCache struct {
	mu      sync.Mutex
	entries map[[32]byte]*cached
	order   [][32]byte // the oldest first
}

type cached struct {
	ready chan struct{} // closed when prog and err are set
	prog  *Program
	err   error
}

// get returns the program under key, or what make returns. Failures are not
// remembered.
func (c *programCache) get(ctx context.Context, key [32]byte, make func() (*Program, error)) (*Program, error) {
	for {
		c.mu.Lock()
		if hit := c.entries[key]; hit != nil {
			c.mu.Unlock()
			select {
			case <-hit.ready:
			case <-ctx.Done():
				return nil, contextError(ctx)
			}
			if hit.err == nil {
				return hit.prog, nil
			}
			if KindOf(hit.err) != Cancelled {
				return nil, hit.err
			}
			continue // its caller has gone, we have not
		}
		mine := c.add(key)
		c.mu.Unlock()
		mine.prog, mine.err = make()
		if mine.err != nil {
			c.remove(key)
		}
		close(mine.ready)
		return mine.prog, mine.err
	}
}

// add makes an entry, and drops the oldest if there are too many. c.mu is held.
func (c *programCache) add(key [32]byte) *cached {
	if c.entries == nil {
		c.entries = map[[32]byte]*cached{}
	}
	if len(c.order) >= maxPrograms {
		delete(c.entries, c.order[0])
		c.order = c.order[1:]
	}
	e := &cached{ready: make(chan struct{})}
	c.entries[key] = e
	c.order = append(c.order, key)
	return e
}

func (c *programCache) remove(key [32]byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.entries, key)
	for i, k := range c.order {
		if k == key {
			c.order = append(c.order[:i], c.order[i+1:]...)
			return
		}
	}
}
