package raftstorage

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"
	"go.uber.org/zap"

	"github.com/dgate-io/caddy-dgate/internal/state"
)

// store is everything that is open while a node is open. What talks to others, and can be
// restarted without the rest, is its member.
type store struct {
	cfg      Config
	identity atomic.Pointer[raft.ServerID]
	files    *files // nil in memory
	logs     raft.LogStore
	stable   raft.StableStore
	db       *state.DB
	guard    *guard // while raft does not run
	snaps    *snapshots
	member   atomic.Pointer[member]
	members  *membership
	table    map[string]method

	cluster     atomic.Pointer[Cluster] // in force; nil: alone
	configuring sync.Mutex              // held while cluster, port or member are replaced
	place       place
	standstill  atomic.Pointer[string] // why raft does not run, see revive
	reviving    atomic.Bool

	rebuilt   string       // why the state does not come from state.db, or ""
	behind    bool         // the log had entries that the state did not have
	applying  sync.RWMutex // write-locked while the state is replaced
	session   [8]byte      // first half of command ids
	counter   counter      // second half, and what is in flight
	leading   leadership
	addresses addresses
	upkeep    upkeep
	joining   atomic.Pointer[string] // why nobody has admitted this node yet, see setJoining
	diverged  atomic.Pointer[string]
	keeping   sync.Mutex             // held while the copy of the cluster's id is written
	keptID    atomic.Pointer[string] // the id of the cluster that there is a copy of
	strangers silence                // about servers of other clusters
	serving   atomic.Bool            // requests of other members are answered
	stop      chan struct{}          // closed when everything must end, whatever it waits for
	stopOnce  sync.Once
	wg        sync.WaitGroup // goroutines that end with stop
	locking
}

// openStore opens or creates everything. On an error all of it is closed again.
func openStore(ctx context.Context, cfg Config, c *Cluster) (_ *store, err error) {
	s := &store{cfg: cfg, stop: make(chan struct{})}
	s.cluster.Store(c)
	s.table = s.methods()
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
		err = s.openOrSetAside()
	}
	if err != nil {
		return nil, err
	}
	if err := s.startNetwork(c); err != nil {
		return nil, err
	}
	s.startLocking()
	s.serving.Store(true)
	return s, s.ready(ctx)
}

func (s *store) log() *zap.Logger { return s.cfg.Logger() }

// id is that of this server. It changes only when the server forgets everything to join others.
func (s *store) id() raft.ServerID {
	if id := s.identity.Load(); id != nil {
		return *id
	}
	return ""
}

func (s *store) setID(id raft.ServerID) { s.identity.Store(&id) }

// clusterName is part of the credentials.
func (s *store) clusterName() string {
	if c := s.cluster.Load(); c != nil {
		return c.Name
	}
	return DefaultClusterName
}

// setJoining notes why nobody has admitted this node yet; "" when somebody has.
func (s *store) setJoining(why string) { s.joining.Store(&why) }

// lonely says why this node knows no leader, if that will not pass by itself; otherwise "".
func (s *store) lonely() string {
	m := s.member.Load()
	if m == nil {
		return ""
	}
	servers, c := m.servers(), s.cluster.Load()
	if still := s.standstill.Load(); still != nil {
		return *still
	}
	switch why := s.joining.Load(); {
	case len(servers) == 0 && why != nil && *why != "":
		return "this node is not part of a cluster yet: " + *why
	case len(servers) == 0:
		return "this node is not part of a cluster yet"
	case c == nil && len(servers) > 1:
		return fmt.Sprintf("this node is one of the %d members of a cluster, but its configuration has no cluster block: put it back, or let this node go on alone with dgate-cli cluster recover --yes", len(servers))
	}
	return ""
}

// stepDown lets another member lead.
func (s *store) stepDown(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, transferTime, errors.New("it takes too long"))
	defer cancel()
	if m := s.member.Load(); m != nil {
		if err := m.stepDown(ctx); err != nil {
			return fmt.Errorf("give leadership away: %w", err)
		}
	}
	return nil
}

// close closes what is open, in order. It is called once.
func (s *store) close() error {
	l, _ := s.leading.get()
	drain := s.cfg.timing.drain
	if l.known() {
		s.stopLocking()
		s.leaveOnExit()
	} else { // there is nobody to wait for
		s.abandonLocks()
		drain = 0
	}
	if err := s.stepDown(context.Background()); err != nil { // before changes are refused: they go on elsewhere
		s.log().Warn("the others must elect a leader", zap.Error(err))
	}
	s.counter.drain(drain)
	var errs []error
	stopped := true
	s.stopOnce.Do(func() { close(s.stop) })
	s.leading.end()
	s.configuring.Lock() // for good: nothing is started any more
	if m := s.member.Load(); m != nil {
		if err := m.end(); err != nil {
			errs, stopped = append(errs, err), false
		}
	}
	s.wg.Wait()
	errs = append(errs, s.place.leave(place{}))
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

var _ http.Handler = (*store)(nil)

// stopped tells whether the store is closed.
func (s *store) stopped() bool {
	select {
	case <-s.stop:
		return true
	default:
		return false
	}
}

// until polls until cond holds.
func until(ctx context.Context, cond func() bool) error {
	for !cond() {
		if !sleep(ctx, 10*time.Millisecond) {
			return context.Cause(ctx)
		}
	}
	return nil
}
