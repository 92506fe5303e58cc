package state

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"

	bolt "go.etcd.io/bbolt"

	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// Restore is a change that replaces everything that users of the cluster own by a backup. The bytes
// of the backup are resources of the kind [Part] by then, in the namespace ID and ordered by name;
// they are gone afterwards, as are those of other backups. Members, sessions, locks and settings
// stay. What is different from before gets the index as its version.
//
// It is refused, and nothing happens, with the code conflict if the parts are not all there, and
// validation_failed if there is something wrong in them. So all nodes restore, or none.
type Restore struct {
	// ID tells backups that are on their way apart; at most 1 KiB, without zero bytes.
	ID string
	// Sum is the SHA-256 of the bytes of the backup.
	Sum [sha256.Size]byte
}

// PartSize is how many bytes of a backup one [Part] can have, so that it is one entry of the log.
const PartSize = chunkSize

// PutPart makes the operation that stores a piece of a backup; number counts from 0.
func (r *Restore) PutPart(number int, data []byte) Op {
	return Op{Key: resource.Key{Kind: Part, Namespace: r.ID, Name: fmt.Sprintf("%08d", number)}, Data: data}
}

// changes are what travels.
func (r *Restore) changes(c *Command) ([]change, error) {
	if len(c.Ops) > 0 || c.ClusterID != "" {
		return nil, resource.Errorf(resource.BadRequest, "a backup must be restored by a command of its own")
	}
	if r.ID == "" || checkKey(r.PutPart(0, nil).Key) != nil {
		return nil, resource.Errorf(resource.BadRequest, "a backup to restore must have an id")
	}
	return []change{{typ: restoreBackup, key: resource.Key{Kind: Part, Name: r.ID}, data: r.Sum[:]}}, nil
}

// restore is what a change was made of.
func (c change) restore() *Restore {
	r := &Restore{ID: c.key.Name}
	copy(r.Sum[:], c.data)
	return r
}

// restores gives the backup that a decoded command replaces everything by, or nil.
func (c *Command) restores() *Restore {
	if len(c.changes) != 1 || c.changes[0].typ != restoreBackup {
		return nil
	}
	return c.changes[0].restore()
}

// replaces tells an entry that restores a backup, after a look at the type of its first change.
func replaces(entry []byte) bool {
	if len(entry) == 0 || entry[0] != formatPlain {
		return false
	}
	var typ uint64
	looked := errors.New("that is enough")
	err := eachField(entry[1:], func(f field) error {
		if f.number != envChange {
			return nil
		}
		return cmp.Or(eachField(f.data, func(f field) error {
			typ = f.num
			return looked
		}), looked)
	})
	if !errors.Is(err, looked) || changeType(typ) != restoreBackup {
		return false
	}
	env, err := decodeEnvelope(entry)
	return err == nil && env.command.restores() != nil
}

// partReader reads the parts of a backup one after the other.
type partReader struct {
	cursor *bolt.Cursor
	prefix []byte
	next   []byte // key of the next part
	value  []byte // its value
	rest   []byte // of the part that is being read
	sum    hash.Hash
	err    error // of a part that cannot be read
}

func newPartReader(tx *bolt.Tx, id string) *partReader {
	p := &partReader{prefix: join(id, ""), sum: sha256.New()}
	if kind := tx.Bucket(bucketResources).Bucket([]byte(Part)); kind != nil {
		p.cursor = kind.Cursor()
		p.next, p.value = p.cursor.Seek(p.prefix)
	}
	return p
}

// Read implements io.Reader.
func (p *partReader) Read(b []byte) (int, error) {
	for len(p.rest) == 0 {
		if p.err != nil {
			return 0, p.err
		}
		if p.next == nil || !bytes.HasPrefix(p.next, p.prefix) {
			return 0, io.EOF
		}
		s, err := decodeStored(p.value, false)
		if err != nil {
			p.err = damaged(resource.Key{Kind: Part, Name: string(p.next)}, err)
			return 0, p.err
		}
		p.sum.Write(s.data)
		p.rest = s.data
		p.next, p.value = p.cursor.Next()
	}
	n := copy(b, p.rest)
	p.rest = p.rest[n:]
	return n, nil
}

// matches reads what is left and says whether all of it is what it should be.
func (p *partReader) matches(sum [sha256.Size]byte) bool {
	_, err := io.Copy(io.Discard, p)
	return err == nil && slices.Equal(p.sum.Sum(nil), sum[:])
}
