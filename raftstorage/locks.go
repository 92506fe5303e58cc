package raftstorage

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/dgate-io/caddy-dgate/internal/resource"
	"github.com/dgate-io/caddy-dgate/internal/state"
)

// maxLockName bounds the name of a lock, in bytes.
const maxLockName = 1 << 10

// ErrUnlocked is the cause of the context of a lock that was given back. Others mean that it was lost.
var ErrUnlocked = errors.New("the lock was given back")

// Lock is a lock that this node holds. Its methods may be called from several goroutines.
type Lock struct {
	// Name is what is locked.
	Name string
	// Token grows with each holder of the lock, so that work of an earlier holder can be told and
	// refused, see [Lock.Fence].
	Token uint64

	locker  *locker
	session *session
	attempt string
	ctx     context.Context
	cancel  context.CancelCauseFunc

	ticket *ticket
	left   sync.Once

	mu       sync.Mutex
	unlocked bool
}

// Context ends when the lock is given back or lost. It is lost when the leader has not been reached
// for 18 s, which is 2 s before others can have it, or when the store is closed. A machine that is
// suspended does not count meanwhile: when it wakes up, the context can go on for as long as there was
// left of the 18 s, though others have had the lock for hours. What must not happen twice is guarded by
// [Lock.Fence] and not by this context.
func (k *Lock) Context() context.Context { return k.ctx }

// Fence is an operation for a command that must only happen while the lock is held: with it, the
// command fails with the code precondition_failed if somebody else has the lock, or nobody.
func (k *Lock) Fence() state.Op {
	return state.Require(lockKey(k.Name), state.Condition{Mode: state.AtVersion, Version: k.Token})
}

// Unlock gives the lock back. It is no error if it is lost or was given back before. After an error
// (usually no_leader) this node goes on trying in the background.
func (k *Lock) Unlock(ctx context.Context) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.unlocked || k.ctx.Err() != nil {
		return nil
	}
	k.unlocked = true
	_, err := k.locker.group.change(ctx, state.Delete(lockKey(k.Name), k.Fence().If))
	if outdated(err) || k.ctx.Err() != nil {
		err = nil
	}
	if err != nil {
		k.session.doubt(k.attempt, k.Name)
		err = fmt.Errorf("unlock %s: %w", k.Name, err)
	}
	k.session.forget(k.attempt)
	k.cancel(ErrUnlocked)
	k.leave()
	return err
}

// leave lets the next one on this node try.
func (k *Lock) leave() {
	k.left.Do(func() {
		k.session.leave()
		k.locker.dequeue(k.Name, k.ticket)
	})
}

// Lock waits until this node has the lock called name, and nobody else in the cluster, also no
// other caller on this node. Callers on one node get it in the order in which they asked.
//
// The error is that of ctx, or a *[resource.Error]: no_leader if there is none to ask for 5 s.
func (n *Node) Lock(ctx context.Context, name string) (*Lock, error) {
	s, err := n.current()
	if err != nil {
		return nil, err
	}
	return s.locks.lock(ctx, name, true)
}

// TryLock is Lock without waiting for others: it returns nil if somebody has the lock.
func (n *Node) TryLock(ctx context.Context, name string) (*Lock, error) {
	s, err := n.current()
	if err != nil {
		return nil, err
	}
	return s.locks.lock(ctx, name, false)
}

// holder is what is stored of a lock.
type holder struct {
	Session string `json:"session"`
	// Attempt tells calls of Lock apart, so that a node that did not learn whether it got the lock
	// can find out later.
	Attempt string `json:"attempt"`
}

func holderOf(rec state.Record) (h holder) {
	_ = json.Unmarshal(rec.Data, &h) // nobody's, if a newer version stores it in another way
	return h
}

func lockKey(name string) resource.Key { return resource.Key{Kind: state.Lock, Name: name} }

// lock acquires a lock, or gives nil if it is to be had by waiting only.
func (l *locker) lock(ctx context.Context, name string, wait bool) (*Lock, error) {
	if name == "" || len(name) > maxLockName || strings.IndexByte(name, 0) >= 0 {
		return nil, resource.Errorf(resource.BadRequest, "the name of a lock must have 1 to %d bytes and no zero byte", maxLockName)
	}
	t, first := l.enqueue(name)
	if !first && !wait {
		l.dequeue(name, t)
		return nil, nil
	}
	select {
	case <-t.turn:
	case <-ctx.Done():
		l.dequeue(name, t)
		return nil, fmt.Errorf("lock %s: %w", name, context.Cause(ctx))
	case <-l.ctx.Done():
		l.dequeue(name, t)
		return nil, closedError()
	}
	if !first {
		l.giveWay(ctx)
	}
	k, err := l.contend(ctx, name, wait)
	if k == nil {
		l.dequeue(name, t)
		return nil, err
	}
	k.ticket = t
	context.AfterFunc(k.ctx, k.leave) // also when it is lost
	return k, nil
}

// giveWay lets other nodes have a lock that was just given back here: they hear of it a moment later.
func (l *locker) giveWay(ctx context.Context) {
	sessions := 0
	err := l.group.database().View(func(r *state.Reader) error {
		sessions = r.Count(state.Session, "", "")
		return nil
	})
	if err != nil || sessions < 2 {
		return
	}
	select {
	case <-time.After(l.timing.giveWay):
	case <-ctx.Done():
	case <-l.ctx.Done():
	}
}

// contend tries to get the lock from other nodes.
func (l *locker) contend(ctx context.Context, name string, wait bool) (*Lock, error) {
	for {
		s, err := l.use(ctx)
		if err != nil {
			return nil, fmt.Errorf("lock %s: %w", name, err)
		}
		k, held, err := l.claim(ctx, s, name)
		if k != nil {
			return k, nil
		}
		s.leave()
		switch {
		case err != nil:
			return nil, fmt.Errorf("lock %s: %w", name, err)
		case held && !wait:
			return nil, nil
		case held:
			err = l.watch(ctx, name)
		default:
			err = l.group.current(ctx) // what is here is older than what is agreed on
		}
		if err != nil {
			return nil, fmt.Errorf("lock %s: %w", name, err)
		}
	}
}

// claim takes the lock if it is free. Held tells that it is not.
func (l *locker) claim(ctx context.Context, s *session, name string) (k *Lock, held bool, err error) {
	rec, found, err := l.look(name)
	if err != nil {
		return nil, false, err
	}
	if found {
		h := holderOf(rec)
		if h.Session != s.key.Name || s.lives(h.Attempt) {
			return nil, true, nil
		}
		// It became ours without our knowing, and nobody uses it.
		_, err := l.group.change(ctx, deletion(rec))
		if err != nil && !outdated(err) {
			return nil, false, err
		}
		return nil, false, nil
	}
	h := holder{Session: s.key.Name, Attempt: rand.Text()}
	data, err := json.Marshal(h)
	if err != nil {
		return nil, false, err
	}
	put := state.Op{Key: lockKey(name), Data: data, If: state.Condition{Mode: state.Absent}, Needs: []resource.Key{s.key}}
	outcome, err := l.put(ctx, s, h.Attempt, put)
	switch {
	case err == nil:
		k = &Lock{Name: name, Token: outcome.Results[0].Version, locker: l, session: s, attempt: h.Attempt}
		k.ctx, k.cancel = context.WithCancelCause(s.ctx)
		return k, false, nil
	case resource.CodeOf(err) == resource.ValidationFailed: // the session is gone
		s.end(errSessionGone)
		return nil, false, nil
	case resource.CodeOf(err) == resource.PreconditionFailed:
		_, found, err := l.look(name)
		return nil, found, err
	}
	return nil, false, err
}

// put proposes a lock. It goes on when ctx ends, because the lock may be ours after that: then it
// is given back.
func (l *locker) put(ctx context.Context, s *session, attempt string, op state.Op) (state.Outcome, error) {
	type answer struct {
		outcome state.Outcome
		err     error
	}
	s.born(attempt)
	answers, gone := make(chan answer), make(chan struct{})
	started := l.start(func() {
		outcome, err := l.group.change(l.ctx, op)
		if err != nil {
			if resource.CodeOf(err) == resource.OutcomeUnknown {
				s.doubt(attempt, op.Key.Name)
			}
			s.forget(attempt)
		}
		select {
		case answers <- answer{outcome, err}:
		case <-gone:
			if err == nil {
				s.doubt(attempt, op.Key.Name)
				s.forget(attempt)
				l.settle(l.ctx, s)
			}
		}
	})
	if !started {
		return state.Outcome{}, closedError()
	}
	select {
	case a := <-answers:
		return a.outcome, a.err
	case <-ctx.Done():
		close(gone)
		return state.Outcome{}, context.Cause(ctx)
	}
}

// look reads a lock as it is on this node.
func (l *locker) look(name string) (rec state.Record, found bool, err error) {
	err = l.group.database().View(func(r *state.Reader) (err error) {
		rec, found, err = r.Get(lockKey(name))
		return err
	})
	return rec, found, err
}

// watch returns when a lock may be free.
func (l *locker) watch(ctx context.Context, name string) error {
	db, key := l.group.database(), lockKey(name)
	var index uint64
	var found bool
	err := db.View(func(r *state.Reader) (err error) {
		index = r.Index()
		_, found, err = r.Get(key)
		return err
	})
	if err != nil || !found {
		return err
	}
	changes := db.Subscribe(index)
	polling, cancel := context.WithTimeout(ctx, l.timing.poll)
	defer cancel()
	defer context.AfterFunc(l.ctx, cancel)()
	for {
		batch, resync, err := changes.Next(polling)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case l.ctx.Err() != nil:
			return closedError()
		case polling.Err() != nil || resync:
			return nil
		case err != nil:
			return err
		}
		if slices.ContainsFunc(batch, func(c state.Change) bool { return slices.Contains(c.Keys, key) }) {
			return nil
		}
	}
}
