package raftstorage

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
	bolt "go.etcd.io/bbolt"
	"go.uber.org/zap"

	"github.com/dgate-io/caddy-dgate/internal/state"
	"github.com/dgate-io/caddy-dgate/internal/state/boltfile"
)

// files are the open files of a data directory. The lock that keeps other processes out is that
// of raft.db; node.lock only says whose it is.
type files struct {
	log  *raftboltdb.BoltStore
	info os.FileInfo // of raft.db
}

// logOptions are those of raft.db. Without the free list on disk, an append to a file that has
// been shortened costs kilobytes instead of megabytes.
func logOptions(readOnly bool) *bolt.Options {
	return &bolt.Options{
		Timeout:        time.Second,
		NoFreelistSync: true,
		FreelistType:   bolt.FreelistMapType,
		ReadOnly:       readOnly,
	}
}

// openLog opens raft.db, alone. Nothing in the directory is changed before it is ours.
func openLog(cfg Config) (*files, error) {
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	if err := os.Chmod(cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	report, err := checkLog(cfg)
	if err != nil {
		return nil, err
	}
	if wasteful(report, cfg.compactSize) {
		old, err := compactLog(cfg)
		switch {
		case state.NoSpace(err):
			cfg.Logger().Warn("no space to compact the raft log; it stays as it is", zap.Error(err))
		case err != nil:
			return nil, err
		default:
			defer old.Close() // it was only read from; the new file is locked by then
		}
	}
	opened, err := openBolt(cfg, report.Size == 0)
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(cfg.path(logFile))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("data directory: %w", err), opened.Close())
	}
	if err := writeLock(cfg); err != nil {
		return nil, errors.Join(err, opened.Close())
	}
	return &files{opened, info}, nil
}

// openBolt opens raft.db. One that was begun and not finished is not left behind: it would look
// like a damaged one.
func openBolt(cfg Config, fresh bool) (opened *raftboltdb.BoltStore, err error) {
	err = safely(func() error {
		opened, err = raftboltdb.New(raftboltdb.Options{Path: cfg.path(logFile), BoltOptions: logOptions(false)})
		return err
	})
	switch {
	case isTimeout(err):
		return nil, inUseError(cfg)
	case fresh && state.NoSpace(err):
		err = errors.Join(err, remove(cfg.path(logFile)))
	}
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", cfg.path(logFile), err)
	}
	return opened, nil
}

// isTimeout tells that somebody else has the lock of a database.
func isTimeout(err error) bool { return err != nil && strings.Contains(err.Error(), "timeout") }

// checkLog verifies raft.db before bbolt trusts it. It holds the shared lock meanwhile, so that
// the file of another process that writes to it is not taken for a damaged one.
func checkLog(cfg Config) (report boltfile.Report, err error) {
	path := cfg.path(logFile)
	info, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) || err == nil && info.Size() == 0 {
		return report, nil
	}
	if err != nil {
		return report, fmt.Errorf("data directory: %w", err)
	}
	var shared *bolt.DB
	err = safely(func() (err error) {
		shared, err = bolt.Open(path, 0o600, logOptions(true))
		return err
	})
	if isTimeout(err) {
		return report, inUseError(cfg)
	}
	if err != nil {
		return report, damagedLog(cfg, err)
	}
	if report, err = boltfile.Check(path); err != nil {
		err = damagedLog(cfg, err)
	}
	return report, errors.Join(err, shared.Close())
}

// damagedLog says what can be done; the log is the one thing that nothing here can rebuild.
func damagedLog(cfg Config, err error) error {
	return damaged(fmt.Errorf("%s is damaged and was left as it is; restore the data directory from a backup: %w", cfg.path(logFile), err))
}

// close gives the directory back.
func (f *files) close(cfg Config) error {
	var removed error
	if err := os.Remove(cfg.path(lockFile)); err != nil && !errors.Is(err, os.ErrNotExist) {
		removed = err
	}
	return errors.Join(removed, f.log.Close())
}

// writeLock says who we are, for the message of a process that comes later; if there is space.
func writeLock(cfg Config) error {
	text := fmt.Sprintf("%d %s\n", os.Getpid(), time.Now().UTC().Format(time.RFC3339))
	err := writeFile(cfg.path(lockFile), []byte(text), false)
	if state.NoSpace(err) {
		cfg.Logger().Warn("no space for the name of this process", zap.Error(err))
		return nil
	}
	if err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	return nil
}

// inUseError names the process that has the directory, if it left its name.
func inUseError(cfg Config) error {
	text, _ := os.ReadFile(cfg.path(lockFile)) // without it the message is shorter
	pid, since, _ := strings.Cut(strings.TrimSpace(string(text)), " ")
	if _, err := strconv.Atoi(pid); err != nil {
		return fmt.Errorf("the data directory %s is in use by another process", cfg.Dir)
	}
	return fmt.Errorf("the data directory %s is in use by process %s, since %s", cfg.Dir, pid, since)
}

// serverID reads the id of this server, or makes one. It is never configured: a server that lost
// its directory is another server, or it would break promises that it cannot remember.
func serverID(cfg Config, fresh bool) (string, error) {
	path := cfg.path(serverIDFile)
	data, err := os.ReadFile(path)
	if err == nil {
		if id := strings.TrimSpace(string(data)); id != "" {
			return id, nil
		}
		err = os.ErrNotExist
	}
	if !errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("data directory: %w", err)
	}
	if !fresh {
		return "", damaged(fmt.Errorf("%s is missing, but there is a log: restore the data directory from a backup", path))
	}
	id := newServerID()
	if err := writeFile(path, []byte(id+"\n"), true); err != nil {
		return "", fmt.Errorf("data directory: %w", err)
	}
	return id, nil
}

// newServerID is the host's name, for people, and eight random digits.
func newServerID() string {
	host, err := os.Hostname()
	if err != nil {
		host = "node"
	}
	slug := strings.Trim(strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, strings.ToLower(host)), "-")
	if len(slug) > 32 {
		slug = slug[:32]
	}
	if slug == "" {
		slug = "node"
	}
	return slug + "-" + randomHex(4)
}

// newClusterID is a random UUID.
func newClusterID() string {
	h := randomHex(16)
	return strings.Join([]string{h[:8], h[8:12], "4" + h[13:16], "a" + h[17:20], h[20:]}, "-")
}

func randomHex(n int) string {
	b := make([]byte, n)
	rand.Read(b) //nolint:errcheck // never fails, by contract
	return hex.EncodeToString(b)
}

// writeFile writes a file with mode 0600 so that it is there as a whole or not at all; with sync
// also after the machine went down.
func writeFile(path string, data []byte, sync bool) error {
	temp := path + ".new"
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if sync && err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(temp, path); err != nil || !sync || runtime.GOOS == "windows" {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
