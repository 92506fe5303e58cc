package state

import (
	"context"
	"sync"

	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// Change says that the entry Index changed the resources Keys.
type Change struct {
	Index uint64
	Keys  []resource.Key
}

// feedSize is how many changes are kept for slow subscribers.
const feedSize = 4096

// feed is a ring of the last changes. Subscribers read it at their own pace; one that falls
// behind by more than the ring is told to read everything again.
type feed struct {
	mu         sync.Mutex
	ring       [feedSize]Change
	next       uint64        // how many changes were ever published
	floor      uint64        // all changes with a higher index were published, since the last reset
	generation uint64        // counts resets
	wake       chan struct{} // closed and replaced when there is something new
	closed     bool
}

func (f *feed) publish(changes []Change) {
	if len(changes) == 0 {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range changes {
		f.ring[f.next%feedSize] = c
		f.next++
	}
	f.signal()
}

// reset forgets all changes: the state at index is a new one.
func (f *feed) reset(index uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ring = [feedSize]Change{}
	f.floor = index
	f.next += feedSize // nobody is up to date
	f.generation++
	f.signal()
}

func (f *feed) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.closed {
		f.closed = true
		f.signal()
	}
}

// signal wakes the subscribers; the caller holds mu.
func (f *feed) signal() {
	if f.wake != nil {
		close(f.wake)
		f.wake = nil
	}
}

// Subscription reads changes in order. It holds no resources and needs no closing. It is for one
// goroutine.
type Subscription struct {
	feed       *feed
	position   uint64 // the next change to read, as counted by feed.next
	generation uint64
	resync     bool
}

// Subscribe follows the changes after index from: the index of the view that the subscriber has
// read, see [Reader.Index].
func (db *DB) Subscribe(from uint64) *Subscription {
	f := &db.feed
	f.mu.Lock()
	defer f.mu.Unlock()
	s := &Subscription{feed: f, position: f.next, generation: f.generation}
	if from < f.floor {
		s.resync = true
		return s
	}
	kept := min(f.next, feedSize)
	for s.position > f.next-kept {
		c := f.ring[(s.position-1)%feedSize]
		if c.Keys == nil || c.Index <= from {
			return s
		}
		s.position--
	}
	// Older changes are gone; they are missed unless from is at or after them.
	s.resync = s.position > 0 && f.next > feedSize
	return s
}

// Next waits for changes and returns all there are, oldest first. With resync true, changes were
// missed and there are none in the answer: read everything again, in a view opened after Next
// returned. Errors are that of ctx and [ErrClosed].
func (s *Subscription) Next(ctx context.Context) (changes []Change, resync bool, err error) {
	f := s.feed
	for {
		f.mu.Lock()
		switch {
		case f.closed:
			f.mu.Unlock()
			return nil, false, ErrClosed
		case s.resync || s.generation != f.generation || s.position+feedSize < f.next:
			s.resync, s.generation, s.position = false, f.generation, f.next
			f.mu.Unlock()
			return nil, true, nil
		case s.position < f.next:
			for ; s.position < f.next; s.position++ {
				changes = append(changes, f.ring[s.position%feedSize])
			}
			f.mu.Unlock()
			return changes, false, nil
		}
		if f.wake == nil {
			f.wake = make(chan struct{})
		}
		wake := f.wake
		f.mu.Unlock()
		select {
		case <-wake:
		case <-ctx.Done():
			return nil, false, context.Cause(ctx)
		}
	}
}
