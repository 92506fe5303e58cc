package raftstorage

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/hashicorp/raft"

	"github.com/dgate-io/caddy-dgate/internal/state"
)

// snapshots is raft's snapshot store, with private files and without those that are damaged:
// raft takes the newest one for granted.
type snapshots struct {
	raft.SnapshotStore
	dir string // "" in memory

	mu     sync.Mutex
	hidden []string
}

func openSnapshots(cfg Config) (*snapshots, error) {
	dir := cfg.path(snapshotDir)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("snapshot directory: %w", err)
	}
	files, err := raft.NewFileSnapshotStoreWithLogger(cfg.Dir, snapshotsKept, newLogger(cfg.Logger))
	if err != nil {
		return nil, fmt.Errorf("snapshot directory: %w", err)
	}
	return &snapshots{SnapshotStore: files, dir: dir}, removeUnfinished(dir)
}

// removeUnfinished deletes snapshots that were being written when the process ended.
func removeUnfinished(dir string) error {
	unfinished, err := filepath.Glob(filepath.Join(dir, "*.tmp"))
	for _, path := range unfinished {
		err = errors.Join(err, os.RemoveAll(path))
	}
	if err != nil {
		return fmt.Errorf("snapshot directory: %w", err)
	}
	return nil
}

// hide leaves a snapshot where it is, but does not list it any more.
func (s *snapshots) hide(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hidden = append(s.hidden, id)
}

// List implements raft.SnapshotStore.
func (s *snapshots) List() ([]*raft.SnapshotMeta, error) {
	list, err := s.SnapshotStore.List()
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(list, func(m *raft.SnapshotMeta) bool { return slices.Contains(s.hidden, m.ID) }), err
}

// Create implements raft.SnapshotStore. The files raft made are made private.
func (s *snapshots) Create(version raft.SnapshotVersion, index, term uint64, conf raft.Configuration, confIndex uint64, trans raft.Transport) (raft.SnapshotSink, error) {
	sink, err := s.SnapshotStore.Create(version, index, term, conf, confIndex, trans)
	if err != nil || s.dir == "" {
		return sink, err
	}
	if err := makePrivate(filepath.Join(s.dir, sink.ID()+".tmp")); err != nil {
		return nil, errors.Join(fmt.Errorf("snapshot: %w", err), sink.Cancel())
	}
	return sink, nil
}

func makePrivate(dir string) error {
	if err := os.Chmod(dir, 0o700); err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := os.Chmod(filepath.Join(dir, e.Name()), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// header reads what a snapshot is of. Its index can be lower than that of raft's own
// description, which counts entries that the state never sees.
func (s *snapshots) header(id string) (state.SnapshotHeader, error) {
	_, r, err := s.Open(id)
	if err != nil {
		return state.SnapshotHeader{}, err
	}
	header, err := state.ReadSnapshotHeader(r)
	return header, errors.Join(err, closeSource(r))
}

func closeSource(r io.Closer) error { return r.Close() }
