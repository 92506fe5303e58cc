package state

import (
	"bytes"
	"context"
	"iter"

	bolt "go.etcd.io/bbolt"

	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// Reader reads one consistent state. It is valid only inside the function given to [DB.View].
type Reader struct {
	tx *bolt.Tx
}

// View calls fn with the state as it is now; changes made meanwhile are not seen. The error is
// that of fn, or [ErrClosed]. Keep views short: never wait for the network, a script, another
// view or a change inside of one.
func (db *DB) View(fn func(*Reader) error) error {
	h, err := db.acquire()
	if err != nil {
		return err
	}
	defer db.release(h)
	return h.bolt.View(func(tx *bolt.Tx) error { return fn(&Reader{tx}) })
}

// Index is the last entry that the state contains.
func (r *Reader) Index() uint64 {
	m, err := readMeta(r.tx)
	if err != nil {
		return 0 // damaged since it was opened; who follows from here is told to read everything
	}
	return m.index
}

// Get reads one resource; false if it does not exist. The record may be kept.
func (r *Reader) Get(key resource.Key) (Record, bool, error) {
	bucket := r.tx.Bucket(bucketResources).Bucket([]byte(key.Kind))
	if bucket == nil {
		return Record{}, false, nil
	}
	value := bucket.Get(itemKey(key))
	if value == nil {
		return Record{}, false, nil
	}
	s, err := decodeStored(value, false)
	if err != nil {
		return Record{}, false, damaged(key, err)
	}
	return s.record(key), true, nil
}

// List reads the resources of a kind and namespace, ordered by namespace and name. Namespace ""
// is all of them. The records may be kept. After an error the listing is over.
func (r *Reader) List(kind, namespace string) iter.Seq2[Record, error] {
	if namespace == "" {
		return r.list(context.Background(), kind, nil, 0)
	}
	return r.list(context.Background(), kind, join(namespace, ""), 0)
}

// Page is List for names that begin with prefix, from the one after so many others on. For the
// documents of a collection, prefix is [resource.InThatCollection]. What is left out is not read,
// but walked over; that ends with the error of ctx if ctx does.
func (r *Reader) Page(ctx context.Context, kind, namespace, prefix string, offset int) iter.Seq2[Record, error] {
	return r.list(ctx, kind, join(namespace, prefix), offset)
}

// walkedAtOnce is how many keys are walked over before somebody asks whether to go on.
const walkedAtOnce = 4096

// Count is how many resources Page would list without an offset.
func (r *Reader) Count(kind, namespace, prefix string) int {
	bucket := r.tx.Bucket(bucketResources).Bucket([]byte(kind))
	if bucket == nil {
		return 0
	}
	n, beginning, cursor := 0, join(namespace, prefix), bucket.Cursor()
	for k, _ := cursor.Seek(beginning); k != nil && bytes.HasPrefix(k, beginning); k, _ = cursor.Next() {
		n++
	}
	return n
}

// list reads the resources whose keys in the database begin with prefix.
func (r *Reader) list(ctx context.Context, kind string, prefix []byte, offset int) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		bucket := r.tx.Bucket(bucketResources).Bucket([]byte(kind))
		if bucket == nil {
			return
		}
		cursor, skip := bucket.Cursor(), offset
		for k, v := cursor.Seek(prefix); k != nil && bytes.HasPrefix(k, prefix); k, v = cursor.Next() {
			if skip > 0 {
				if skip--; skip%walkedAtOnce == 0 && ctx.Err() != nil {
					yield(Record{}, context.Cause(ctx))
					return
				}
				continue
			}
			key, ok := splitItemKey(kind, k)
			if !ok {
				yield(Record{}, damaged(resource.Key{Kind: kind}, errMalformed))
				return
			}
			s, err := decodeStored(v, false)
			if err != nil {
				yield(Record{}, damaged(key, err))
				return
			}
			if !yield(s.record(key), nil) {
				return
			}
		}
	}
}
