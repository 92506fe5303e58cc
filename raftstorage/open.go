package raftstorage

import (
	"errors"
	"fmt"
	"os"

	"github.com/hashicorp/raft"
	"go.uber.org/zap"

	"github.com/dgate-io/caddy-dgate/internal/state"
)

// openFiles opens a data directory: the log first, because its lock makes the rest ours, then
// the state, which is brought up to the newest snapshot if it is behind that.
func (s *store) openFiles() (err error) {
	if s.files, err = openLog(s.cfg); err != nil {
		return err
	}
	s.logs, s.stable = s.files.log, s.files.log
	s.guard = s.newGuard(s.stop)
	if s.snaps, err = openSnapshots(s.cfg); err != nil {
		return err
	}
	if s.members, err = newMembership(s.cfg.path(pledgeFile), s.cfg.level, s.cfg.timing.members); err != nil {
		return err
	}
	if err := s.resumeDrop(); err != nil {
		return err
	}
	fresh, err := s.isFresh()
	if err != nil {
		return err
	}
	id, err := serverID(s.cfg, fresh)
	if err != nil {
		return err
	}
	s.setID(raft.ServerID(id))
	if err := s.begin(fresh); err != nil {
		return err
	}
	if s.db, err = state.Open(s.cfg.Dir, state.Options{BootID: s.cfg.bootID}); err != nil {
		return err
	}
	if fresh && s.db.Applied() > 0 {
		return s.logLost()
	}
	if s.rebuilt = s.db.Rebuilt(); s.rebuilt == "" && s.db.Applied() == 0 && !fresh {
		s.rebuilt = "state.db was missing"
	}
	if err := s.bringUp(); err != nil {
		return err
	}
	return s.checkTogether()
}

// openMemory makes a store that keeps nothing.
func (s *store) openMemory() error {
	dir, err := os.MkdirTemp("", "dgate-memory-")
	if err != nil {
		return fmt.Errorf("temporary directory: %w", err)
	}
	s.cfg.Dir = dir
	logs := raft.NewInmemStore()
	s.logs, s.stable = logs, logs
	s.guard = s.newGuard(s.stop)
	s.snaps = &snapshots{SnapshotStore: raft.NewInmemSnapshotStore()}
	if s.db, err = state.Open(dir, state.Options{BootID: s.cfg.bootID}); err != nil {
		return errors.Join(err, removeMemory(dir))
	}
	s.setID(raft.ServerID(newServerID()))
	s.members, err = newMembership("", s.cfg.level, s.cfg.timing.members)
	return err
}

func removeMemory(dir string) error {
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("temporary directory: %w", err)
	}
	return nil
}

// newGuard makes a guard for one run of raft, which ends with stop.
func (s *store) newGuard(stop <-chan struct{}) *guard {
	logs, stable := s.logs, s.stable
	if s.cfg.faults != nil {
		logs, stable = s.cfg.faults(logs, stable)
	}
	return &guard{
		logs: logs, stable: stable, log: s.log, pause: s.cfg.timing.retry, stop: stop, grown: s.logGrew,
		stall: s.cfg.timing.stall,
	}
}

// isFresh tells a directory in which there is nothing yet. If the log is what is missing, the state
// is perhaps the last copy of everything: it is refused before anything opens and discards it.
func (s *store) isFresh() (bool, error) {
	last, err := s.guard.LastIndex()
	if err != nil {
		return false, fmt.Errorf("read log: %w", err)
	}
	if last > 0 {
		return false, nil
	}
	snaps, err := s.snaps.List()
	if err != nil {
		return false, fmt.Errorf("list snapshots: %w", err)
	}
	term, err := s.guard.GetUint64(currentTerm)
	if err != nil && !isAnswer(err) {
		return false, fmt.Errorf("read log: %w", err)
	}
	if len(snaps) > 0 && term >= snaps[0].Term {
		return false, nil // a snapshot has replaced all of the log
	}
	_, waiting := os.Stat(s.cfg.path(joiningFile))
	switch info, err := os.Stat(s.cfg.path(state.FileName)); {
	case len(snaps) > 0 || err == nil && info.Size() > 0 && waiting != nil:
		return false, s.logLost()
	case err != nil && !errors.Is(err, os.ErrNotExist):
		return false, fmt.Errorf("data directory: %w", err)
	}
	return true, nil
}

func (s *store) logLost() error {
	return damaged(fmt.Errorf("the log in %s is empty, but there is a state or a snapshot: restore %s from a backup", s.cfg.Dir, logFile))
}

// begin makes a new directory that of a cluster of one, or notes that others are waited for. The
// log has its first entry, or the note is there, before there is a state.
func (s *store) begin(fresh bool) error {
	c := s.cluster.Load()
	path := s.cfg.path(joiningFile)
	switch {
	case !fresh:
		return remove(path)
	case c.mayBegin() && s.members.pledge.get().cluster() == "":
		address := string(localAddress)
		if c != nil && c.Advertise != "" {
			address = c.Advertise // until the leader corrects it
		}
		_, err := s.bootstrap(address)
		return errors.Join(err, remove(path))
	}
	if err := writeFile(path, nil, true); err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	return nil
}

// bringUp restores the newest snapshot that is sound, if the state is behind it.
func (s *store) bringUp() error {
	list, err := s.snaps.List()
	if err != nil {
		return fmt.Errorf("list snapshots: %w", err)
	}
	var problems []error
	for _, meta := range list {
		err := s.restore(meta)
		if err == nil {
			s.upkeep.restored(meta)
			return nil
		}
		if state.NoSpace(err) {
			return fmt.Errorf("no space to restore snapshot %s: %w", meta.ID, err)
		}
		s.log().Error("a snapshot cannot be used; trying the one before", zap.String("snapshot", meta.ID), zap.Error(err))
		s.snaps.hide(meta.ID)
		problems = append(problems, fmt.Errorf("snapshot %s: %w", meta.ID, err))
	}
	if len(problems) == 0 {
		return nil
	}
	first, err := s.guard.FirstIndex()
	if err == nil && first == 1 {
		return nil // the log still has everything
	}
	return damaged(errors.Join(append(problems, err)...))
}

// restore loads a snapshot into the state, unless the state is as new.
func (s *store) restore(meta *raft.SnapshotMeta) error {
	header, err := s.snaps.header(meta.ID)
	if err != nil {
		return err
	}
	if s.db.Applied() >= header.Index {
		return nil
	}
	_, r, err := s.snaps.Open(meta.ID)
	if err != nil {
		return err
	}
	return errors.Join(s.db.Restore(r), r.Close())
}

// checkTogether refuses a log, a state and a snapshot that are not of one piece, and a log with
// damaged entries, before raft gets to see them.
func (s *store) checkTogether() error {
	first, err := s.guard.FirstIndex()
	if err != nil {
		return fmt.Errorf("read log: %w", err)
	}
	last, err := s.guard.LastIndex()
	if err != nil {
		return fmt.Errorf("read log: %w", err)
	}
	snapshot := s.upkeep.snapshotIndex.Load()
	applied := s.db.Applied()
	switch {
	case last > 0 && first > snapshot+1:
		return damaged(fmt.Errorf("the log begins at %d and the newest usable snapshot ends at %d: entries are missing; restore the data directory from a backup", first, snapshot))
	case applied > max(last, snapshot):
		return damaged(fmt.Errorf("the state is at index %d and the log ends at %d: they do not belong together", applied, max(last, snapshot)))
	}
	for i := first; i <= last && i > 0; i++ {
		var entry raft.Log
		err := s.guard.GetLog(i, &entry)
		if errors.Is(err, raft.ErrLogNotFound) && i <= snapshot {
			i = snapshot // a snapshot that came from a leader stands for what was never here
			continue
		}
		if err != nil {
			return damagedLog(s.cfg, fmt.Errorf("entry %d: %w", i, err))
		}
		if entry.Index != i {
			return damagedLog(s.cfg, fmt.Errorf("entry %d says that it is %d", i, entry.Index))
		}
		if entry.Type == raft.LogCommand || entry.Type == raft.LogConfiguration {
			s.behind = i > applied
		}
		if entry.Type == raft.LogCommand {
			if err := state.Verify(entry.Data); err != nil {
				return damagedLog(s.cfg, fmt.Errorf("entry %d: %w", i, err))
			}
		}
		if i == applied && entry.Term != s.db.AppliedTerm() {
			return damaged(fmt.Errorf("the state has entry %d of term %d and the log that of term %d: they do not belong together", i, s.db.AppliedTerm(), entry.Term))
		}
	}
	return nil
}
