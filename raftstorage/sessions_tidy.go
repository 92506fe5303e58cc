package raftstorage

import (
	"encoding/json"
	"time"

	"github.com/dgate-io/caddy-dgate/internal/state"
)

// reclaim gives back what earlier runs of this node have locked, without waiting for the first lock
// of this one: others may be waiting. It is called before this node locks anything.
func (l *locker) reclaim() {
	earlier := map[string]bool{}
	server := l.server()
	if _, err := l.endings(func(rec state.Record, of string) bool {
		if of == server {
			earlier[rec.Key.Name] = true
		}
		return false
	}); err != nil || len(earlier) == 0 {
		return // the leader does it later
	}
	l.start(func() {
		for {
			ops, err := l.endings(func(rec state.Record, _ string) bool { return earlier[rec.Key.Name] })
			if err != nil || len(ops) == 0 {
				return
			}
			_, err = l.group.change(l.ctx, ops...)
			if outdated(err) {
				err = l.group.current(l.ctx)
			} else if err == nil {
				return
			}
			if err != nil && !sleep(l.ctx, l.timing.tick) {
				return
			}
		}
	})
}

// leftBehind are the operations that end all stored sessions of a server.
func (l *locker) leftBehind(server string) (ops []state.Op, err error) {
	return l.endings(func(_ state.Record, of string) bool { return of == server })
}

// endings are the operations that end some sessions, of which the server is given too, and delete
// their locks.
func (l *locker) endings(which func(rec state.Record, server string) bool) (ops []state.Op, err error) {
	err = l.group.database().View(func(r *state.Reader) error {
		ended := map[string]bool{}
		for rec, err := range r.List(state.Session, "") {
			if err != nil {
				return err
			}
			var data sessionData
			if json.Unmarshal(rec.Data, &data) == nil && which(rec, data.Server) {
				ended[rec.Key.Name] = true
				ops = append(ops, deletion(rec))
			}
		}
		if len(ended) == 0 {
			return nil
		}
		locks, err := locksOf(r, ended)
		ops = append(locks, ops...)
		return err
	})
	return ops, err
}

// tidy ends the sessions that an earlier run of this node has left behind, which others may wait for.
// They are those that are stored when the locker is made.
func (l *locker) tidy() {
	ops, err := l.leftBehind(l.server())
	if err != nil || len(ops) == 0 {
		return // what cannot be read now is ended with the first session of this run, or by the leader
	}
	l.start(func() {
		for len(ops) > 0 {
			_, err := l.group.change(l.ctx, ops...)
			if err == nil {
				return
			}
			if outdated(err) && l.group.current(l.ctx) == nil {
				ops = l.stillThere(ops)
				continue
			}
			select {
			case <-time.After(l.timing.tick):
			case <-l.ctx.Done():
				return
			}
		}
	})
}

// stillThere leaves out the operations whose records are gone or are others by now.
func (l *locker) stillThere(ops []state.Op) (left []state.Op) {
	err := l.group.database().View(func(r *state.Reader) error {
		for _, op := range ops {
			rec, found, err := r.Get(op.Key)
			if err != nil {
				return err
			}
			if found && rec.Version == op.If.Version {
				left = append(left, op)
			}
		}
		return nil
	})
	if err != nil {
		return nil
	}
	return left
}

// locksOf are the operations that delete the locks of sessions.
func locksOf(r *state.Reader, sessions map[string]bool) (ops []state.Op, err error) {
	for rec, err := range r.List(state.Lock, "") {
		if err != nil {
			return nil, err
		}
		if sessions[holderOf(rec).Session] {
			ops = append(ops, deletion(rec))
		}
	}
	return ops, nil
}

func deletion(rec state.Record) state.Op {
	return state.Delete(rec.Key, state.Condition{Mode: state.AtVersion, Version: rec.Version})
}
