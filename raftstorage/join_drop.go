package raftstorage

import (
	"bytes"
	"errors"
	"fmt"
	"os"

	"github.com/hashicorp/raft"
	"go.uber.org/zap"

	"github.com/dgate-io/caddy-dgate/internal/resource"
	"github.com/dgate-io/caddy-dgate/internal/state"
)

// metForeign is told when a server behind the join list is in another cluster. A server that holds
// nothing but what every new one has drops that and joins; of two such servers, the one whose
// cluster has the higher id.
func (s *store) metForeign(g greeting) {
	c, servers := s.clusterConfig(), s.servers()
	if c == nil || len(c.Join) == 0 || len(servers) != 1 || !g.Member || g.Cluster == "" || s.db.ClusterID() == "" {
		return
	}
	if g.Untouched && s.untouched() && g.Servers == 1 && s.db.ClusterID() < g.Cluster {
		return // that one joins us
	}
	if err := s.mayDrop(g); err != nil {
		s.cannotJoin(err)
		return
	}
	s.later(func() {
		if err := s.dropOwn(g); err != nil {
			s.log().Error("this server could not forget its own cluster to join another one", zap.Error(err))
		}
	})
}

// cannotJoin makes known, in the list of members and once in the log, why this server does not
// join the cluster that it is told to join. It goes on with its own.
func (s *store) cannotJoin(err error) {
	ms, id := s.members, string(s.id())
	ms.mu.Lock()
	before := ms.problems[id]
	ms.problems[id] = err.Error()
	ms.mu.Unlock()
	if before != err.Error() {
		s.log().Error("this node does not join the cluster of its join list", zap.Error(err))
	}
}

// mayDrop refuses to forget anything that somebody has made.
func (s *store) mayDrop(g greeting) error {
	own := s.db.ClusterID()
	switch {
	case len(s.servers()) > 1:
		return resource.Errorf(resource.Conflict, "this node is a member of cluster %s and cannot join cluster %s of server %s: let it leave first, and delete its data directory",
			own, g.Cluster, g.ID)
	case !s.untouched():
		return resource.Errorf(resource.Conflict, "this node has data of its own (cluster %s) and cannot join cluster %s of server %s. To take its resources along, "+
			"run dgate-cli export --documents --secrets=false > dgate.yaml here, stop the node, delete its data directory, start it again, run dgate-cli apply -f dgate.yaml, and enter its secrets again",
			own, g.Cluster, g.ID)
	}
	return nil
}

// dropOwn forgets the cluster that this server began alone, and nobody has used, so that it can join
// that of g. It may be interrupted at any point: the next start goes on, see [store.finishDrop].
func (s *store) dropOwn(g greeting) error {
	if len(s.servers()) == 0 {
		return nil // it was done meanwhile
	}
	if err := s.mayDrop(g); err != nil {
		return err
	}
	s.log().Info("this server has nothing of its own and joins another cluster", zap.String("before", s.db.ClusterID()), zap.String("cluster", g.Cluster))
	return s.restart(func() error {
		if err := s.mayDrop(g); err != nil { // the last change was a moment ago
			return err
		}
		err := s.members.pledge.change(func(v *vows) error { v.Dropping, v.Joining = true, g.Cluster; return nil })
		if err != nil {
			return err
		}
		if err := s.emptyState(); err != nil {
			// The log has everything still, and this server goes on with it.
			return errors.Join(err, s.members.pledge.change(func(v *vows) error { v.Dropping, v.Joining = false, ""; return nil }))
		}
		return s.finishDrop() // if not now, raft does not start before it is done
	})
}

// emptyState replaces the state by one in which nothing ever happened.
func (s *store) emptyState() (err error) {
	dir, err := os.MkdirTemp(s.cfg.Dir, "empty-")
	if err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	empty, err := state.Open(dir, state.Options{BootID: s.cfg.bootID})
	if err != nil {
		return err
	}
	var nothing bytes.Buffer
	if _, err := empty.Snapshot(&nothing); err != nil {
		return errors.Join(err, empty.Close())
	}
	return errors.Join(empty.Close(), s.db.Restore(&nothing))
}

// finishDrop empties the log. Raft does not run meanwhile.
func (s *store) finishDrop() error {
	first, err := s.guard.FirstIndex()
	if err != nil {
		return fmt.Errorf("read log: %w", err)
	}
	last, err := s.guard.LastIndex()
	if err != nil {
		return fmt.Errorf("read log: %w", err)
	}
	if !s.cfg.Memory {
		if err := os.RemoveAll(s.cfg.path(snapshotDir)); err != nil {
			return fmt.Errorf("snapshot directory: %w", err)
		}
		if s.snaps, err = openSnapshots(s.cfg); err != nil {
			return err
		}
		if err := errors.Join(remove(s.cfg.path(clusterIDFile)), writeFile(s.cfg.path(joiningFile), nil, true)); err != nil {
			return fmt.Errorf("data directory: %w", err)
		}
	} else {
		s.snaps = &snapshots{SnapshotStore: raft.NewInmemSnapshotStore()}
	}
	if last > 0 {
		if err := s.logs.DeleteRange(first, last); err != nil {
			return fmt.Errorf("empty the log: %w", err)
		}
	}
	for _, key := range [][]byte{currentTerm, []byte("LastVoteTerm")} {
		if err := s.stable.SetUint64(key, 0); err != nil {
			return fmt.Errorf("empty the log: %w", err)
		}
	}
	s.upkeep.snapshotIndex.Store(0)
	s.upkeep.taken.Store(0)
	return s.members.pledge.change(func(v *vows) error { v.Dropping = false; return nil })
}

// resumeDrop goes on where a server was interrupted while it forgot its own cluster. Nothing but
// the log is open yet.
func (s *store) resumeDrop() error {
	if !s.members.pledge.get().Dropping {
		return nil
	}
	if err := remove(s.cfg.path(state.FileName)); err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	return s.finishDrop()
}
