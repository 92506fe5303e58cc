package js

import (
	"context"
	"sync"
	"time"
)

// loop is what a call waits for: completions of Go work, and timers. It has no
// goroutine; it runs inside Start, Resume and Wait of the call.
type loop struct {
	mu    sync.Mutex
	queue []completion  // settled, to be run
	epoch uint64        // completions of other epochs are dropped
	wake  chan struct{} // cap 1: queue is no longer empty; made on first use

	// The rest belongs to the VM's goroutine.
	batch    []completion // taken from queue
	head     int          // of which so many have run
	pending  int          // reserved and not run yet
	reserved bool         // whether this call has reserved any
	timers   timers
}

type completion func()

// Pending reserves a completion: until settle is called, the running call
// counts as waiting. settle must be called exactly once, from any goroutine;
// fn then runs on the loop, where it may use the VM. If the call has ended by
// then, fn is dropped. Calling Pending outside of a call panics.
func (vm *VM) Pending() (settle func(fn func())) {
	if !vm.active {
		panic("js: Pending outside of a call")
	}
	l := &vm.loop
	if l.wake == nil {
		l.wake = make(chan struct{}, 1)
	}
	l.pending++
	l.reserved = true
	epoch := l.epoch // only changes on this goroutine
	return func(fn func()) {
		l.mu.Lock()
		current := epoch == l.epoch
		if current {
			l.queue = append(l.queue, fn)
		}
		l.mu.Unlock()
		if current {
			select {
			case l.wake <- struct{}{}:
			default:
			}
		}
	}
}

// next runs one completion or timer that is ready, and reports whether there was one.
func (l *loop) next(vm *VM) bool {
	if l.head == len(l.batch) && l.pending > 0 {
		l.mu.Lock()
		l.batch, l.queue = l.queue, l.batch[:0]
		l.mu.Unlock()
		l.head = 0
	}
	if l.head < len(l.batch) {
		fn := l.batch[l.head]
		l.batch[l.head] = nil
		l.head++
		l.pending--
		vm.complete(fn)
		return true
	}
	return l.timers.next(vm)
}

// ready reports whether next would find something.
func (l *loop) ready() bool {
	if l.head < len(l.batch) || l.timers.due() {
		return true
	}
	if l.pending == 0 {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.queue) > 0
}

// outstanding reports whether anything can still become ready.
func (l *loop) outstanding() bool { return l.pending > 0 || l.timers.len() > 0 }

// wait blocks until something has become ready or ctx is done.
func (l *loop) wait(ctx context.Context) {
	var due <-chan time.Time
	if l.timers.len() > 0 {
		due = l.timers.arm()
	}
	select {
	case <-l.wake:
	case <-due:
	case <-ctx.Done():
	}
}

// reset forgets everything at the end of a call.
func (l *loop) reset() {
	l.timers.reset()
	if !l.reserved {
		return // nothing can be on its way
	}
	l.mu.Lock()
	l.epoch++
	clear(l.queue)
	l.queue = l.queue[:0]
	l.mu.Unlock()
	select {
	case <-l.wake:
	default:
	}
	clear(l.batch)
	l.batch, l.head, l.pending, l.reserved = l.batch[:0], 0, 0, false
}
