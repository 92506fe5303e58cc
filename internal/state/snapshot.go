package state

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"io"
	"time"

	"github.com/klauspost/compress/zstd"
	bolt "go.etcd.io/bbolt"
)

// A snapshot is, in this order:
//
//	magic     8 bytes, others for a backup
//	version   1 byte
//	header    length as uvarint, then a message: the meta of the state
//	body      zstd: records, each a length as uvarint and a message; a length of 0; the count of
//	          records as 8 bytes; the SHA-256 of everything before it, uncompressed
//
// A record is a section, a key and a value. Sections come in the order of their numbers, and the
// keys of a section in theirs. What can be derived, the indexes, is not in it.
const (
	snapshotMagic   = "dgatesnp"
	backupMagic     = "dgatebak"
	snapshotVersion = 1

	maxHeader = 64 << 10
	// maxRecord bounds a record: a whole command of one resource, and some.
	maxRecord = MaxCommandSize + 1<<20
)

type section uint64

const (
	sectionResource section = 1 // key: kind 0 namespace 0 name
	sectionID       section = 2
	sectionChunk    section = 3
)

// SnapshotHeader says what a snapshot or a backup is of.
type SnapshotHeader struct {
	// Index and Term are those of the last entry in it.
	Index, Term uint64
	// ClusterID names the cluster that it belongs to.
	ClusterID string
	// SealID is what the encrypted values in it are bound to, see [DB.SealID].
	SealID string
	// Taken is when a backup was made, UTC. It is zero for a snapshot.
	Taken time.Time
}

// Snapshot is the state at one moment. It keeps the database from reusing space: release it soon.
type Snapshot struct {
	db     *DB
	handle *handle
	tx     *bolt.Tx
	meta   meta
}

// BeginSnapshot takes a snapshot, in no time: it is written while changes go on. On a halted node
// it fails with a *[HaltError], because the log must keep what was not applied.
func (db *DB) BeginSnapshot() (*Snapshot, error) {
	if err := db.Halted(); err != nil {
		return nil, err
	}
	return db.beginSnapshot()
}

func (db *DB) beginSnapshot() (*Snapshot, error) {
	h, err := db.acquire()
	if err != nil {
		return nil, err
	}
	tx, err := h.bolt.Begin(false)
	if err != nil {
		db.release(h)
		return nil, fmt.Errorf("snapshot: %w", err)
	}
	s := &Snapshot{db: db, handle: h, tx: tx}
	if s.meta, err = readMeta(tx); err != nil {
		s.Release()
		return nil, fmt.Errorf("snapshot: %w", err)
	}
	return s, nil
}

// Snapshot writes a snapshot of the state to w and says what it is of.
func (db *DB) Snapshot(w io.Writer) (SnapshotHeader, error) {
	s, err := db.BeginSnapshot()
	if err != nil {
		return SnapshotHeader{}, err
	}
	defer s.Release()
	return s.Header(), s.Write(w)
}

// Header says what the snapshot is of.
func (s *Snapshot) Header() SnapshotHeader { return s.meta.header() }

func (m *meta) header() SnapshotHeader {
	h := SnapshotHeader{Index: m.index, Term: m.term, ClusterID: m.clusterID, SealID: m.sealID()}
	if m.taken != 0 {
		h.Taken = time.Unix(0, m.taken).UTC()
	}
	return h
}

// Release must be called once, after the last use.
func (s *Snapshot) Release() {
	if s.tx == nil {
		return
	}
	_ = s.tx.Rollback() // of a transaction that only reads: it fails when called twice
	s.tx = nil
	s.db.release(s.handle)
}

// Write writes the snapshot.
func (s *Snapshot) Write(w io.Writer) error {
	if err := writeFramed(w, snapshotMagic, &s.meta, s.sections); err != nil {
		return fmt.Errorf("write snapshot: %w", err)
	}
	return nil
}

// writeFramed writes what comes before records and after them, and what sections writes between.
func writeFramed(w io.Writer, magic string, m *meta, sections func(*recordWriter) error) error {
	sum := sha256.New()
	header := append([]byte(magic), snapshotVersion)
	described := m.encode()
	header = append(binary.AppendUvarint(header, uint64(len(described))), described...)
	sum.Write(header)
	if _, err := w.Write(header); err != nil {
		return err
	}
	enc, err := zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20))
	if err != nil {
		return err
	}
	defer enc.Close() // a second call is harmless; errors are reported by the one below
	body := bufio.NewWriterSize(enc, 64<<10)
	out := &recordWriter{w: body, sum: sum}
	if err := sections(out); err != nil {
		return err
	}
	if err := out.finish(); err != nil {
		return err
	}
	if err := body.Flush(); err != nil {
		return err
	}
	return enc.Close()
}

// sections writes all records.
func (s *Snapshot) sections(out *recordWriter) error {
	if err := s.resources(out, func(string) bool { return true }); err != nil {
		return err
	}
	for _, part := range []struct {
		section section
		bucket  []byte
	}{{sectionID, bucketIDs}, {sectionChunk, bucketChunks}} {
		err := s.tx.Bucket(part.bucket).ForEach(func(k, v []byte) error {
			return out.record(part.section, k, v)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// resources writes those of the kinds that are wanted.
func (s *Snapshot) resources(out *recordWriter, wanted func(kind string) bool) error {
	resources := s.tx.Bucket(bucketResources)
	return resources.ForEachBucket(func(kind []byte) error {
		if !wanted(string(kind)) {
			return nil
		}
		return resources.Bucket(kind).ForEach(func(k, v []byte) error {
			return out.record(sectionResource, bytes.Join([][]byte{kind, k}, []byte{0}), v)
		})
	})
}

// recordWriter counts and hashes what it writes.
type recordWriter struct {
	w     io.Writer
	sum   hash.Hash
	count uint64
	buf   []byte
}

func (w *recordWriter) write(b []byte) error {
	w.sum.Write(b)
	_, err := w.w.Write(b)
	return err
}

func (w *recordWriter) record(s section, key, value []byte) error {
	msg := appendVarint(w.buf[:0], 1, uint64(s))
	msg = appendString(msg, 2, key)
	msg = appendString(msg, 3, value)
	w.buf = msg
	w.count++
	if err := w.write(binary.AppendUvarint(nil, uint64(len(msg)))); err != nil {
		return err
	}
	return w.write(msg)
}

func (w *recordWriter) finish() error {
	if err := w.write([]byte{0}); err != nil {
		return err
	}
	if err := w.write(binary.BigEndian.AppendUint64(nil, w.count)); err != nil {
		return err
	}
	_, err := w.w.Write(w.sum.Sum(nil))
	return err
}
