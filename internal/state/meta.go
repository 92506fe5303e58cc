package state

import (
	"cmp"
	"crypto/sha256"
	"fmt"

	bolt "go.etcd.io/bbolt"
)

// fileFormat is the layout of state.db that this version of the program reads and writes.
const fileFormat = 1

var metaKey = []byte("state")

// meta is what the state knows about itself; written in the transaction of each batch.
type meta struct {
	format      uint64
	index, term uint64 // last applied entry
	clusterID   string
	origin      string // what encrypted values are bound to, if not to clusterID
	taken       int64  // of a backup only: when it was made, nanoseconds since 1970
	changes     uint64 // how many resources were changed, ever
	hash        [sha256.Size]byte
	latest      [16]byte // id of the last command that changed something
	latestIndex uint64
	ids         uint64 // how many command ids are remembered
	forgot      uint64 // the last entry whose command id was forgotten
	chunkBytes  uint64
}

// metaTaken is a field that versions which do not know it skip.
const metaTaken = ignorable + 1

func (m *meta) encode() []byte {
	b := appendVarint(nil, 1, m.format)
	b = appendVarint(b, 2, m.index)
	b = appendVarint(b, 3, m.term)
	b = appendString(b, 4, m.clusterID)
	b = appendVarint(b, 5, m.changes)
	b = appendString(b, 6, m.hash[:])
	b = appendString(b, 7, m.latest[:])
	b = appendVarint(b, 8, m.latestIndex)
	b = appendVarint(b, 9, m.ids)
	b = appendVarint(b, 10, m.chunkBytes)
	b = appendString(b, 11, m.origin)
	b = appendVarint(b, 12, m.forgot)
	b = appendVarint(b, metaTaken, uint64(m.taken))
	return appendChecksum(b)
}

func decodeMeta(value []byte) (meta, error) {
	var m meta
	body, err := cutChecksum(value)
	if err != nil {
		return m, fmt.Errorf("description of the state: %w", err)
	}
	err = eachField(body, func(f field) (err error) {
		var b []byte
		switch f.number {
		case 1:
			m.format, err = f.varint()
		case 2:
			m.index, err = f.varint()
		case 3:
			m.term, err = f.varint()
		case 4:
			m.clusterID, err = f.string()
		case 5:
			m.changes, err = f.varint()
		case 6:
			if b, err = f.bytes(); copy(m.hash[:], b) != len(m.hash) {
				err = errMalformed
			}
		case 7:
			if b, err = f.bytes(); copy(m.latest[:], b) != len(m.latest) {
				err = errMalformed
			}
		case 8:
			m.latestIndex, err = f.varint()
		case 9:
			m.ids, err = f.varint()
		case 10:
			m.chunkBytes, err = f.varint()
		case 11:
			m.origin, err = f.string()
		case 12:
			m.forgot, err = f.varint()
		case metaTaken:
			var v uint64
			v, err = f.varint()
			m.taken = int64(v)
		default:
			return unknownField("the description of the state", f)
		}
		return err
	})
	return m, err
}

// sealID is what encrypted values are bound to.
func (m *meta) sealID() string { return cmp.Or(m.origin, m.clusterID) }

// rename gives the cluster an id; "" leaves it as it is.
func (m *meta) rename(id string) {
	if id == "" || id == m.clusterID {
		return
	}
	m.clusterID, m.origin = id, m.sealID()
	if m.origin == id {
		m.origin = ""
	}
}

func readMeta(tx *bolt.Tx) (meta, error) {
	bucket := tx.Bucket(bucketMeta)
	if bucket == nil {
		return meta{}, fmt.Errorf("description of the state: %w", errMalformed)
	}
	return decodeMeta(bucket.Get(metaKey))
}

func (m *meta) write(tx *bolt.Tx) error { return tx.Bucket(bucketMeta).Put(metaKey, m.encode()) }
