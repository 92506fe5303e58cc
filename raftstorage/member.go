package raftstorage

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"

	"github.com/dgate-io/caddy-dgate/raftstorage/peer"
)

// member is the part of an open store that can be restarted without closing any file: raft, what
// it talks to others with, and the goroutines that belong to it.
type member struct {
	s         *store
	raft      *raft.Raft
	guard     *guard
	logs      *logCache
	nudges    nudges
	transport raft.Transport
	address   raft.ServerAddress // where others reach this node, or [localAddress]
	port      *peer.Port         // nil: alone
	networked bool               // there is a port

	ending  atomic.Bool
	handing sync.RWMutex    // read-locked while something is handed to raft
	ctx     context.Context // done when this member ends
	cancel  context.CancelFunc
	wg      sync.WaitGroup
	ended   chan struct{} // closed when nothing of this member runs any more
	endOnce sync.Once

	ready        chan struct{} // closed when it has led and finished a barrier
	readyOnce    sync.Once
	led          atomic.Bool               // has led once, so that raft gets its usual timeouts
	settled      atomic.Uint64             // the term that this node led and finished a barrier in
	transferring atomic.Bool               // leadership is being given away
	stuckSince   atomic.Pointer[time.Time] // since when raft refuses changes because of that; nil: it does not
	restarting   atomic.Bool               // because of that
}

// startMember starts raft. With c nil it is in this process only.
func (s *store) startMember(c *Cluster, p place) (_ *member, err error) {
	conf, err := s.configuration()
	if err == nil {
		s.checkRecovering(conf.Servers)
	}
	if err == nil && len(conf.Servers) == 0 && c.mayBegin() && s.boundTo() == "" {
		conf, err = s.bootstrap(cmp.Or(p.address, string(localAddress)))
	}
	if err != nil {
		return nil, err
	}
	m := &member{s: s, address: raft.ServerAddress(p.address), port: p.port, networked: c != nil, ready: make(chan struct{}), ended: make(chan struct{})}
	m.ctx, m.cancel = context.WithCancel(context.Background())
	m.guard = s.newGuard(m.ctx.Done())
	m.logs = newLogCache(m.guard)
	m.nudges.wake = make(chan struct{}, 1)
	if c == nil {
		m.address = localAddress
		_, inmem := raft.NewInmemTransport(localAddress)
		m.transport = &loopback{inmem, m.guard.start}
	} else {
		m.transport = m.network()
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, m.end())
		}
	}()
	notify := make(chan bool, 16)
	seen := make(chan raft.Observation, 16)
	settings := m.settings(c, conf)
	settings.NotifyCh = notify
	r, err := newRaft(settings, &fsm{m}, m.logs, m.guard, s.snaps, m.transport)
	if err != nil {
		return nil, fmt.Errorf("start raft: %w", err)
	}
	m.raft = r
	if err := m.checkServers(); err != nil {
		return nil, err
	}
	r.RegisterObserver(raft.NewObserver(seen, false, func(o *raft.Observation) bool {
		_, ok := o.Data.(raft.LeaderObservation)
		return ok
	}))
	s.member.Store(m)
	m.wg.Go(func() { m.followLeadership(notify, seen) })
	m.loop(m.maintain)
	if m.networked {
		m.loop(m.compare)
		m.loop(m.nudge)
	}
	if m.networked && !s.cfg.manual {
		m.started()
	}
	return m, nil
}

// started begins what keeps this server a member of a cluster. Each is a loop that ends with its
// context, which is done when this member ends.
func (m *member) started() {
	m.loop(m.s.belong)
}

// duties are what only the leader does. Each is a loop that ends with its context, which is done
// when this server does not lead any more.
func (m *member) duties() []func(ctx context.Context) {
	if m.networked {
		return []func(context.Context){m.s.lead, m.s.tidy}
	}
	return []func(context.Context){m.s.leadAlone, m.s.tidy}
}

// loop runs f until this member ends; f must return when its context is done.
func (m *member) loop(f func(ctx context.Context)) { m.wg.Go(func() { f(m.ctx) }) }

// settings are those of raft. A sole voter has nobody to wait for; one without a cluster is quicker
// still, because nobody can ever join it.
func (m *member) settings(c *Cluster, servers raft.Configuration) *raft.Config {
	conf := raft.DefaultConfig()
	conf.LocalID = m.s.id()
	usual := m.s.cfg.timing.election
	conf.HeartbeatTimeout, conf.ElectionTimeout, conf.LeaderLeaseTimeout = usual, usual, usual/2
	if m.s.soleVoter(servers) {
		conf.HeartbeatTimeout, conf.ElectionTimeout = usual/2, usual/2
		if c == nil {
			conf.HeartbeatTimeout, conf.ElectionTimeout, conf.LeaderLeaseTimeout = soloTimeout, soloTimeout, soloLease
		}
	}
	conf.CommitTimeout = commitTimeout
	conf.BatchApplyCh = true
	conf.ShutdownOnRemove = false
	conf.TrailingLogs = maxTrailing
	conf.SnapshotInterval = snapshotInterval
	conf.SnapshotThreshold = m.s.cfg.SnapshotEntries
	conf.NoSnapshotRestoreOnStart = true // the state is there already, see openFiles
	conf.NoLegacyTelemetry = true
	conf.Logger = newLogger(m.s.cfg.Logger)
	return conf
}

// soleVoter tells whether this server is the only one that votes.
func (s *store) soleVoter(conf raft.Configuration) bool {
	voters, self := 0, false
	for _, server := range conf.Servers {
		if server.Suffrage == raft.Voter {
			voters++
			self = self || server.ID == s.id()
		}
	}
	return voters == 1 && self
}

// configuration is the newest one in log and snapshots; empty if there is none.
func (s *store) configuration() (raft.Configuration, error) {
	var none raft.Configuration
	first, err := s.guard.FirstIndex()
	if err != nil {
		return none, fmt.Errorf("read log: %w", err)
	}
	last, err := s.guard.LastIndex()
	if err != nil {
		return none, fmt.Errorf("read log: %w", err)
	}
	snaps, err := s.snaps.List()
	if err != nil {
		return none, fmt.Errorf("list snapshots: %w", err)
	}
	var known raft.Configuration
	if len(snaps) > 0 {
		known, first = snaps[0].Configuration, max(first, snaps[0].Index+1)
	}
	for i := last; i >= first && i > 0; i-- {
		var entry raft.Log
		if err := s.guard.GetLog(i, &entry); err != nil {
			return none, fmt.Errorf("read log: %w", err)
		}
		if entry.Type == raft.LogConfiguration {
			err := safely(func() error { known = raft.DecodeConfiguration(entry.Data); return nil })
			return known, err
		}
	}
	return known, nil
}

// newRaft is raft.NewRaft with panics as errors.
func newRaft(conf *raft.Config, f raft.FSM, logs raft.LogStore, stable raft.StableStore, snaps raft.SnapshotStore, trans raft.Transport) (r *raft.Raft, err error) {
	defer func() {
		if p := recover(); p != nil {
			r, err = nil, fmt.Errorf("%v", p)
		}
	}()
	return raft.NewRaft(conf, f, logs, stable, snaps, trans)
}

// servers are those of the newest configuration.
func (m *member) servers() []raft.Server {
	future := m.raft.GetConfiguration()
	if future.Error() != nil {
		return nil
	}
	return future.Configuration().Servers
}

// checkServers refuses a directory that is that of another server.
func (m *member) checkServers() error {
	servers := m.servers()
	if len(servers) == 1 && servers[0].ID != m.s.id() && !m.networked {
		return fmt.Errorf("the log is that of server %s, and this directory is that of server %s: they do not belong together", servers[0].ID, m.s.id())
	}
	return nil
}

// followLeadership drains the channel that raft blocks on when it is full: it only notes who leads,
// and runs what a leader does for as long as this node does.
func (m *member) followLeadership(notify <-chan bool, seen <-chan raft.Observation) {
	var ruling sync.WaitGroup
	resign := context.CancelFunc(func() {})
	defer func() {
		resign()
		ruling.Wait()
		m.s.leading.set(leader{})
	}()
	before := leader{}
	for {
		now := m.leader()
		if now != before {
			resign()
			m.s.leading.set(now)
			if now.self {
				m.led.Store(true)
				m.s.wakeUpkeep()
				var ctx context.Context
				ctx, resign = context.WithCancel(m.ctx)
				ruling.Go(func() { m.rule(ctx) })
			}
			before = now
		}
		select {
		case <-notify:
		case <-seen:
		case <-m.ctx.Done():
			resign()
			return
		}
	}
}

// leader is who leads, as raft sees it.
func (m *member) leader() leader {
	if m.raft.State() == raft.Leader {
		return leader{self: true, id: m.s.id(), term: m.raft.CurrentTerm()}
	}
	address, id := m.raft.LeaderWithID()
	if id == "" || id == m.s.id() {
		return leader{}
	}
	return leader{id: id, address: string(m.s.addresses.of(id, address))}
}

// sleep pauses, and returns false if ctx is done before.
func sleep(ctx context.Context, span time.Duration) bool {
	timer := time.NewTimer(span)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
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
