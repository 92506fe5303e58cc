package handlers

import (
	"context"
	"sync"
)

// uses counts the requests that use something, so that it can be let go while they go on. Its
// background work stops when it is gone and all requests have an answer, so that none can be tried
// again; and it is closed when the last one has ended, which for a WebSocket may be much later.
type uses struct {
	stop  func() // ends what runs in the background
	close func() // releases what requests use
	early bool   // close with stop: what is open then is not cut at once

	mu      sync.Mutex
	gone    bool
	stopped bool
	closed  bool
	waiting int // requests without an answer
	open    int // requests that have not ended
}

// use is one request.
type use struct {
	of       *uses
	answered bool
}

// useKey is where the context of a request has its use.
type useKey struct{}

// enter begins a request.
func (u *uses) enter() *use {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.waiting++
	u.open++
	return &use{of: u}
}

// answer notes that a request has an answer: it is not tried again.
func answered(ctx context.Context) {
	if u, ok := ctx.Value(useKey{}).(*use); ok {
		u.of.mu.Lock()
		defer u.of.mu.Unlock()
		u.answer()
	}
}

func (u *use) answer() {
	if !u.answered {
		u.answered = true
		u.of.waiting--
		u.of.settle()
	}
}

// leave ends a request.
func (u *use) leave() {
	u.of.mu.Lock()
	defer u.of.mu.Unlock()
	u.of.open--
	u.answer()
	u.of.settle()
}

// drop lets it go.
func (u *uses) drop() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.gone = true
	u.settle()
}

// settle does what is due. mu is held.
func (u *uses) settle() {
	if !u.gone || u.waiting > 0 {
		return
	}
	if !u.stopped {
		u.stopped = true
		u.stop()
	}
	if !u.closed && (u.open == 0 || u.early) {
		u.closed = true
		u.close()
	}
}
