package state

import (
	"encoding/binary"
	"errors"
	"fmt"

	bolt "go.etcd.io/bbolt"

	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// dedupeWindow is how many command ids are remembered. It is counted in commands and not in
// time, so that all nodes forget the same ones.
const dedupeWindow = 65_536

// ErrForgotten is in the error of a command that was tried so long ago that nobody can tell any more
// whether it was applied then. It is not applied now.
var ErrForgotten = errors.New("it is not remembered whether the command was applied")

// forgotten refuses a command that may have been applied before: its id is not remembered, and ids are
// forgotten of entries behind those that its proposer had when it tried for the first time. That is the
// same on every node.
func (m *meta) forgotten(cmd *Command) error {
	if cmd.ID == [16]byte{} || cmd.Since >= m.forgot {
		return nil
	}
	return &resource.Error{
		Code: resource.OutcomeUnknown, Err: ErrForgotten,
		Message: fmt.Sprintf("it is not known whether the change was made: it was first tried when the log ended at %d, and what became of changes up to %d is forgotten", cmd.Since, m.forgot),
	}
}

// What an id is stored with: the index, and per operation the flags and the version. Failed
// commands are not remembered: they left nothing, so running one again is a first run.
const (
	flagCreated = 1
	flagChanged = 2
)

// Outcome answers a command that this node has applied, as [DB.Apply] would answer it a second
// time: false if it is not among the last ones that changed something. A command that was refused is
// not remembered.
func (db *DB) Outcome(cmd *Command) (outcome Outcome, known bool, err error) {
	written := make([]Record, len(cmd.Ops))
	for i, op := range cmd.Ops {
		written[i] = Record{Key: op.Key, Data: op.Data, CreatedAt: cmd.Time, UpdatedAt: cmd.Time}
	}
	err = db.View(func(r *Reader) error {
		o, err := remembered(r.tx, cmd.ID, written)
		if o != nil {
			outcome, known = *o, true
		}
		return err
	})
	return outcome, known, err
}

// written are what the operations of a decoded command were to leave.
func (c *Command) written() (records []Record) {
	for _, ch := range c.changes {
		if !ch.typ.ofCluster() {
			records = append(records, Record{Key: ch.key, Data: ch.data, CreatedAt: c.Time, UpdatedAt: c.Time, Print: ch.print})
		}
	}
	return records
}

// remembered answers a command that was applied before; nil if it was not. The records are what it
// has written, whatever others have made of the resources since: whoever takes the version in an
// answer for that of what he wrote would otherwise overwrite what he has never seen.
func remembered(tx *bolt.Tx, id [16]byte, written []Record) (*Outcome, error) {
	if id == [16]byte{} {
		return nil, nil
	}
	value := tx.Bucket(bucketIDs).Get(id[:])
	if value == nil {
		return nil, nil
	}
	index, n := binary.Uvarint(value)
	if n <= 0 {
		return nil, fmt.Errorf("remembered command: %w", errMalformed)
	}
	outcome := &Outcome{Index: index}
	value = value[n:]
	for _, own := range written {
		flags, n := binary.Uvarint(value)
		version, m := binary.Uvarint(value[max(n, 0):])
		if n <= 0 || m <= 0 {
			return otherCommand(index), nil
		}
		value = value[n+m:]
		result := OpResult{Created: flags&flagCreated != 0, Changed: flags&flagChanged != 0, Version: version, Record: Record{Key: own.Key}}
		if err := checkKey(own.Key); err != nil {
			return otherCommand(index), nil
		}
		if s, err := getStored(tx, own.Key); err != nil {
			return nil, err
		} else if s != nil && s.version == version {
			result.Record = s.record(own.Key)
		} else if own.Data != nil {
			if s != nil && !result.Created {
				own.CreatedAt = s.record(own.Key).CreatedAt
			}
			result.Record, result.Record.Version = own, version
		}
		outcome.Results = append(outcome.Results, result)
	}
	if len(value) > 0 {
		return otherCommand(index), nil
	}
	return outcome, nil
}

// otherCommand is the outcome of a command whose id another one has had.
func otherCommand(index uint64) *Outcome {
	return &Outcome{Index: index, Err: resource.Errorf(resource.Conflict, "another command had the same id, at index %d", index)}
}

// remember stores the outcome of a command under its id and forgets the oldest one.
func (b *batch) remember(id [16]byte, outcome *Outcome) error {
	if id == [16]byte{} {
		return nil
	}
	value := binary.AppendUvarint(nil, outcome.Index)
	for _, r := range outcome.Results {
		var flags uint64
		if r.Created {
			flags |= flagCreated
		}
		if r.Changed {
			flags |= flagChanged
		}
		value = binary.AppendUvarint(binary.AppendUvarint(value, flags), r.Version)
	}
	ids, order := b.tx.Bucket(bucketIDs), b.tx.Bucket(bucketIDOrder)
	if err := ids.Put(id[:], value); err != nil {
		return err
	}
	if err := order.Put(indexKey(outcome.Index), id[:]); err != nil {
		return err
	}
	b.meta.ids++
	for b.meta.ids > uint64(b.window) {
		key, old := order.Cursor().First()
		if key == nil {
			return fmt.Errorf("order of command ids: %w", errMalformed)
		}
		if err := ids.Delete(old); err != nil {
			return err
		}
		if err := order.Delete(key); err != nil {
			return err
		}
		b.meta.ids--
		b.meta.forgot = max(b.meta.forgot, binary.BigEndian.Uint64(key))
	}
	return nil
}

// rememberedIndex reads the entry of a remembered command, or says that the value is malformed.
func rememberedIndex(value []byte) (uint64, bool) {
	index, n := binary.Uvarint(value)
	return index, n > 0
}
