package raftstorage

import (
	"errors"
	"fmt"

	"github.com/hashicorp/raft"
	"go.uber.org/zap"

	"github.com/dgate-io/caddy-dgate/internal/state"
)

// fillBatch is how many entries are applied at once when raft has left some out.
const fillBatch = 64

// fill applies the entries before one that raft brings, if the state does not have them. They are
// agreed on, as the later one is. Raft brings none of its own entries, so there are gaps; that
// anything else is missing would be a mistake, and the state of this node another one for ever.
func (f *fsm) fill(before uint64) error {
	db := f.m.s.db
	if db.Halted() != nil {
		return nil // it applies nothing
	}
	var missing []state.Entry
	for i := db.Applied() + 1; i < before; i++ {
		var l raft.Log
		switch err := f.m.logs.GetLog(i, &l); {
		case errors.Is(err, raft.ErrLogNotFound):
			if i, err = f.covered(i); err != nil {
				return err
			}
			continue
		case err != nil:
			return err
		}
		if l.Type == raft.LogCommand {
			missing = append(missing, state.Entry{Index: l.Index, Term: l.Term, Data: l.Data})
		}
		if len(missing) == fillBatch {
			if err := f.applyMissing(missing); err != nil {
				return err
			}
			missing = nil
		}
	}
	return f.applyMissing(missing)
}

// covered says up to which index a snapshot stands for an entry that is not in the log.
func (f *fsm) covered(index uint64) (uint64, error) {
	snaps, err := f.m.s.snaps.List()
	if err != nil {
		return 0, fmt.Errorf("list snapshots: %w", err)
	}
	if len(snaps) > 0 && snaps[0].Index >= index {
		header, err := f.m.s.snaps.header(snaps[0].ID)
		if err != nil {
			return 0, fmt.Errorf("snapshot %s: %w", snaps[0].ID, err)
		}
		if f.m.s.db.Applied() >= header.Index {
			return snaps[0].Index, nil
		}
	}
	return 0, fmt.Errorf("entry %d is missing: the state ends at %d, and it is neither in the log nor in a snapshot; "+
		"restart this node, and if that does not help, delete its data directory and let it join again", index, f.m.s.db.Applied())
}

// applyMissing applies entries that raft did not bring.
func (f *fsm) applyMissing(entries []state.Entry) error {
	if len(entries) == 0 {
		return nil
	}
	f.m.s.log().Warn("entries of the log were left out; they are applied now",
		zap.Uint64("first", entries[0].Index), zap.Uint64("last", entries[len(entries)-1].Index))
	for _, o := range f.m.s.db.Apply(entries) {
		if storage := new(state.StorageError); errors.As(o.Err, &storage) {
			return storage
		}
	}
	return nil // what else there is to say, the entry after them is told
}
