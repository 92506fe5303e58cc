package state

import (
	"cmp"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"
)

// FileName is the name of the database in its directory.
const FileName = "state.db"

// closeTimeout is how long Close waits for views that are still open.
const closeTimeout = 5 * time.Second

// Options are the rarely needed settings of [Open].
type Options struct {
	// BootID identifies the boot of this machine. Default: what the kernel says. Where it
	// cannot be told, every unclean end leads to a rebuild.
	BootID string

	window int // for tests: how many ids of commands are remembered
}

// DB is the state of one node. Its methods may be called from several goroutines.
type DB struct {
	dir     string
	window  int    // how many ids of commands are remembered; the same on all nodes
	rebuilt string // why the state was begun anew

	applying sync.Mutex // held by Apply, Restore and Close; guards handle against change
	handle   *handle    // replaced under applying and mu
	unmarked string     // boot id that is not in the dirty file, because the disk is full; or ""

	mu     sync.Mutex // short: never held while anything waits
	meta   meta
	halted *HaltError
	closed bool

	feed    feed
	hashes  hashes
	waiters waiters
}

// handle is an open database file and how many use it. A restored state gets a new handle, and
// the last reader of the old one closes it.
type handle struct {
	bolt    *bolt.DB
	users   int
	retired bool
	drained chan struct{} // closed with the file; err is set then
	err     error
}

// Open opens or creates the state in dir, which is created with mode 0700 if needed. A state.db
// that is damaged, or was not closed before the machine went down, is deleted: [DB.Rebuilt] tells,
// and the caller brings the state back from a snapshot and the log. A state.db of a newer version
// of the program is an error and left alone. On a disk that is full a sound state.db is opened and
// can be read; it is written when there is space again.
//
// The caller makes sure that nobody else has the directory open.
func Open(dir string, opts Options) (*DB, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("state directory: %w", err)
	}
	if opts.BootID == "" {
		opts.BootID = kernelBootID()
	}
	db := &DB{dir: dir, window: cmp.Or(opts.window, dedupeWindow)}
	if err := os.Remove(db.newPath()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("unfinished state: %w", err)
	}
	reason, err := uncleanReason(dir, opts.BootID)
	if err != nil {
		return nil, err
	}
	if reason != "" {
		if err := db.discard(reason); err != nil {
			return nil, err
		}
	}
	marked := markDirty(dir, opts.BootID)
	if marked != nil && !NoSpace(marked) {
		return nil, marked
	}
	if marked != nil {
		db.unmarked = opts.BootID
	}
	if err := db.openFile(marked); err != nil {
		return nil, err
	}
	db.feed.floor = db.meta.index
	db.hashes.reset(db.meta)
	db.waiters.applied = db.meta.index
	return db, nil
}

func (db *DB) path() string    { return filepath.Join(db.dir, FileName) }
func (db *DB) newPath() string { return db.path() + ".new" }

// Rebuilt says why the state was begun anew by [Open], or "" if it was kept.
func (db *DB) Rebuilt() string { return db.rebuilt }

// Applied is the index of the last applied entry.
func (db *DB) Applied() uint64 { return db.current().index }

// AppliedTerm is the term of the last applied entry.
func (db *DB) AppliedTerm() uint64 { return db.current().term }

// ClusterID is the id of the cluster, or "" before the first command.
func (db *DB) ClusterID() string { return db.current().clusterID }

// SealID is what encrypted values are bound to: the first id of the cluster that they were encrypted
// in. It stays when the cluster gets another id, and comes back with a backup.
func (db *DB) SealID() string {
	m := db.current()
	return m.sealID()
}

// Hash is a rolling hash of all changes, in hexadecimal: equal on all nodes at equal index.
func (db *DB) Hash() string {
	m := db.current()
	return hex.EncodeToString(m.hash[:])
}

// Changelog describes all changes so far.
type Changelog struct {
	// Count is how many resources were put with new data or deleted.
	Count uint64
	// Hash is equal on all nodes at the same index, see [DB.Hash].
	Hash string
	// Latest is the id of the last command that changed something, in hexadecimal, or "".
	Latest string
	// LatestIndex is the entry of that command.
	LatestIndex uint64
}

// Changelog gives count, hash and latest change of one moment.
func (db *DB) Changelog() Changelog {
	m := db.current()
	c := Changelog{Count: m.changes, Hash: hex.EncodeToString(m.hash[:]), LatestIndex: m.latestIndex}
	if m.latestIndex > 0 {
		c.Latest = hex.EncodeToString(m.latest[:])
	}
	return c
}

// Halted says why this node stopped applying, or nil.
func (db *DB) Halted() error {
	db.mu.Lock()
	defer db.mu.Unlock()
	if db.halted == nil {
		return nil
	}
	return db.halted
}

func (db *DB) halt(err *HaltError) {
	db.mu.Lock()
	defer db.mu.Unlock()
	if db.halted == nil {
		db.halted = err
	}
}

func (db *DB) current() meta {
	db.mu.Lock()
	defer db.mu.Unlock()
	return db.meta
}

func (db *DB) isClosed() bool {
	db.mu.Lock()
	defer db.mu.Unlock()
	return db.closed
}

// publish makes a committed batch known.
func (db *DB) publish(m meta, changes []Change, hashes []hashAt) {
	db.hashes.add(hashes)
	db.mu.Lock()
	db.meta = m
	db.mu.Unlock()
	db.feed.publish(changes)
	db.waiters.reached(m.index)
}

// acquire takes a share in the current file; release gives it back.
func (db *DB) acquire() (*handle, error) {
	db.mu.Lock()
	defer db.mu.Unlock()
	if db.closed {
		return nil, ErrClosed
	}
	db.handle.users++
	return db.handle, nil
}

func (db *DB) release(h *handle) {
	db.mu.Lock()
	h.users--
	last := h.retired && h.users == 0
	db.mu.Unlock()
	if last {
		h.close()
	}
}

// retire closes the file of a handle once nobody uses it.
func (db *DB) retire(h *handle) {
	db.mu.Lock()
	h.retired = true
	last := h.users == 0
	db.mu.Unlock()
	if last {
		h.close()
	}
}

func (h *handle) close() {
	h.err = h.bolt.Close()
	close(h.drained)
}

// Sync writes everything applied so far to the disk.
func (db *DB) Sync() error {
	h, err := db.acquire()
	if err != nil {
		return err
	}
	defer db.release(h)
	if err := h.bolt.Sync(); err != nil {
		return &StorageError{err}
	}
	return nil
}

// Size is the size of the database file in bytes, free pages included.
func (db *DB) Size() int64 {
	h, err := db.acquire()
	if err != nil {
		return 0
	}
	defer db.release(h)
	var size int64
	_ = h.bolt.View(func(tx *bolt.Tx) error { // it returns what the function does: nil
		size = tx.Size()
		return nil
	})
	return size
}

// Close ends the use of the state: running calls of Apply are waited for, views up to 5 s,
// subscribers and waiters get [ErrClosed]. Closing twice is no error.
func (db *DB) Close() error {
	db.applying.Lock()
	defer db.applying.Unlock()
	db.mu.Lock()
	if db.closed {
		db.mu.Unlock()
		return nil
	}
	db.closed = true
	db.mu.Unlock()
	db.feed.close()
	db.waiters.close()
	h := db.handle
	synced := h.bolt.Sync()
	db.retire(h)
	select {
	case <-h.drained:
	case <-time.After(closeTimeout):
		return errors.New("close state: views are still open")
	}
	if err := errors.Join(synced, h.err); err != nil {
		return fmt.Errorf("close state: %w", err)
	}
	return markClean(db.dir)
}
