package raftstorage

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/raft"
	"go.uber.org/zap"

	"github.com/dgate-io/caddy-dgate/internal/state"
)

// store is everything that is open while a node is open.
type store struct {
	cfg   Config
	id    raft.ServerID
	files *files // nil in memory
	db    *state.DB
	guard *guard
	snaps *snapshots
	raft  *raft.Raft

	rebuilt  string  // why the state does not come from state.db, or ""
	behind   bool    // the log had entries that the state did not have
	session  [8]byte // first half of command ids
	counter  counter // second half, and what is in flight
	leading  leadership
	upkeep   upkeep
	stop     chan struct{} // closed when raft must end, whatever it waits for
	stopOnce sync.Once
	wg       sync.WaitGroup
	locking
}

// openStore opens or creates everything. On an error all of it is closed again.
func openStore(ctx context.Context, cfg Config) (_ *store, err error) {
	s := &store{cfg: cfg, stop: make(chan struct{})}
	s.upkeep.wake = make(chan struct{}, 1)
	if _, err := rand.Read(s.session[:]); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	if cfg.Memory {
		err = s.openMemory()
	} else {
		err = s.openFiles()
	}
	if err != nil {
		return nil, err
	}
	if err := s.startRaft(); err != nil {
		return nil, err
	}
	return s, s.ready(ctx)
}

func (s *store) log() *zap.Logger { return s.cfg.Logger() }

// startRaft starts raft and the goroutines that serve it.
func (s *store) startRaft() (err error) {
	conf := raft.DefaultConfig()
	conf.LocalID = s.id
	conf.HeartbeatTimeout, conf.ElectionTimeout, conf.LeaderLeaseTimeout = soloTimeout, soloTimeout, soloLease
	conf.CommitTimeout = commitTimeout
	conf.BatchApplyCh = true
	conf.ShutdownOnRemove = false
	conf.TrailingLogs = maxTrailing
	conf.SnapshotInterval = snapshotInterval
	conf.SnapshotThreshold = s.cfg.SnapshotEntries
	conf.NoSnapshotRestoreOnStart = true // the state is there already, see openFiles
	conf.NoLegacyTelemetry = true
	conf.Logger = newLogger(s.cfg.Logger)
	notify := make(chan bool, 16)
	conf.NotifyCh = notify
	_, inmem := raft.NewInmemTransport(localAddress)
	transport := &loopback{inmem, s.guard.start}

	s.wg.Go(func() { s.followLeadership(notify) })
	s.raft, err = newRaft(conf, &fsm{s}, s.guard, s.snaps, transport)
	if err != nil {
		return fmt.Errorf("start raft: %w", err)
	}
	if err := s.checkAlone(); err != nil {
		return err
	}
	s.wg.Go(s.maintain)
	s.startLocking()
	return nil
}

// newRaft is raft.NewRaft with panics as errors.
func newRaft(conf *raft.Config, f raft.FSM, g *guard, snaps raft.SnapshotStore, trans raft.Transport) (r *raft.Raft, err error) {
	defer func() {
		if p := recover(); p != nil {
			r, err = nil, fmt.Errorf("%v", p)
		}
	}()
	return raft.NewRaft(conf, f, g, g, snaps, trans)
}

// loopback is the transport of a sole voter.
type loopback struct {
	*raft.InmemTransport
	starting func()
}

// SetHeartbeatHandler implements raft.Transport. It is the last thing that raft does before its
// goroutines start, in which it panics when its files fail.
func (t *loopback) SetHeartbeatHandler(handler func(raft.RPC)) {
	t.InmemTransport.SetHeartbeatHandler(handler)
	t.starting()
}

// localAddress is the address of a sole voter. Nothing listens there; a node that joins others
// gets a real one.
const localAddress raft.ServerAddress = "local"

// checkAlone refuses a directory that is that of a member of a larger group: started alone it
// would never lead, or worse, lead one of its own.
func (s *store) checkAlone() error {
	future := s.raft.GetConfiguration()
	if err := future.Error(); err != nil {
		return fmt.Errorf("start raft: %w", err)
	}
	servers := future.Configuration().Servers
	for _, server := range servers {
		if server.ID != s.id {
			return fmt.Errorf("the log is that of server %s, and this directory is that of server %s: they do not belong together", server.ID, s.id)
		}
	}
	if len(servers) == 0 {
		return errors.New("the log has no configuration")
	}
	return nil
}

// close closes what is open, in order. It is called once.
func (s *store) close() error {
	s.stopLocking()
	s.counter.drain(s.cfg.timing.drain)
	var errs []error
	stopped := true
	s.stopOnce.Do(func() { close(s.stop) })
	if err := s.shutdownRaft(); err != nil {
		errs, stopped = append(errs, err), false
	}
	if s.db != nil {
		errs = append(errs, s.db.Close())
	}
	if s.files != nil && stopped {
		errs = append(errs, s.files.close(s.cfg))
	}
	if s.cfg.Memory && s.db != nil {
		errs = append(errs, removeMemory(s.cfg.Dir))
	}
	return errors.Join(errs...)
}

// shutdownRaft stops raft and our own goroutines, for so long as that may take.
func (s *store) shutdownRaft() error {
	done := make(chan error, 1)
	go func() {
		var err error
		if s.raft != nil {
			err = s.raft.Shutdown().Error()
		}
		s.wg.Wait()
		done <- err
	}()
	select {
	case err := <-done:
		return err
	case <-time.After(s.cfg.timing.shutdown):
		return errors.New("raft does not stop")
	}
}
