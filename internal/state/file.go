package state

import (
	"errors"
	"fmt"
	"math/bits"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/dgate-io/caddy-dgate/internal/state/boltfile"
)

// dirtyFile exists while the state is open, and after it was not closed.
const dirtyFile = "dirty"

// FileNames are those of everything that a state keeps in its directory.
func FileNames() []string { return []string{FileName, FileName + ".new", dirtyFile} }

// unknownBoot is written where the boot id cannot be told; it never equals a later one.
const unknownBoot = "unknown"

// boltOptions are those of state.db. It is not synced: the raft log is, and the boot id guards
// the difference. The large map keeps a growing file from waiting for its readers.
func boltOptions() *bolt.Options {
	opts := &bolt.Options{
		Timeout:        time.Second,
		NoSync:         true,
		NoGrowSync:     true,
		NoFreelistSync: true,
		FreelistType:   bolt.FreelistMapType,
	}
	if bits.UintSize == 64 && runtime.GOOS != "windows" { // Windows extends the file to the map
		opts.InitialMmapSize = 1 << 30
	}
	return opts
}

// damageError says that a file cannot be used, and that it is not because of a newer version.
type damageError struct{ err error }

func (e *damageError) Error() string { return "state.db is damaged: " + e.err.Error() }
func (e *damageError) Unwrap() error { return e.err }

// discard deletes the database. Nothing is lost by it: the log and its snapshots have it all.
func (db *DB) discard(reason string) error {
	switch err := os.Remove(db.path()); {
	case errors.Is(err, os.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("rebuild state: %w", err)
	}
	db.rebuilt = reason
	return nil
}

// openFile opens state.db, if it is sound, or begins a new one. That needs the mark: a state that is
// not synced must not look like one that is, whenever the machine goes down.
func (db *DB) openFile(marked error) error {
	if _, err := os.Stat(db.path()); err != nil && marked != nil {
		return marked
	}
	b, m, err := openExisting(db.path())
	if damage, ok := errors.AsType[*damageError](err); ok {
		if err := db.discard(damage.Error()); err != nil {
			return err
		}
		if marked != nil {
			return marked
		}
		b, m, err = openExisting(db.path())
	}
	if err != nil {
		return err
	}
	db.handle, db.meta = &handle{bolt: b, drained: make(chan struct{})}, m
	return nil
}

// mark makes up for a mark that could not be left when the state was opened.
func (db *DB) mark() error {
	if db.unmarked == "" {
		return nil
	}
	if err := markDirty(db.dir, db.unmarked); err != nil {
		return err
	}
	db.unmarked = ""
	return nil
}

// openExisting opens the database at path, creating it if there is none, and verifies all of it.
func openExisting(path string) (*bolt.DB, meta, error) {
	if _, err := boltfile.Check(path); err != nil {
		return nil, meta{}, &damageError{err}
	}
	b, err := bolt.Open(path, 0o600, boltOptions())
	if err != nil {
		return nil, meta{}, fmt.Errorf("open state: %w", err)
	}
	m, err := prepare(b)
	if err != nil {
		return nil, meta{}, errors.Join(err, b.Close())
	}
	return b, m, nil
}

// prepare fills an empty database and verifies one that is not.
func prepare(b *bolt.DB) (meta, error) {
	m := meta{format: fileFormat}
	var fresh bool
	err := b.View(func(tx *bolt.Tx) (err error) {
		if fresh = tx.Bucket(bucketMeta) == nil; !fresh {
			m, err = verify(tx)
		}
		return err
	})
	if fresh {
		err = b.Update(func(tx *bolt.Tx) error { return create(tx, &m) })
	}
	return m, err
}

// create makes the buckets.
func create(tx *bolt.Tx, m *meta) error {
	for _, name := range allBuckets {
		if _, err := tx.CreateBucketIfNotExists(name); err != nil {
			return fmt.Errorf("create state: %w", err)
		}
	}
	return m.write(tx)
}

// verify reads every resource, so that damage is found before it is served.
func verify(tx *bolt.Tx) (meta, error) {
	m, err := readMeta(tx)
	var unknown *unknownError
	if errors.As(err, &unknown) || err == nil && m.format != fileFormat {
		return m, fmt.Errorf("open state: state.db was written by a newer version of the program (format %d)", m.format)
	}
	if err != nil {
		return m, &damageError{err}
	}
	for _, name := range allBuckets {
		if tx.Bucket(name) == nil {
			return m, &damageError{fmt.Errorf("it has no %s", name)}
		}
	}
	resources := tx.Bucket(bucketResources)
	err = resources.ForEachBucket(func(kind []byte) error {
		return resources.Bucket(kind).ForEach(func(k, v []byte) error {
			if _, err := cutChecksum(v); err != nil {
				key, _ := splitItemKey(string(kind), k)
				return damaged(key, err)
			}
			return nil
		})
	})
	if err != nil {
		return m, &damageError{err}
	}
	return m, nil
}

// uncleanReason says why the state in dir cannot be trusted, or "".
func uncleanReason(dir, bootID string) (string, error) {
	before, err := os.ReadFile(filepath.Join(dir, dirtyFile))
	switch {
	case errors.Is(err, os.ErrNotExist):
		return "", nil
	case err != nil:
		return "", fmt.Errorf("state directory: %w", err)
	case string(before) == bootID && bootID != unknownBoot:
		return "", nil // only the process ended; what it wrote is in the page cache
	}
	return "the machine went down while state.db was open", nil
}

// markDirty leaves the boot id, on the disk before anything of the state can be.
func markDirty(dir, bootID string) error {
	if err := writeFileSync(filepath.Join(dir, dirtyFile), []byte(bootID)); err != nil {
		return fmt.Errorf("state directory: %w", err)
	}
	return nil
}

// markClean is called when everything is on the disk.
func markClean(dir string) error {
	if err := os.Remove(filepath.Join(dir, dirtyFile)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("close state: %w", err)
	}
	return nil
}

// kernelBootID identifies the boot of this machine.
func kernelBootID() string {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil || len(strings.TrimSpace(string(id))) == 0 {
		return unknownBoot
	}
	return strings.TrimSpace(string(id))
}

// writeFileSync writes a small file so that it is either there as a whole or not at all.
func writeFileSync(path string, data []byte) error {
	temp := path + ".new"
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(temp, path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// syncDir makes renames in dir durable. Systems that cannot do it do not need it.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
