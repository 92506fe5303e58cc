package state

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"strings"

	"github.com/klauspost/compress/zstd"
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
	fresh := &handle{bolt: b, drained: make(chan struct{})}
	old := db.handle
	db.mu.Lock()
	db.handle, db.meta, db.halted = fresh, m, nil
	db.mu.Unlock()
	db.retire(old)
	db.feed.reset(m.index)
	db.waiters.reached(m.index)
	if err := syncDir(db.dir); err != nil {
		return fmt.Errorf("restore snapshot: %w", err)
	}
	return nil
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
	if m, err = readSnapshot(r, l.add); err != nil {
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
			return fmt.Errorf("%s and %s claim the same", key, owner)
		}
	}
	return link(l.tx, key, stored)
}

// ReadSnapshotHeader reads what a snapshot is of. It does not verify the rest.
func ReadSnapshotHeader(r io.Reader) (SnapshotHeader, error) {
	m, err := readHeader(bufio.NewReader(r), sha256.New())
	if err != nil {
		return SnapshotHeader{}, fmt.Errorf("read snapshot: %w", err)
	}
	return m.header(), nil
}

// VerifySnapshot reads a whole snapshot and says whether it is complete and undamaged.
func VerifySnapshot(r io.Reader) (SnapshotHeader, error) {
	m, err := readSnapshot(r, func(section, []byte, []byte) error { return nil })
	if err != nil {
		return SnapshotHeader{}, fmt.Errorf("read snapshot: %w", err)
	}
	return m.header(), nil
}

// byteReader is what the header is read from.
type byteReader interface {
	io.Reader
	io.ByteReader
}

// readHeader reads everything before the compressed part.
func readHeader(r byteReader, sum hash.Hash) (meta, error) {
	start := make([]byte, len(snapshotMagic)+1)
	if _, err := io.ReadFull(r, start); err != nil {
		return meta{}, cutOff(err)
	}
	if string(start[:len(snapshotMagic)]) != snapshotMagic {
		return meta{}, errors.New("it is not a snapshot")
	}
	if v := start[len(snapshotMagic)]; v != snapshotVersion {
		return meta{}, unknownf("it has the unknown version %d", v)
	}
	sum.Write(start)
	msg, err := readMessage(r, sum, maxHeader)
	if err != nil {
		return meta{}, err
	}
	m, err := decodeMeta(msg)
	if err == nil && m.format != fileFormat {
		err = unknownf("it has the unknown format %d", m.format)
	}
	return m, err
}

// readSnapshot reads a snapshot to its end and calls add for every record. Only when it returns
// without an error is the snapshot sound. It allocates little more than the largest record,
// whatever the input says.
func readSnapshot(r io.Reader, add func(s section, key, value []byte) error) (meta, error) {
	sum := sha256.New()
	in := bufio.NewReaderSize(r, 64<<10)
	m, err := readHeader(in, sum)
	if err != nil {
		return m, err
	}
	dec, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(8<<20), zstd.WithDecoderLowmem(true))
	if err != nil {
		return m, err
	}
	defer dec.Close()
	body := bufio.NewReaderSize(dec, 64<<10)
	var count uint64
	var lastSection section
	var lastKey []byte
	for {
		msg, err := readMessage(body, sum, maxRecord)
		if err != nil {
			return m, err
		}
		if len(msg) == 0 {
			break
		}
		count++
		s, key, value, err := decodeRecord(msg)
		if err != nil {
			return m, err
		}
		if s < lastSection || s == lastSection && bytes.Compare(key, lastKey) <= 0 {
			return m, errors.New("its records are out of order")
		}
		lastSection, lastKey = s, append(lastKey[:0], key...)
		if err := add(s, key, value); err != nil {
			return m, err
		}
	}
	return m, readTrailer(body, sum, count)
}

func readTrailer(body io.Reader, sum hash.Hash, count uint64) error {
	trailer := make([]byte, 8+sha256.Size)
	if _, err := io.ReadFull(body, trailer); err != nil {
		return cutOff(err)
	}
	sum.Write(trailer[:8])
	switch {
	case binary.BigEndian.Uint64(trailer) != count:
		return errors.New("records are missing")
	case !bytes.Equal(sum.Sum(nil), trailer[8:]):
		return errors.New("its checksum does not match: the bytes are damaged")
	}
	if n, err := io.CopyN(io.Discard, body, 1); n != 0 || !errors.Is(err, io.EOF) {
		return errors.New("there is more after its end")
	}
	return nil
}

func decodeRecord(msg []byte) (s section, key, value []byte, err error) {
	err = eachField(msg, func(f field) (err error) {
		switch f.number {
		case 1:
			var v uint64
			v, err = f.varint()
			s = section(v)
		case 2:
			key, err = f.bytes()
		case 3:
			value, err = f.bytes()
		default:
			return unknownField("a record", f)
		}
		return err
	})
	if err == nil && (s < sectionResource || s > sectionChunk) {
		err = unknownf("it has the unknown section %d", s)
	}
	return s, key, value, err
}

// readMessage reads a length and so many bytes, and hashes both. It allocates as the bytes come,
// not as the length says.
func readMessage(r byteReader, sum hash.Hash, limit uint64) ([]byte, error) {
	size, err := binary.ReadUvarint(r)
	if err != nil {
		return nil, cutOff(err)
	}
	if size > limit {
		return nil, fmt.Errorf("it has a record of %d bytes", size)
	}
	sum.Write(binary.AppendUvarint(nil, size))
	var buf bytes.Buffer
	if n, err := io.CopyN(&buf, r, int64(size)); err != nil || n != int64(size) {
		return nil, cutOff(err)
	}
	sum.Write(buf.Bytes())
	return buf.Bytes(), nil
}

func cutOff(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("it ends too early")
	}
	return err
}
