package state

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime/debug"

	bolt "go.etcd.io/bbolt"

	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// replace applies an entry that restores a backup. A *HaltError means that it is not understood, a *StorageError that
// it can be applied again.
func (db *DB) replace(e Entry, outcome *Outcome) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &HaltError{Index: e.Index, Reason: fmt.Sprintf("restoring a backup panicked: %v\n%s", p, debug.Stack())}
		}
	}()
	env, err := decodeEnvelope(e.Data)
	if err != nil {
		return &HaltError{Index: e.Index, Reason: err.Error()}
	}
	r := &replacement{window: db.window, entry: e, cmd: &env.command, restore: env.command.restores(), meta: db.current(), old: db.handle.bolt}
	err = r.begin(db.newPath())
	if err == nil {
		err = r.build()
	}
	var unknown *unknownError
	switch {
	case err == nil && r.outcome.Err == nil && !r.before:
		if err = r.fresh.Sync(); err == nil {
			err = os.Rename(db.newPath(), db.path())
		}
		if err == nil {
			db.swap(r.fresh, r.meta)
			*outcome = r.outcome
			return nil // whether the rename is durable does not matter: the log has the entry
		}
	case errors.As(err, &unknown):
		err = &HaltError{Index: e.Index, Reason: err.Error()}
	}
	if dropped := r.drop(db.newPath()); err == nil {
		err = dropped
	}
	if halted := (*HaltError)(nil); errors.As(err, &halted) {
		return halted
	}
	if err != nil {
		return &StorageError{err}
	}
	// Refused, or applied before: the entry changes nothing, but it was applied.
	nothing := make([]Outcome, 1)
	if panicked := db.applyBatch([]Entry{{Index: e.Index, Term: e.Term, NoOp: true}}, nothing); panicked != nil {
		return &StorageError{panicked}
	}
	*outcome = r.outcome
	return nothing[0].Err
}

// replacement makes a state of a backup and of what stays of the state before.
type replacement struct {
	window  int // how many ids of commands are remembered
	entry   Entry
	cmd     *Command
	restore *Restore
	meta    meta // of the old state at first, then of the new one
	old     *bolt.DB
	fresh   *bolt.DB
	outcome Outcome
	before  bool // the command was applied before
	changed uint64
}

// begin makes an empty database.
func (r *replacement) begin(path string) (err error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if r.fresh, err = bolt.Open(path, 0o600, boltOptions()); err != nil {
		return err
	}
	return r.fresh.Update(func(tx *bolt.Tx) error { return create(tx, &meta{format: fileFormat}) })
}

// drop gives up a database that was begun.
func (r *replacement) drop(path string) error {
	if r.fresh == nil {
		return nil
	}
	return errors.Join(r.fresh.Close(), os.Remove(path))
}

// build fills it. Errors are those of the disk, and of a newer version; what is wrong with the
// backup is the outcome, the same on every node.
func (r *replacement) build() error {
	return r.old.View(func(tx *bolt.Tx) error {
		r.outcome = Outcome{Index: r.entry.Index}
		known, err := remembered(tx, r.cmd.ID, nil)
		if err != nil {
			return err
		}
		if known != nil {
			r.before, r.outcome = true, *known
			return nil
		}
		if r.outcome.Err = r.meta.forgotten(r.cmd); r.outcome.Err != nil {
			return nil
		}
		backup, refused, err := r.check(tx)
		if err != nil {
			return err
		}
		if refused != nil {
			r.outcome.Err = refused
			return nil
		}
		err = r.fill(tx, backup)
		if content, ok := errors.AsType[*contentError](err); ok {
			r.outcome.Err = &resource.Error{Code: resource.ValidationFailed, Message: "the backup cannot be restored: " + content.Error(), Err: content}
			return nil
		}
		return err
	})
}

// contentError is something in a backup that cannot be, however well it was written.
type contentError struct{ err error }

func (e *contentError) Error() string { return e.err.Error() }
func (e *contentError) Unwrap() error { return e.err }

// check reads the parts once, to the end. The first error is the outcome, the second one that of
// the database or of a newer version.
func (r *replacement) check(tx *bolt.Tx) (backup meta, refused, err error) {
	in := newPartReader(tx, r.restore.ID)
	backup, err = readBackup(in, func(resource.Key, []byte) error { return nil })
	var unknown *unknownError
	switch {
	case in.err != nil:
		return backup, nil, in.err
	case !in.matches(r.restore.Sum): // before err, which follows from it
		return backup, &resource.Error{Code: resource.Conflict, Message: "parts of the backup are missing: another one was restored at the same time"}, nil
	case errors.As(err, &unknown):
		return backup, nil, err
	case err != nil:
		return backup, &resource.Error{Code: resource.ValidationFailed, Message: fmt.Sprintf("the backup cannot be restored: %v", err), Err: err}, nil
	}
	return backup, nil, nil
}

// fill writes the new state.
func (r *replacement) fill(tx *bolt.Tx, backup meta) error {
	l := &loader{db: r.fresh}
	defer l.rollback()
	_, err := readBackup(newPartReader(tx, r.restore.ID), func(key resource.Key, value []byte) error {
		return r.put(l, tx, key, value)
	})
	if err != nil {
		return err
	}
	if err := r.keep(l, tx); err != nil {
		return err
	}
	if err := l.begin(); err != nil {
		return err
	}
	if err := danglingRefs(l.tx); err != nil {
		return err
	}
	if err := r.note(l.tx, backup); err != nil {
		return err
	}
	r.describe(backup)
	b := &batch{tx: l.tx, meta: r.meta, window: r.window}
	if err := b.remember(r.cmd.ID, &r.outcome); err != nil {
		return err
	}
	r.meta = b.meta
	if err := r.meta.write(l.tx); err != nil {
		return err
	}
	return l.commit()
}

// put writes a resource of the backup. One that is not stored in just that way is a new one.
func (r *replacement) put(l *loader, tx *bolt.Tx, key resource.Key, value []byte) error {
	var same bool
	if kind := tx.Bucket(bucketResources).Bucket([]byte(key.Kind)); kind != nil {
		same = bytes.Equal(kind.Get(itemKey(key)), value)
	}
	if !same {
		s, err := decodeStored(value, true)
		if err != nil {
			return damaged(key, err)
		}
		s.version = r.entry.Index
		value = s.encode()
		r.changed++
	}
	return l.add(sectionResource, join(key.Kind, key.Namespace, key.Name), value)
}

// keep copies what stays of the old state: what is about the servers, and what is remembered of
// commands, so that one which is sent again is not applied again.
func (r *replacement) keep(l *loader, tx *bolt.Tx) error {
	resources := tx.Bucket(bucketResources)
	for _, name := range clusterKinds {
		kind := resources.Bucket([]byte(name))
		if kind == nil || name == Part {
			continue
		}
		err := kind.ForEach(func(k, v []byte) error {
			if name == Setting && bytes.Equal(k, itemKey(restoredKey())) {
				return nil
			}
			return l.add(sectionResource, bytes.Join([][]byte{[]byte(name), k}, []byte{0}), v)
		})
		if err != nil {
			return err
		}
	}
	err := tx.Bucket(bucketIDs).ForEach(func(k, v []byte) error { return l.add(sectionID, k, v) })
	if err != nil {
		return err
	}
	return tx.Bucket(bucketChunks).ForEach(func(k, v []byte) error { return l.add(sectionChunk, k, v) })
}

// describe turns the description of the old state into that of the new one.
func (r *replacement) describe(backup meta) {
	m := &r.meta
	h := sha256.New()
	for _, part := range [][]byte{m.hash[:], indexKey(r.entry.Index), r.cmd.ID[:], []byte("restore"), r.restore.Sum[:], backup.hash[:]} {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
		h.Write(part)
	}
	h.Sum(m.hash[:0])
	m.index, m.term = r.entry.Index, r.entry.Term
	m.latest, m.latestIndex = r.cmd.ID, r.entry.Index
	m.changes += r.changed
	if m.origin = backup.sealID(); m.origin == m.clusterID {
		m.origin = ""
	}
}

// danglingRefs says whether something is referred to that is not there.
func danglingRefs(tx *bolt.Tx) error {
	resources := tx.Bucket(bucketResources)
	return tx.Bucket(bucketRefs).ForEach(func(k, _ []byte) error {
		parts := bytes.Split(k, []byte{0})
		if len(parts) != 6 {
			return &contentError{errMalformed}
		}
		target := resource.Key{Kind: string(parts[0]), Namespace: string(parts[1]), Name: string(parts[2])}
		source := resource.Key{Kind: string(parts[3]), Namespace: string(parts[4]), Name: string(parts[5])}
		if kind := resources.Bucket(parts[0]); kind == nil || kind.Get(itemKey(target)) == nil {
			return &contentError{fmt.Errorf("%s refers to %s, which does not exist", source, target)}
		}
		return nil
	})
}
