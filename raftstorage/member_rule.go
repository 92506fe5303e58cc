package raftstorage

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/hashicorp/raft"
	"go.uber.org/zap"
)

// rule does what is up to the leader: at first what each leader does once, then its duties.
func (m *member) rule(ctx context.Context) {
	for _, step := range []func(context.Context) error{m.settle, m.nameCluster} {
		for pause := retryPause; ; pause = min(2*pause, maxRetryPause) {
			err := step(ctx)
			if err == nil {
				break
			}
			if !sleep(ctx, pause) {
				return
			}
			m.s.log().Warn("the new leader cannot do yet what it must", zap.Error(err))
		}
	}
	if err := m.correctAddress(ctx); err != nil { // its duties try that again
		m.s.log().Warn("the address of this leader is not known to its cluster yet", zap.Error(err))
	}
	if m.s.cfg.manual {
		return
	}
	var all sync.WaitGroup
	for _, duty := range m.duties() {
		all.Go(func() { duty(ctx) })
	}
	all.Wait()
}

// settle returns when everything that earlier leaders agreed on is applied here.
func (m *member) settle(ctx context.Context) error {
	term := m.raft.CurrentTerm()
	if m.settled.Load() == term {
		return nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, m.s.cfg.timing.propose, errors.New("it takes too long"))
	defer cancel()
	if err := m.barrier(ctx); err != nil {
		return fmt.Errorf("apply the log: %w", err)
	}
	if m.raft.CurrentTerm() == term {
		m.settled.Store(term)
		m.readyOnce.Do(func() { close(m.ready) })
	}
	return nil
}

// nameCluster makes the first command of a cluster.
func (m *member) nameCluster(ctx context.Context) error {
	if m.s.db.ClusterID() != "" {
		return nil
	}
	return m.s.firstCommand(ctx)
}

// correctAddress tells the cluster where this leader is: one that was alone had no address.
func (m *member) correctAddress(context.Context) error {
	if !m.networked {
		return nil
	}
	for _, server := range m.servers() {
		if server.ID == m.s.id() && server.Suffrage == raft.Voter && server.Address != m.address {
			return m.raft.AddVoter(server.ID, m.address, 0, m.s.cfg.timing.propose).Error()
		}
	}
	return nil
}

// stepDown gives leadership to another voter, if this node leads and there is one.
func (m *member) stepDown(ctx context.Context) error {
	if m.raft.State() != raft.Leader || m.s.soleVoter(raft.Configuration{Servers: m.servers()}) {
		return nil
	}
	m.transferring.Store(true)
	defer m.transferring.Store(false)
	given := make(chan error, 1)
	go func() { given <- m.raft.LeadershipTransfer().Error() }() // it ends after an election timeout
	select {
	case err := <-given:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// asks runs f, which hands something to raft, unless this member is ending: what raft has taken in
// and not looked at when it stops, it never answers.
func (m *member) asks(f func()) bool {
	m.handing.RLock()
	defer m.handing.RUnlock()
	if m.ending.Load() {
		return false
	}
	f()
	return true
}
