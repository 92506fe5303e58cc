package state

import (
	"fmt"
	"path/filepath"

	bolt "go.etcd.io/bbolt"

	"github.com/dgate-io/caddy-dgate/internal/state/boltfile"
)

// StoredNames lists the names of the resources of a kind in a state that nobody has open, without
// changing anything. It is for deciding what to do with a directory that cannot be opened.
func StoredNames(dir, kind string) (names []string, err error) {
	path := filepath.Join(dir, FileName)
	report, err := boltfile.Check(path)
	if err != nil {
		return nil, &damageError{err}
	}
	if report.Size == 0 {
		return nil, nil
	}
	opts := boltOptions()
	opts.ReadOnly, opts.InitialMmapSize = true, 0
	b, err := bolt.Open(path, 0o600, opts)
	if err != nil {
		return nil, fmt.Errorf("open state: %w", err)
	}
	err = b.View(func(tx *bolt.Tx) error {
		resources := tx.Bucket(bucketResources)
		if resources == nil {
			return nil
		}
		bucket := resources.Bucket([]byte(kind))
		if bucket == nil {
			return nil
		}
		return bucket.ForEach(func(k, _ []byte) error {
			key, ok := splitItemKey(kind, k)
			if !ok {
				return errMalformed
			}
			names = append(names, key.Name)
			return nil
		})
	})
	if closed := b.Close(); err == nil {
		err = closed
	}
	return names, err
}
