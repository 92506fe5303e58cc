package raftstorage

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/hashicorp/raft"
	"go.uber.org/zap"

	"github.com/dgate-io/caddy-dgate/internal/state"
)

// currentTerm is the key under which raft keeps its term.
var currentTerm = []byte("CurrentTerm")

// bootstrap makes this node the only voter of a new cluster. Unlike raft's own function it also
// completes one that was interrupted between its two writes.
func (s *store) bootstrap(address string) (raft.Configuration, error) {
	alone := raft.Configuration{Servers: []raft.Server{{Suffrage: raft.Voter, ID: s.id(), Address: raft.ServerAddress(address)}}}
	return alone, s.bootstrapAs(alone.Servers)
}

// bootstrapAs begins a cluster of these servers. Raft must not run meanwhile, see [store.restart].
func (s *store) bootstrapAs(servers []raft.Server) error {
	if last, err := s.guard.LastIndex(); err != nil || last > 0 {
		return errors.Join(errors.New("bootstrap: there is a log already"), err)
	}
	term, err := s.guard.GetUint64(currentTerm)
	if err != nil && !isAnswer(err) {
		return fmt.Errorf("bootstrap: %w", err)
	}
	if term > 1 {
		return fmt.Errorf("the log is empty, but this server has been in term %d: restore the data directory from a backup", term)
	}
	if err := s.guard.SetUint64(currentTerm, 1); err != nil {
		return fmt.Errorf("bootstrap: %w", err)
	}
	conf := raft.Configuration{Servers: servers}
	entry := &raft.Log{Index: 1, Term: 1, Type: raft.LogConfiguration, Data: raft.EncodeConfiguration(conf)}
	if err := s.guard.StoreLog(entry); err != nil {
		return fmt.Errorf("bootstrap: %w", err)
	}
	return nil
}

// checkClusterID compares the id of the cluster with the copy beside it, or makes that. A cluster
// that has another id than when its secrets were made was recovered, perhaps a moment ago.
func (s *store) checkClusterID() error {
	id := s.db.ClusterID()
	if s.files == nil || id == "" {
		return s.keepClusterID()
	}
	path := s.cfg.path(clusterIDFile)
	data, err := os.ReadFile(path)
	switch kept := strings.TrimSpace(string(data)); {
	case err == nil && kept == id:
		s.keptID.Store(&id)
		return nil
	case err == nil && kept != "" && kept != s.db.SealID() && s.members.pledge.get().Recovering != id:
		return fmt.Errorf("the state is of cluster %s and the data directory of cluster %s: they do not belong together", id, kept)
	case err != nil && !errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("data directory: %w", err)
	}
	return s.keepClusterID()
}

// followClusterID makes the copy of the cluster's id when there is one, or another one. Raft waits
// for it, and it happens once in the life of most clusters.
func (s *store) followClusterID() {
	id := s.db.ClusterID()
	if kept := s.keptID.Load(); id == "" || kept == nil || *kept == id {
		return // nil: it has not been compared yet
	}
	if err := s.keepClusterID(); err != nil {
		s.log().Error("the copy of the cluster's id could not be written; it is made at the next start", zap.Error(err))
	}
}

// keepClusterID makes the copy of the cluster's id, if there is space.
func (s *store) keepClusterID() error {
	s.keeping.Lock()
	defer s.keeping.Unlock()
	id := s.db.ClusterID()
	if kept := s.keptID.Load(); s.files == nil || kept != nil && *kept == id {
		return nil
	}
	defer s.keptID.Store(&id)
	if id == "" {
		return nil
	}
	err := errors.Join(writeFile(s.cfg.path(clusterIDFile), []byte(id+"\n"), false), remove(s.cfg.path(joiningFile)))
	if state.NoSpace(err) {
		s.log().Warn("no space for the copy of the cluster's id", zap.Error(err)) // made at another start
		return nil
	}
	if err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	return nil
}
