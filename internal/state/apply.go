package state

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"

	bolt "go.etcd.io/bbolt"

	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// Entry is one entry of the replicated log.
type Entry struct {
	Index, Term uint64
	// Data is the command, as [Command.Encode] and [Split] made it.
	Data []byte
	// NoOp entries only move the applied index; their Data is not looked at.
	NoOp bool
}

// OpResult is what became of one operation.
type OpResult struct {
	// Created is true if the resource did not exist before.
	Created bool
	// Changed is false if the resource was stored with the same data already.
	Changed bool
	// Version is the version of the resource now, or the index of its deletion.
	Version uint64
	// Record is the resource as it is now. For deletions only its Key is set.
	Record
}

// Outcome is the answer to one entry.
type Outcome struct {
	// Index is the entry that the command was applied at.
	Index uint64
	// Results has one item per operation; nil when Err is set.
	Results []OpResult
	// Err is the same on every node: a *[resource.Error], and then nothing of the command was
	// applied. Not part of what is agreed on are *[HaltError], *[StorageError] and [ErrClosed].
	Err error
}

// Apply applies entries in order and answers with one outcome for each. It never panics. They are
// one transaction, except that one which restores a backup is on its own. Entries that were applied
// before are skipped with an empty outcome.
//
// If an entry is not understood, that one and all after it are refused with a *[HaltError], now
// and in every later call. If state.db cannot be written, the entries that were not applied have a
// *[StorageError], and can be applied again.
func (db *DB) Apply(entries []Entry) []Outcome {
	db.applying.Lock()
	defer db.applying.Unlock()
	outcomes := make([]Outcome, len(entries))
	for i, e := range entries {
		outcomes[i].Index = e.Index
	}
	switch {
	case db.isClosed():
		return refuse(outcomes, ErrClosed)
	case db.Halted() != nil:
		return refuse(outcomes, db.Halted())
	}
	if err := db.mark(); err != nil {
		return refuse(outcomes, &StorageError{err})
	}
	for done := 0; done < len(entries); {
		n := db.batchLen(entries[done:])
		if n == 0 { // it replaces the file
			n = 1
			if err := db.replace(entries[done], &outcomes[done]); err != nil {
				return db.refuseRest(outcomes, done, err)
			}
		} else if err := db.applyAll(entries[done:done+n], outcomes[done:done+n]); err != nil {
			return db.refuseRest(outcomes, done+n, err)
		}
		done += n
	}
	return outcomes
}

// batchLen is how many of the entries go into one transaction: those before one that replaces the
// file which they are written to.
func (db *DB) batchLen(entries []Entry) int {
	applied := db.current().index
	i := slices.IndexFunc(entries, func(e Entry) bool { return !e.NoOp && e.Index > applied && replaces(e.Data) })
	if i < 0 {
		return len(entries)
	}
	return i
}

// refuseRest gives an error to all outcomes from one on, and stops for good if that is what it means.
func (db *DB) refuseRest(outcomes []Outcome, from int, err error) []Outcome {
	if halted, ok := errors.AsType[*HaltError](err); ok {
		db.halt(halted)
	}
	refuse(outcomes[from:], err)
	return outcomes
}

// applyAll applies entries in one transaction. The error, of a *HaltError or a *StorageError, is
// that of the last outcome.
func (db *DB) applyAll(entries []Entry, outcomes []Outcome) error {
	if db.applyBatch(entries, outcomes) == nil {
		return stopped(outcomes)
	}
	// Something in the batch made us panic, and nothing was applied. One by one, to stop right
	// before the culprit.
	for i := range entries {
		outcomes[i] = Outcome{Index: entries[i].Index}
		if err := db.applyBatch(entries[i:i+1], outcomes[i:i+1]); err != nil {
			db.halt(&HaltError{Index: entries[i].Index, Reason: err.Error()})
			outcomes[i].Err = db.Halted()
		}
		if err := stopped(outcomes[:i+1]); err != nil {
			refuse(outcomes[i:], err)
			return err
		}
	}
	return nil
}

// stopped says why nothing comes after these outcomes, or nil.
func stopped(outcomes []Outcome) error {
	err := outcomes[len(outcomes)-1].Err
	if storage := new(StorageError); errors.As(err, &storage) {
		return err
	}
	if halted := new(HaltError); errors.As(err, &halted) {
		return err
	}
	return nil
}

// refuse gives all outcomes one error.
func refuse(outcomes []Outcome, err error) []Outcome {
	for i := range outcomes {
		outcomes[i].Results, outcomes[i].Err = nil, err
	}
	return outcomes
}

// batch is the transaction that a call of Apply is.
type batch struct {
	tx      *bolt.Tx
	window  int // how many ids of commands are remembered
	meta    meta
	changes []Change
	hashes  []hashAt // of the state after each of them
	renamed bool     // the command that is applied gives the cluster its id, or another one
}

// applyBatch applies entries in one transaction. It returns what panicked, if something did;
// then nothing was applied.
func (db *DB) applyBatch(entries []Entry, outcomes []Outcome) (panicked error) {
	defer func() {
		if r := recover(); r != nil {
			panicked = fmt.Errorf("applying a change panicked: %v\n%s", r, debug.Stack())
		}
	}()
	b := &batch{meta: db.current(), window: db.window}
	var halted *HaltError
	err := db.handle.bolt.Update(func(tx *bolt.Tx) error {
		b.tx = tx
		for i, e := range entries {
			if e.Index <= b.meta.index {
				continue
			}
			if err := b.entry(e, &outcomes[i]); err != nil {
				if !errors.As(err, &halted) {
					return err
				}
				refuse(outcomes[i:], halted)
				break
			}
			b.meta.index, b.meta.term = e.Index, e.Term
		}
		return b.meta.write(tx)
	})
	if err != nil {
		refuse(outcomes, &StorageError{err})
		return nil
	}
	db.publish(b.meta, b.changes, b.hashes)
	if halted != nil {
		db.halt(halted)
	}
	return nil
}

// entry applies one entry. A *HaltError means that it is not understood; other errors are those
// of the database.
func (b *batch) entry(e Entry, outcome *Outcome) error {
	if e.NoOp {
		return nil
	}
	env, err := decodeEnvelope(e.Data)
	if err != nil {
		return &HaltError{Index: e.Index, Reason: err.Error()}
	}
	if env.chunk != nil {
		return b.putChunk(e.Index, env.chunk)
	}
	if err := b.collectChunks(e.Index); err != nil {
		return err
	}
	if env.large != nil {
		data, refused, err := b.assemble(env.large)
		if err != nil {
			return err
		}
		if refused != nil {
			outcome.Err = refused
			return nil
		}
		if env, err = decodeEnvelope(data); err != nil {
			return &HaltError{Index: e.Index, Reason: err.Error()}
		}
		if env.chunk != nil || env.large != nil {
			return &HaltError{Index: e.Index, Reason: "a large command has parts that are parts again"}
		}
	}
	return b.command(e.Index, &env.command, outcome)
}

// command applies one command.
func (b *batch) command(index uint64, cmd *Command, outcome *Outcome) error {
	before, err := remembered(b.tx, cmd.ID, cmd.written())
	if err != nil {
		return err
	}
	if before != nil {
		*outcome = *before
		return nil
	}
	if outcome.Err = b.meta.forgotten(cmd); outcome.Err != nil {
		return nil
	}
	p, err := newPlan(b.tx, &b.meta, cmd.changes, index, cmd.Time)
	if err != nil {
		return err
	}
	if outcome.Err = p.err(len(cmd.changes)-len(p.results), len(p.results)); outcome.Err != nil {
		return nil
	}
	if err := p.apply(); err != nil {
		return err
	}
	b.renamed = p.cluster != "" && p.cluster != b.meta.clusterID
	b.meta.rename(p.cluster)
	outcome.Results = p.results
	b.roll(index, cmd.ID, p)
	return b.remember(cmd.ID, outcome)
}

// roll adds what a command changed to the hash of the state, and to the feed.
func (b *batch) roll(index uint64, id [16]byte, p *plan) {
	h := sha256.New()
	number := func(v uint64) { h.Write(binary.BigEndian.AppendUint64(nil, v)) }
	text := func(s []byte) { number(uint64(len(s))); h.Write(s) }
	h.Write(b.meta.hash[:])
	number(index)
	h.Write(id[:])
	text([]byte(p.cluster))
	var keys []resource.Key
	for _, e := range p.order {
		if !e.changed() {
			continue
		}
		keys = append(keys, e.key)
		text([]byte(e.key.Kind))
		text(itemKey(e.key))
		if e.new == nil {
			number(0)
			continue
		}
		number(e.new.version)
		text(e.new.encode())
	}
	if len(keys) == 0 && !b.renamed {
		return
	}
	h.Sum(b.meta.hash[:0])
	b.meta.changes += uint64(len(keys))
	b.meta.latest, b.meta.latestIndex = id, index
	b.hashes = append(b.hashes, hashAt{index, b.meta.hash})
	if len(keys) > 0 {
		b.changes = append(b.changes, Change{Index: index, Keys: keys})
	}
}

// Check answers what [DB.Apply] would answer to a command with these operations, if nothing
// changes in between: nil, or one error with all mistakes. It changes nothing.
func (db *DB) Check(ops []Op) error {
	cmd := Command{Ops: ops}
	changes, err := cmd.changesOf()
	if err != nil {
		return err
	}
	return db.View(func(r *Reader) error {
		m, err := readMeta(r.tx)
		if err != nil {
			return err
		}
		p, err := newPlan(r.tx, &m, changes, m.index+1, cmd.Time)
		if err != nil {
			return err
		}
		return p.err(0, len(ops))
	})
}
