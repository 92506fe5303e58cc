package state

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	bolt "go.etcd.io/bbolt"
)

// Restore replaces the state by a snapshot. The snapshot is written to a file of its own and
// verified to the last byte first; if anything is wrong with it the state stays as it is. Views
// that are open go on reading the old state. Subscribers are told to read everything again.
func (db *DB) Restore(r io.Reader) error {
	db.applying.Lock()
	defer db.applying.Unlock()
	if db.isClosed() {
		return ErrClosed
	}
	b, m, err := db.build(r)
	if err != nil {
		return fmt.Errorf("restore snapshot: %w", err)
	}
	db.mu.Lock()
	db.halted = nil
	db.mu.Unlock()
	db.swap(b, m)
	if err := syncDir(db.dir); err != nil {
		return fmt.Errorf("restore snapshot: %w", err)
	}
	return nil
}

// swap goes on with another file, which is at its place already; the caller holds applying. Who
// reads the old one can go on.
func (db *DB) swap(b *bolt.DB, m meta) {
	old := db.handle
	db.hashes.reset(m) // before [DB.HashAt] looks for it
	db.mu.Lock()
	db.handle, db.meta = &handle{bolt: b, drained: make(chan struct{})}, m
	db.mu.Unlock()
	db.retire(old)
	db.feed.reset(m.index)
	db.waiters.reached(m.index)
}

// build makes state.db of a snapshot, in place of the old one.
func (db *DB) build(r io.Reader) (*bolt.DB, meta, error) {
	if err := os.Remove(db.newPath()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, meta{}, err
	}
	b, err := bolt.Open(db.newPath(), 0o600, boltOptions())
	if err != nil {
		return nil, meta{}, err
	}
	m, err := load(b, r)
	if err == nil {
		err = b.Sync()
	}
	if err == nil {
		err = os.Rename(db.newPath(), db.path())
	}
	if err != nil {
		return nil, m, errors.Join(err, b.Close(), os.Remove(db.newPath()))
	}
	return b, m, nil
}

// load fills an empty database from a snapshot.
func load(b *bolt.DB, r io.Reader) (m meta, err error) {
	l := &loader{db: b}
	if err := b.Update(func(tx *bolt.Tx) error { return create(tx, &meta{format: fileFormat}) }); err != nil {
		return m, err
	}
	defer l.rollback()
	if m, err = readSnapshot(r, snapshotMagic, l.add); err != nil {
		return m, err
	}
	if err := l.begin(); err != nil {
		return m, err
	}
	if m.ids != l.ids {
		return m, fmt.Errorf("it has %d command ids instead of %d", l.ids, m.ids)
	}
	if m.chunkBytes, err = countChunks(l.tx); err != nil {
		return m, err
	}
	if err := m.write(l.tx); err != nil {
		return m, err
	}
	return m, l.commit()
}

// loader writes records in transactions of a bounded size.
type loader struct {
	db    *bolt.DB
	tx    *bolt.Tx
	bytes int
	ids   uint64
}

// loadBatch is how many bytes are written in one transaction.
const loadBatch = 4 << 20

func (l *loader) begin() (err error) {
	if l.tx == nil {
		l.tx, err = l.db.Begin(true)
	}
	return err
}

func (l *loader) commit() error {
	err := l.tx.Commit()
	l.tx, l.bytes = nil, 0
	return err
}

func (l *loader) rollback() {
	if l.tx != nil {
		_ = l.tx.Rollback() // fails only if it was committed
	}
}

// add writes one record of a snapshot.
func (l *loader) add(s section, key, value []byte) error {
	if err := l.begin(); err != nil {
		return err
	}
	if err := l.put(s, key, value); err != nil {
		return err
	}
	if l.bytes += len(key) + len(value); l.bytes > loadBatch {
		return l.commit()
	}
	return nil
}

func (l *loader) put(s section, key, value []byte) error {
	switch s {
	case sectionResource:
		return l.putResource(key, value)
	case sectionID:
		l.ids++
		index, ok := rememberedIndex(value)
		if !ok || len(key) != 16 {
			return errMalformed
		}
		if err := l.tx.Bucket(bucketIDOrder).Put(indexKey(index), key); err != nil {
			return err
		}
		return l.tx.Bucket(bucketIDs).Put(key, value)
	default: // sectionChunk, as readSnapshot lets no others pass
		header, data, err := cutChunkHeader(value)
		if err != nil {
			return err
		}
		if sum := sha256.Sum256(data); !bytes.Equal(sum[:], key) {
			return errors.New("a chunk does not have its hash")
		}
		if err := l.tx.Bucket(bucketChunkOrder).Put(indexKey(header.index), key); err != nil {
			return err
		}
		return l.tx.Bucket(bucketChunks).Put(key, value)
	}
}

func (l *loader) putResource(recordKey, value []byte) error {
	kind, item, ok := strings.Cut(string(recordKey), "\x00")
	key, ok2 := splitItemKey(kind, []byte(item))
	if !ok || !ok2 || checkKey(key) != nil {
		return errMalformed
	}
	stored, err := decodeStored(value, true)
	if err != nil {
		return damaged(key, err)
	}
	c := change{typ: putResource, key: key, refs: stored.refs, claims: stored.claims}
	if err := c.check(); err != nil {
		return damaged(key, err)
	}
	bucket, err := l.tx.Bucket(bucketResources).CreateBucketIfNotExists([]byte(kind))
	if err != nil {
		return err
	}
	bucket.FillPercent = 0.9 // keys come in order
	if err := bucket.Put(itemKey(key), value); err != nil {
		return err
	}
	for _, c := range stored.claims {
		if owner := l.tx.Bucket(bucketClaims).Get(claimKey(key, c.Token)); owner != nil && string(owner) != key.Name {
			return &contentError{fmt.Errorf("%s and %s claim the same", key, owner)}
		}
	}
	return link(l.tx, key, stored)
}
