package raftstorage

import (
	"context"
	"fmt"
	"sync"

	"github.com/hashicorp/raft"
)

// leadership is whether this node leads, for those who wait for it.
type leadership struct {
	mu      sync.Mutex
	leads   bool
	changed chan struct{} // closed and replaced at every change; nil when nobody waits
}

func (l *leadership) set(leads bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.leads = leads
	if l.changed != nil {
		close(l.changed)
		l.changed = nil
	}
}

// wait blocks until this node leads or ctx is done.
func (l *leadership) wait(ctx context.Context) error {
	for {
		l.mu.Lock()
		if l.leads {
			l.mu.Unlock()
			return nil
		}
		if l.changed == nil {
			l.changed = make(chan struct{})
		}
		changed := l.changed
		l.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("wait for a leader: %w", context.Cause(ctx))
		}
	}
}

// followLeadership drains the channel that raft blocks on when it is full: it only notes what it
// reads. The first time this node leads, raft gets its usual timeouts.
func (s *store) followLeadership(notify <-chan bool) {
	for {
		select {
		case leads := <-notify:
			if leads {
				s.upkeep.led.Store(true)
				s.wakeUpkeep()
			}
			s.leading.set(leads)
		case <-s.stop:
			return
		}
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
