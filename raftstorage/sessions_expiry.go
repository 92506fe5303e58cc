package raftstorage

import (
	"context"
	"sync"
	"time"

	"github.com/dgate-io/caddy-dgate/internal/resource"
	"github.com/dgate-io/caddy-dgate/internal/state"
)

// leaseGroup is what the leader needs of the store to watch over sessions.
type leaseGroup interface {
	// leading gives raft's term; false if this node does not lead.
	leading() (term uint64, leads bool)
	// verify returns when most voters have confirmed that this node leads.
	verify(ctx context.Context) error
	// current returns when everything that was agreed on before is applied here.
	current(ctx context.Context) error
	database() *state.DB
	// decree has ops applied if this node still leads. It does not try again, and does not ask
	// another node to: that one may have heard of a session that this one has not.
	decree(ctx context.Context, ops ...state.Op) error
}

// leases is when sessions end that are not heard of, as long as this node leads. It is kept in memory:
// the next leader gives each session its full time again.
type leases struct {
	group  leaseGroup
	timing leaseTiming

	mu      sync.Mutex
	term    uint64 // of what follows
	applied bool   // whether everything from before the term is applied here
	until   map[string]time.Time
	doomed  map[string]bool // sessions that are being ended, and cannot be kept alive any more
}

func newLeases(group leaseGroup, timing leaseTiming) *leases {
	return &leases{group: group, timing: timing, until: map[string]time.Time{}, doomed: map[string]bool{}}
}

func notLeading() error {
	return resource.Errorf(resource.NoLeader, "this node does not lead")
}

// enter begins anew in each term. The caller holds mu.
func (l *leases) enter(term uint64) {
	if l.term != term {
		l.term, l.applied = term, false
		clear(l.until)
		clear(l.doomed)
	}
}

// renew gives a session its full time. The error has the code not_found if it does not live any
// more, and no_leader if this node cannot tell.
func (l *leases) renew(ctx context.Context, session string) error {
	term, leads := l.group.leading()
	if !leads {
		return notLeading()
	}
	if err := l.catchUp(ctx, term); err != nil {
		return err
	}
	if err := l.group.verify(ctx); err != nil {
		return &resource.Error{Code: resource.NoLeader, Message: "this node does not lead any more", Err: err}
	}
	found, err := l.stored(session)
	if err != nil {
		return err
	}
	if !found { // its session may be so new that it is not applied here
		if err := l.group.current(ctx); err != nil {
			return err
		}
		if found, err = l.stored(session); err != nil {
			return err
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.term != term {
		return notLeading()
	}
	if !found || l.doomed[session] {
		return resource.Errorf(resource.NotFound, "session not found: %s", session)
	}
	l.until[session] = time.Now().Add(l.timing.ttl)
	return nil
}

// catchUp makes sure that what earlier leaders have decreed is seen here.
func (l *leases) catchUp(ctx context.Context, term uint64) error {
	l.mu.Lock()
	l.enter(term)
	applied := l.applied
	l.mu.Unlock()
	if applied {
		return nil
	}
	if err := l.group.current(ctx); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.term == term {
		l.applied = true
	}
	return nil
}

func (l *leases) stored(session string) (found bool, err error) {
	err = l.group.database().View(func(r *state.Reader) (err error) {
		_, found, err = r.Get(resource.Key{Kind: state.Session, Name: session})
		return err
	})
	return found, err
}

// watch ends sessions until it is stopped.
func (l *leases) watch(stop <-chan struct{}) {
	tick := time.NewTicker(l.timing.tick)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if term, leads := l.group.leading(); leads {
				l.expire(term)
			}
		case <-stop:
			return
		}
	}
}

// expire ends the sessions that were not heard of for too long. What fails is tried again at the
// next tick.
func (l *leases) expire(term uint64) {
	var ops []state.Op
	err := l.group.database().View(func(r *state.Reader) error {
		ended, deletions, err := l.overdue(r, term)
		if err != nil || len(ended) == 0 {
			return err
		}
		locks, err := locksOf(r, ended)
		ops = append(locks, deletions...)
		return err
	})
	if err != nil || len(ops) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), l.timing.ttl/2)
	defer cancel()
	_ = l.group.decree(ctx, ops...)
}

// overdue marks the sessions that end. Whoever asks for one of them from then on is told that it
// is gone.
func (l *leases) overdue(r *state.Reader, term uint64) (ended map[string]bool, ops []state.Op, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.enter(term)
	now, stored := time.Now(), map[string]bool{}
	ended = map[string]bool{}
	for rec, err := range r.List(state.Session, "") {
		if err != nil {
			return nil, nil, err
		}
		name := rec.Key.Name
		stored[name] = true
		until, known := l.until[name]
		if !known {
			l.until[name] = now.Add(l.timing.ttl)
			continue
		}
		if now.After(until) && len(ops) < maxExpired {
			l.doomed[name], ended[name] = true, true
			ops = append(ops, deletion(rec))
		}
	}
	for name := range l.until {
		if !stored[name] {
			delete(l.until, name)
			delete(l.doomed, name)
		}
	}
	return ended, ops, nil
}

// maxExpired is how many sessions end at once, so that their locks fit into the same command.
const maxExpired = 100
