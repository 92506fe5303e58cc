package raftstorage

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"go.uber.org/zap"

	"github.com/dgate-io/caddy-dgate/internal/state"
)

// damageError is what is wrong with a data directory that this server cannot go on with. What the other
// members of its cluster have is as good: it can set its files aside and join them as a new server.
type damageError struct{ err error }

func (d *damageError) Error() string { return d.err.Error() }
func (d *damageError) Unwrap() error { return d.err }

// damaged marks an error as such.
func damaged(err error) error { return &damageError{err} }

const (
	// damagedDir is how the names of directories begin that damaged files are set aside in.
	damagedDir = "damaged-"
	// maxDamaged is after how many of them somebody has to look first.
	maxDamaged = 3
)

// openOrSetAside opens the files. Those of a member of a cluster that are damaged are set aside, and
// the server is a new one that the others let in and bring up to date. One that has nobody to learn
// from is left as it is.
func (s *store) openOrSetAside() error {
	err := s.openFiles()
	if err == nil {
		return nil
	}
	if problem := s.maySetAside(err); problem != nil {
		return problem
	}
	if closed := s.closeFiles(); closed != nil {
		return errors.Join(err, closed)
	}
	if !othersKnown(s.cfg) {
		return err
	}
	dir, failed := setAside(s.cfg, time.Now())
	if failed != nil {
		return errors.Join(err, failed)
	}
	s.log().Error("the data directory is damaged: its files are set aside, and this node joins its cluster again as a new server",
		zap.String("files", dir), zap.Error(err))
	if again := s.openFiles(); again != nil {
		return errors.Join(again, err)
	}
	s.rebuilt = fmt.Sprintf("the data directory was damaged, its files are in %s: %v", dir, err)
	return nil
}

// closeFiles undoes what openFiles has done before it failed.
func (s *store) closeFiles() (err error) {
	if s.db != nil {
		err = s.db.Close()
		s.db = nil
	}
	if s.files != nil {
		err = errors.Join(err, s.files.close(s.cfg))
		s.files = nil
	}
	s.behind = false
	s.upkeep.snapshotIndex.Store(0)
	s.upkeep.taken.Store(0)
	return err
}

// maySetAside decides, after an error, whether the files of this server may be set aside: nil if so,
// and otherwise the error.
func (s *store) maySetAside(err error) error {
	var d *damageError
	c := s.cluster.Load()
	if !errors.As(err, &d) || c == nil || len(c.Join) == 0 || passing(err) {
		return err
	}
	id, read := os.ReadFile(s.cfg.path(clusterIDFile))
	if read != nil || strings.TrimSpace(string(id)) == "" {
		return err // it would not know whom to join
	}
	before, listed := filepath.Glob(s.cfg.path(damagedDir + "*"))
	if listed != nil || len(before) >= maxDamaged {
		return fmt.Errorf("%w; %d directories %s* are there already: something damages the files of this server, look at its disk and delete them", err, len(before), s.cfg.path(damagedDir))
	}
	return nil
}

// passing tells errors that say nothing about what is on the disk.
func passing(err error) bool {
	return state.NoSpace(err) || errors.Is(err, os.ErrPermission) ||
		errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) || errors.Is(err, syscall.ENOMEM)
}

// othersKnown tells whether the state of a server names other members. If it cannot be read, the
// join list has to do.
func othersKnown(cfg Config) bool {
	names, err := state.StoredNames(cfg.Dir, state.Member)
	if err != nil {
		return true
	}
	self, err := os.ReadFile(cfg.path(serverIDFile))
	if err != nil {
		return len(names) > 1 // one of them is this one
	}
	return slices.ContainsFunc(names, func(name string) bool { return name != strings.TrimSpace(string(self)) })
}

// setAside moves the files of a server into a directory of their own, in an order that can be
// interrupted anywhere: an old id never comes together with an empty log, because such a server would
// have forgotten what it has promised. The new server is bound to the cluster of the old one, so that
// it joins that and forms no other. Keys of encryption stay where they are.
func setAside(cfg Config, now time.Time) (dir string, err error) {
	id, err := os.ReadFile(cfg.path(clusterIDFile))
	if err != nil {
		return "", fmt.Errorf("data directory: %w", err)
	}
	dir = cfg.path(damagedDir + now.UTC().Format("20060102-150405.000"))
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", fmt.Errorf("set damaged files aside: %w", err)
	}
	move := func(names ...string) error {
		for _, name := range names {
			err := os.Rename(cfg.path(name), filepath.Join(dir, name))
			if err != nil && !errors.Is(err, os.ErrNotExist) {
				return fmt.Errorf("set damaged files aside: %w", err)
			}
		}
		return syncDir(cfg.Dir)
	}
	if err := move(serverIDFile); err != nil {
		return dir, err
	}
	bound := &pledge{path: cfg.path(pledgeFile)}
	if err := bound.join(strings.TrimSpace(string(id))); err != nil {
		return dir, err
	}
	if err := move(append([]string{logFile, snapshotDir}, state.FileNames()...)...); err != nil {
		return dir, err
	}
	return dir, move(clusterIDFile)
}

// syncDir makes renames in a directory durable. Windows needs no such thing.
func syncDir(path string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
