package raftstorage

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/dgate-io/caddy-dgate/internal/resource"
	"github.com/dgate-io/caddy-dgate/internal/state"
)

// leaseTiming are the spans of sessions. No wall clock is in it: all of them are measured on the
// monotonic clock of one process.
type leaseTiming struct {
	ttl    time.Duration // how long a session lives without a sign of life, as the leader sees it
	margin time.Duration // how much earlier its own node takes it for lost
	idle   time.Duration // after how long without locks a session is closed
	poll   time.Duration // how often the stored lock is looked at while it is waited for
	tick   time.Duration // how often the leader looks for sessions that have ended
	close  time.Duration // how long closing may take to free the locks
	// giveWay is how long the next caller on a node waits before it asks for the lock.
	giveWay time.Duration
}

func defaultLeaseTiming() *leaseTiming {
	return &leaseTiming{
		ttl: 20 * time.Second, margin: 2 * time.Second, idle: time.Minute, poll: 5 * time.Second,
		tick: 2 * time.Second, close: time.Second, giveWay: 100 * time.Millisecond,
	}
}

// lockGroup is what sessions, locks and jobs need of the store.
type lockGroup interface {
	// change has ops agreed on and applied here, all or none of them.
	change(ctx context.Context, ops ...state.Op) (state.Outcome, error)
	// current returns when everything that was agreed on before is applied here.
	current(ctx context.Context) error
	database() *state.DB
	// keepAlive tells the leader that a session lives. The code not_found means that it does not.
	keepAlive(ctx context.Context, session string) error
}

// locker has the session of this node, which holds the locks of this node.
type locker struct {
	group  lockGroup
	server func() string // id of this node
	timing leaseTiming
	ctx    context.Context // ends when the locker is closed
	cancel context.CancelCauseFunc
	wg     sync.WaitGroup

	mu      sync.Mutex
	closed  bool
	session *session
	opening chan struct{} // closed when the attempt to open a session is over; nil if there is none
	failure error         // of the last attempt
	queues  map[string][]*ticket
}

func newLocker(group lockGroup, server func() string, timing leaseTiming) *locker {
	l := &locker{group: group, server: server, timing: timing, queues: map[string][]*ticket{}}
	l.ctx, l.cancel = context.WithCancelCause(context.Background())
	return l
}

// session is from when a node first locks something until it is closed, or has not been heard of
// for so long that its locks were given to others.
type session struct {
	key     resource.Key
	version uint64
	ctx     context.Context // ends with the session
	end     context.CancelCauseFunc
	overdue *time.Timer // ends the session

	mu       sync.Mutex
	users    int              // locks that are held or being acquired
	unused   time.Time        // since when there are none
	live     map[string]bool  // attempts that hold a lock, or may come to do so
	doubtful map[string]doubt // attempts that must not hold their lock
}

// doubt is about an attempt of which it is not known what became.
type doubt struct {
	name  string // of the lock
	since time.Time
}

// sessionData is what is stored of a session.
type sessionData struct {
	Server string `json:"server"`
}

// Why a session ended.
var (
	errSessionOverdue = errors.New("the leader could not be told in time that this node lives")
	errSessionGone    = errors.New("the cluster has given the locks of this node up")
)

// use finds the session or opens one. The caller calls leave when it does not need it any more.
func (l *locker) use(ctx context.Context) (*session, error) {
	for {
		l.mu.Lock()
		if l.closed {
			l.mu.Unlock()
			return nil, closedError()
		}
		if s := l.session; s != nil && s.ctx.Err() == nil {
			s.enter()
			l.mu.Unlock()
			return s, nil
		}
		if l.opening == nil {
			l.opening, l.failure = make(chan struct{}), nil
			l.wg.Go(l.open)
		}
		opening := l.opening
		l.mu.Unlock()
		select {
		case <-opening:
		case <-ctx.Done():
			return nil, fmt.Errorf("open a session for locks: %w", context.Cause(ctx))
		}
		l.mu.Lock()
		err := l.failure
		l.mu.Unlock()
		if err != nil {
			return nil, err
		}
	}
}

// open opens a session and keeps it alive until it ends.
func (l *locker) open() {
	s, err := l.begin()
	l.mu.Lock()
	close(l.opening)
	l.opening, l.failure = nil, err
	if err == nil && !l.closed {
		l.session = s
	}
	l.mu.Unlock()
	if err == nil {
		l.keep(s)
	}
}

// begin stores a new session. Those that this node has left behind, in earlier runs or when it
// lost one, end in the same command together with their locks.
func (l *locker) begin() (*session, error) {
	var nonce [8]byte
	if _, err := rand.Read(nonce[:]); err != nil {
		return nil, err
	}
	server := l.server()
	data, err := json.Marshal(sessionData{Server: server})
	if err != nil {
		return nil, err
	}
	key := resource.Key{Kind: state.Session, Name: server + "-" + hex.EncodeToString(nonce[:])}
	put := state.Op{Key: key, Data: data, If: state.Condition{Mode: state.Absent}}
	for {
		ops, err := l.leftBehind(server)
		if err != nil {
			return nil, err
		}
		sent := time.Now()
		outcome, err := l.group.change(l.ctx, append(ops, put)...)
		if len(ops) > 0 && outdated(err) {
			if err := l.group.current(l.ctx); err != nil {
				return nil, err
			}
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("open a session for locks: %w", err)
		}
		return l.began(key, outcome.Results[len(ops)].Version, sent), nil
	}
}

// began is a session that was stored when it was asked for at sent, or later.
func (l *locker) began(key resource.Key, version uint64, sent time.Time) *session {
	s := &session{key: key, version: version, unused: time.Now(), live: map[string]bool{}, doubtful: map[string]doubt{}}
	s.ctx, s.end = context.WithCancelCause(l.ctx)
	s.overdue = time.AfterFunc(time.Until(sent.Add(l.timing.ttl-l.timing.margin)), func() { s.end(errSessionOverdue) })
	return s
}

// outdated tells that a command was made of a state that has changed since.
func outdated(err error) bool {
	switch resource.CodeOf(err) {
	case resource.PreconditionFailed, resource.InUse, resource.NotFound, resource.ValidationFailed:
		return err != nil
	}
	return false
}

// keep tells the leader that the session lives until it ends, or is closed because nothing has
// been locked for a while.
func (l *locker) keep(s *session) {
	defer s.overdue.Stop()
	every := l.timing.ttl / 3
	timer := time.NewTimer(every)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-s.ctx.Done():
			return
		}
		if l.retire(s) {
			_ = l.free(l.ctx, s) // otherwise the leader, or the next session, does it
			return
		}
		timer.Reset(l.refresh(s, every))
	}
}

// refresh makes one call to the leader and says when to make the next one.
func (l *locker) refresh(s *session, every time.Duration) time.Duration {
	sent := time.Now()
	ctx, cancel := context.WithTimeout(s.ctx, every)
	defer cancel()
	switch err := l.group.keepAlive(ctx, s.key.Name); {
	case err == nil:
		s.overdue.Reset(time.Until(sent.Add(l.timing.ttl - l.timing.margin)))
		l.settle(ctx, s)
		return every
	case resource.CodeOf(err) == resource.NotFound:
		s.end(errSessionGone)
	}
	return every / 6
}

// start runs something that close waits for. It is false if the locker is closed.
func (l *locker) start(run func()) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	l.wg.Go(run)
	return true
}

func (s *session) enter() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.users++
}

func (s *session) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.users--
	s.unused = time.Now()
}
