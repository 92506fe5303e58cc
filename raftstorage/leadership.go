package raftstorage

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

// leader is who leads, as far as this node knows. The zero value is nobody.
type leader struct {
	self    bool
	term    uint64 // if it is this node
	id      raft.ServerID
	address string // where it can be called; "" if it is this node
}

func (l leader) known() bool { return l.self || l.id != "" }

// leadership is who leads, for those who wait for it.
type leadership struct {
	mu      sync.Mutex
	now     leader
	changed chan struct{} // closed and replaced at every change; nil when nobody waits
	ended   bool
}

// end ends all waiting for a leader: this node is being closed.
func (l *leadership) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	if l.changed != nil {
		close(l.changed)
		l.changed = nil
	}
}

func (l *leadership) hasEnded() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ended
}

func (l *leadership) set(now leader) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now == l.now {
		return
	}
	l.now = now
	if l.changed != nil {
		close(l.changed)
		l.changed = nil
	}
}

// get is who leads now, and what is closed when that changes.
func (l *leadership) get() (leader, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.changed == nil {
		l.changed = make(chan struct{})
	}
	return l.now, l.changed
}

// wait blocks until somebody leads, ctx is done or this node is closed.
func (l *leadership) wait(ctx context.Context) (leader, error) {
	for {
		now, changed := l.get()
		if now.known() {
			return now, nil
		}
		if l.hasEnded() {
			return leader{}, ErrClosed
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return leader{}, fmt.Errorf("wait for a leader: %w", context.Cause(ctx))
		}
	}
}

// errDeposed is why a call ends that was made to a leader of whom nobody hears any more.
var errDeposed = errors.New("it leads no more")

// reign is ctx for as long as the same server leads, as far as this node knows. Who is cut off from
// its leader would otherwise wait for an answer long after there is another one.
func (l *leadership) reign(ctx context.Context, of leader) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	now, changed := l.get()
	if now != of {
		cancel(errDeposed)
	}
	go func() {
		select {
		case <-changed:
			cancel(errDeposed)
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(nil) }
}

// other gives another leader than the one that did not help some time to appear.
func (l *leadership) other(ctx context.Context, than leader, atMost time.Duration) {
	now, changed := l.get()
	if now != than {
		return
	}
	timer := time.NewTimer(atMost)
	defer timer.Stop()
	select {
	case <-changed:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// Role says what a node is in its group.
type Role string

// The roles of nodes.
const (
	Leader    Role = "leader"
	Follower  Role = "follower"
	Candidate Role = "candidate"
)

func roleOf(state raft.RaftState) Role {
	switch state {
	case raft.Leader:
		return Leader
	case raft.Candidate:
		return Candidate
	default:
		return Follower
	}
}
