package raftstorage

import (
	"errors"
	"fmt"
	"os"

	bolt "go.etcd.io/bbolt"
	"go.uber.org/zap"

	"github.com/dgate-io/caddy-dgate/internal/state/boltfile"
)

// A raft.db never shrinks by itself. One that is large and mostly free is rewritten at start.
const (
	compactSize = 256 << 20 // bytes; smaller files are left alone
	compactTx   = 4 << 20   // bytes per transaction while copying
)

// wasteful tells a file that is worth rewriting.
func wasteful(r boltfile.Report, size int64) bool { return r.Size > size && r.Used < r.Size/2 }

// compactLog rewrites raft.db and returns the old file, which keeps other processes out until the
// caller has opened the new one and closes it.
func compactLog(cfg Config) (old *bolt.DB, err error) {
	path, temp := cfg.path(logFile), cfg.path(logFile)+".compact"
	err = safely(func() (err error) {
		old, err = bolt.Open(path, 0o600, logOptions(false))
		return err
	})
	if isTimeout(err) {
		return nil, inUseError(cfg)
	}
	if err == nil {
		if err = errors.Join(writeLock(cfg), copyLog(old, temp)); err == nil {
			err = os.Rename(temp, path)
		}
		if err != nil {
			err = errors.Join(err, remove(temp), old.Close())
		}
	}
	if err != nil {
		return nil, fmt.Errorf("compact %s: %w", path, err)
	}
	cfg.Logger().Info("the raft log was compacted", zap.String("file", path))
	return old, nil
}

// copyLog copies everything to a new file and syncs it.
func copyLog(from *bolt.DB, path string) error {
	if err := remove(path); err != nil {
		return err
	}
	to, err := bolt.Open(path, 0o600, &bolt.Options{NoFreelistSync: true, FreelistType: bolt.FreelistMapType, NoSync: true})
	if err != nil {
		return err
	}
	err = bolt.Compact(to, from, compactTx)
	if err == nil {
		err = to.Sync()
	}
	return errors.Join(err, to.Close())
}

func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}
