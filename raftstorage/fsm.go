package raftstorage

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/hashicorp/raft"
	"go.uber.org/zap"

	"github.com/dgate-io/caddy-dgate/internal/state"
)

// fsm is what raft applies committed entries to. It has no state of its own.
type fsm struct{ m *member }

var _ raft.BatchingFSM = (*fsm)(nil)

// Apply implements raft.FSM.
func (f *fsm) Apply(entry *raft.Log) any { return f.ApplyBatch([]*raft.Log{entry})[0] }

// ApplyBatch implements raft.BatchingFSM. It does not return before the batch is applied, or the
// state refuses to go on, or this member ends: what it answers without having applied it, raft would
// not bring again. While a member ends, raft goes on with the batches that it has, and leaves some
// out: after that moment none is applied, as the state would have a hole that nobody ever fills.
func (f *fsm) ApplyBatch(logs []*raft.Log) []any {
	entries := make([]state.Entry, len(logs))
	for i, l := range logs {
		entries[i] = state.Entry{Index: l.Index, Term: l.Term, Data: l.Data, NoOp: l.Type != raft.LogCommand}
	}
	defer func(began time.Time) { f.m.s.cfg.Applied(time.Since(began)) }(time.Now())
	f.m.s.applying.RLock()
	defer f.m.s.applying.RUnlock()
	haltedBefore := f.m.s.db.Halted() != nil
	var outcomes []state.Outcome
	f.m.guard.retry("write state", func() error {
		if f.m.ctx.Err() != nil {
			return nil
		}
		if err := f.fill(entries[0].Index); err != nil {
			return err
		}
		for _, o := range f.m.s.db.Apply(entries[len(outcomes):]) {
			if storage := new(state.StorageError); errors.As(o.Err, &storage) {
				now := time.Now()
				f.m.guard.blocked.CompareAndSwap(nil, &now)
				return storage // and so are all after it
			}
			outcomes = append(outcomes, o)
		}
		return nil
	})
	f.m.guard.blocked.Store(nil)
	if err := f.m.s.db.Halted(); err != nil && !haltedBefore {
		f.m.s.log().Error("this node is read-only from now on and needs a newer version of the program", zap.Error(err))
	}
	f.m.s.followClusterID()
	answers := make([]any, len(logs)) // as many as asked for: raft panics otherwise
	for i := range answers {
		if i < len(outcomes) {
			answers[i] = outcomes[i]
		} else {
			answers[i] = state.Outcome{Index: logs[i].Index, Err: state.ErrClosed}
		}
	}
	return answers
}

// Snapshot implements raft.FSM. Raft would make a directory that is gone again, and the next start
// would find a snapshot without a log.
func (f *fsm) Snapshot() (raft.FSMSnapshot, error) {
	if f.m.ctx.Err() != nil {
		return nil, ErrClosed // raft counts entries that were not applied any more
	}
	if err := f.m.s.storageFailure(); err != nil {
		return nil, err
	}
	snap, err := f.m.s.db.BeginSnapshot()
	if err != nil {
		return nil, err
	}
	return &fsmSnapshot{f.m, snap}, nil
}

// Restore implements raft.FSM. Raft calls it when a leader sends a snapshot.
func (f *fsm) Restore(r io.ReadCloser) error {
	f.m.s.applying.RLock() // a copy of the leader's state can be on its way, which is older
	defer f.m.s.applying.RUnlock()
	err := errors.Join(f.m.s.db.Restore(r), r.Close())
	if err == nil {
		f.m.s.upkeep.snapshotTaken(f.m.s.db.Applied())
		f.m.s.followClusterID()
	}
	return err
}

// fsmSnapshot is a snapshot on its way to its file.
type fsmSnapshot struct {
	m    *member
	snap *state.Snapshot
}

// Persist implements raft.FSMSnapshot. The state is synced before the snapshot is complete,
// because raft then deletes the log that it could be rebuilt from.
func (p *fsmSnapshot) Persist(sink raft.SnapshotSink) error {
	err := p.snap.Write(&stoppable{sink, p.m.ctx.Done()})
	if err == nil {
		err = p.m.s.db.Sync()
	}
	if err == nil {
		err = sink.Close()
	}
	if err != nil {
		return errors.Join(fmt.Errorf("snapshot: %w", err), sink.Cancel())
	}
	p.m.s.upkeep.snapshotTaken(p.snap.Header().Index)
	return nil
}

// Release implements raft.FSMSnapshot.
func (p *fsmSnapshot) Release() { p.snap.Release() }

// stoppable ends a long write when the store is closed.
type stoppable struct {
	w    io.Writer
	stop <-chan struct{}
}

func (w *stoppable) Write(b []byte) (int, error) {
	select {
	case <-w.stop:
		return 0, ErrClosed
	default:
		return w.w.Write(b)
	}
}
