package state

import (
	"encoding/json"
	"fmt"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// Restored describes the backup that was restored last.
type Restored struct {
	// ID is that of the [Restore].
	ID string `json:"id"`
	// ClusterID and Index say what it was a backup of.
	ClusterID string `json:"cluster"`
	Index     uint64 `json:"index"`
	// Taken is when it was made, UTC.
	Taken time.Time `json:"taken"`
	// At is when it was restored, UTC.
	At time.Time `json:"at"`
}

// restoredKey is where it is stored.
func restoredKey() resource.Key { return resource.Key{Kind: Setting, Name: "restored"} }

// LastRestore describes the backup that was restored last; false if there was none.
func (db *DB) LastRestore() (restored Restored, found bool, err error) {
	err = db.View(func(r *Reader) error {
		rec, ok, err := r.Get(restoredKey())
		if err != nil || !ok {
			return err
		}
		found = true
		if err := json.Unmarshal(rec.Data, &restored); err != nil {
			return fmt.Errorf("stored %s: %w", restoredKey(), err)
		}
		return nil
	})
	return restored, found, err
}

// note writes what is being restored.
func (r *replacement) note(tx *bolt.Tx, backup meta) error {
	header, at := backup.header(), r.cmd.Time.UTC()
	data, err := json.Marshal(Restored{ID: r.restore.ID, ClusterID: header.ClusterID, Index: header.Index, Taken: header.Taken, At: at})
	if err != nil {
		return &contentError{err} // a time that has no text: the same on every node
	}
	kind, err := tx.Bucket(bucketResources).CreateBucketIfNotExists([]byte(restoredKey().Kind))
	if err != nil {
		return err
	}
	s := &stored{created: at.UnixNano(), updated: at.UnixNano(), version: r.entry.Index, data: data}
	return kind.Put(itemKey(restoredKey()), s.encode())
}
