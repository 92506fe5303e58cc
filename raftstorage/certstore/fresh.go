package certstore

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// freshness makes sure that what is not here is nowhere, where that matters. Those who ask at the
// same time share the answer, so that requests of strangers for challenges cannot keep a leader busy.
type freshness struct {
	barrier func(ctx context.Context) error
	written atomic.Int64 // when this node last wrote, in nanoseconds since it was first asked
	began   sync.Once
	start   time.Time

	mu      sync.Mutex
	running *asking // began before whoever comes now
	next    *asking // begins when that is over
}

// asking is one barrier.
type asking struct {
	done chan struct{}
	err  error
}

func (f *freshness) now() int64 {
	f.began.Do(func() { f.start = time.Now().Add(-time.Hour) })
	return int64(time.Since(f.start))
}

// wrote notes that this node writes something. Others may do the same.
func (f *freshness) wrote() { f.written.Store(f.now()) }

// check returns true if something that was not here may be here now.
func (f *freshness) check(ctx context.Context, name string) bool {
	if !isChallenge(name) && f.now()-f.written.Load() > int64(recent) {
		return false
	}
	f.mu.Lock()
	var mine *asking
	switch {
	case f.running == nil:
		mine = &asking{done: make(chan struct{})}
		f.running = mine
		go f.ask(mine)
	case f.next == nil:
		f.next = &asking{done: make(chan struct{})}
		mine = f.next
	default:
		mine = f.next
	}
	f.mu.Unlock()
	select {
	case <-mine.done:
		return mine.err == nil
	case <-ctx.Done():
		return false
	}
}

// ask asks, and goes on for those who have come meanwhile. It ends when there are none.
func (f *freshness) ask(a *asking) {
	for a != nil {
		ctx, cancel := context.WithTimeout(context.Background(), checkTimeout)
		a.err = f.barrier(ctx)
		cancel()
		f.mu.Lock()
		close(a.done)
		a = f.next
		f.running, f.next = a, nil
		f.mu.Unlock()
	}
}
