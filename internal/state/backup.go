package state

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// Backup writes what the users of the cluster own, with their encrypted keys, jobs and certificate
// files, as of one moment; changes go on meanwhile. It also works on a halted node. The members of
// the cluster, what they have locked, and the ids of commands are not in it. The format is that of a
// snapshot with a magic of its own. The time is told by [SnapshotHeader].
func (db *DB) Backup(w io.Writer, at time.Time) (SnapshotHeader, error) {
	s, err := db.beginSnapshot()
	if err != nil {
		return SnapshotHeader{}, err
	}
	defer s.Release()
	m := s.meta
	m.ids, m.forgot, m.chunkBytes, m.taken = 0, 0, 0, at.UnixNano()
	err = writeFramed(w, backupMagic, &m, func(out *recordWriter) error {
		return s.resources(out, func(kind string) bool { return !slices.Contains(clusterKinds, kind) })
	})
	if err != nil {
		return SnapshotHeader{}, fmt.Errorf("write backup: %w", err)
	}
	return m.header(), nil
}

// VerifyBackup reads a whole backup and says whether it is complete and undamaged, and whether this
// version of the program understands every resource in it. It counts them by kind.
func VerifyBackup(r io.Reader) (SnapshotHeader, map[string]int, error) {
	counts := map[string]int{}
	m, err := readBackup(r, func(key resource.Key, value []byte) error {
		counts[key.Kind]++
		if Internal(key.Kind) {
			return nil
		}
		s, err := decodeStored(value, false)
		if err == nil {
			_, err = s.record(key).Object()
		}
		return err
	})
	if err != nil {
		return SnapshotHeader{}, nil, fmt.Errorf("read backup: %w", err)
	}
	return m.header(), counts, nil
}

// readBackup calls add for every resource of a backup. It fails when anything is wrong with the
// backup as such; what a kind means is not its business.
func readBackup(r io.Reader, add func(key resource.Key, value []byte) error) (meta, error) {
	return readSnapshot(r, backupMagic, func(s section, recordKey, value []byte) error {
		if s != sectionResource {
			return errMalformed
		}
		kind, item, ok := strings.Cut(string(recordKey), "\x00")
		key, ok2 := splitItemKey(kind, []byte(item))
		if !ok || !ok2 || checkKey(key) != nil || slices.Contains(clusterKinds, kind) {
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
		return add(key, value)
	})
}
