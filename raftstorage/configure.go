package raftstorage

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"go.uber.org/zap"

	"github.com/dgate-io/caddy-dgate/raftstorage/peer"
)

// Configure gives the node another configuration of its cluster, or with nil makes it be alone.
// It may be called before Open and while the store is open, which stays so: secrets, join list
// and the like change in place, addresses restart the part that talks to others. What cannot be,
// for instance because a port is taken, is an error, and the node goes on as it was.
func (n *Node) Configure(c *Cluster) error {
	c = c.withDefaults()
	if err := c.Check(); err != nil {
		return err
	}
	n.configuring.Lock()
	defer n.configuring.Unlock()
	n.mu.Lock()
	if n.closing {
		n.mu.Unlock()
		return closedError()
	}
	before, opening, s := n.cluster, n.attempt, n.store
	n.cluster = c
	n.mu.Unlock()
	if opening != nil {
		<-opening.done
		n.mu.Lock()
		s = n.store
		n.mu.Unlock()
	}
	if s == nil {
		return nil
	}
	if err := s.configure(c); err != nil {
		n.mu.Lock()
		n.cluster = before
		n.mu.Unlock()
		return err
	}
	return nil
}

// place is where others reach this node, and with what it proves who it is. Zero: nowhere.
type place struct {
	port    *peer.Port
	cred    *peer.Credentials
	address string
}

// samePlace tells configurations between which nothing is restarted.
func samePlace(a, b *Cluster) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Listen == b.Listen && a.Advertise == b.Advertise && a.Name == b.Name
}

// open makes a place, or takes over the port of the one before.
func (s *store) open(c *Cluster, old *Cluster, was place) (p place, err error) {
	if c == nil {
		return place{}, nil
	}
	if old != nil && was.port != nil && old.Listen == c.Listen && old.Name == c.Name {
		p = was
		err = trust(p.cred, c)
	} else {
		p.port, p.cred, err = s.listen(c)
	}
	if err != nil {
		return place{}, err
	}
	if p.address, err = advertise(c, p.port.Addr()); err != nil {
		return place{}, errors.Join(err, p.leave(was))
	}
	return p, nil
}

// leave closes the port of a place, unless the next one has it too.
func (p place) leave(next place) error {
	if p.port == nil || p.port == next.port {
		return nil
	}
	return p.port.Close()
}

// configure makes c the configuration in force. After an error that of before is.
func (s *store) configure(c *Cluster) error {
	if !s.lockConfiguring() {
		return closedError()
	}
	defer s.configuring.Unlock()
	old := s.cluster.Load()
	err := s.change(c)
	if err != nil && old != nil && s.place.cred != nil {
		err = errors.Join(err, trust(s.place.cred, old)) // also the secrets
	}
	if err != nil {
		s.revive(err)
	}
	return err
}

// change makes c the configuration in force. The caller holds configuring.
func (s *store) change(c *Cluster) error {
	if s.members.isReplaced() {
		s.cluster.Store(c) // nothing runs any more that could follow it
		return nil
	}
	old, was := s.cluster.Load(), s.place
	if samePlace(old, c) && s.runs() {
		if c != nil {
			if err := trust(was.cred, c); err != nil {
				return err
			}
		}
		s.cluster.Store(c)
		return nil
	}
	next, err := s.open(c, old, was)
	gone := false
	if err != nil && was.port != nil && c != nil && portOf(was.port.Addr().String()) == portOf(c.Listen) {
		// Our own port is in the way.
		if err := s.stopMember(); err != nil {
			return err
		}
		gone = true
		err = was.port.Close()
		if err == nil {
			next, err = s.open(c, nil, place{})
		}
	}
	if err == nil && !gone {
		if err = s.stopMember(); err != nil {
			return errors.Join(err, next.leave(was))
		}
	}
	if err == nil {
		if err = s.start(c, next); err == nil {
			if !gone {
				s.abandon(was, next)
			}
			return nil
		}
		err = errors.Join(err, next.leave(was))
	}
	if gone {
		reopened, failed := s.open(old, nil, place{})
		if failed != nil {
			s.place = place{}
			return errors.Join(err, fmt.Errorf("and the port of before cannot be opened again: %w", failed))
		}
		was = reopened
	} else if s.runs() {
		return err // nothing was stopped
	}
	return errors.Join(err, s.start(old, was))
}

// abandon closes the port that is not used any more.
func (s *store) abandon(was, next place) {
	if err := was.leave(next); err != nil {
		s.log().Warn("the port of before cannot be closed", zap.Error(err))
	}
}

// stopMember lets another member lead and stops raft.
func (s *store) stopMember() error {
	m := s.member.Load()
	if m == nil {
		return nil
	}
	if err := s.stepDown(context.Background()); err != nil {
		s.log().Warn("the others must elect a leader", zap.Error(err))
	}
	return m.end()
}

// start starts raft at a place, with a state that is as new as the newest snapshot.
func (s *store) start(c *Cluster, p place) error {
	if s.members.pledge.get().Dropping {
		err := s.emptyState()
		if err == nil {
			err = s.finishDrop()
		}
		if err != nil {
			return err
		}
	}
	if err := s.bringUp(); err != nil {
		return err
	}
	m, err := s.startMember(c, p)
	if err != nil {
		return err
	}
	s.cluster.Store(c)
	s.place = p
	s.standstill.Store(nil)
	s.log().Info("the cluster is configured", zap.String("address", string(m.address)))
	return nil
}

// startNetwork starts raft for the first time.
func (s *store) startNetwork(c *Cluster) error {
	s.configuring.Lock()
	defer s.configuring.Unlock()
	p, err := s.open(c, nil, place{})
	if err != nil {
		return err
	}
	if _, err := s.startMember(c, p); err != nil {
		return errors.Join(err, p.leave(place{}))
	}
	s.place = p
	return nil
}

// restart stops raft, runs between, and starts raft again, also if between fails. The files stay
// open; [store.guard] reads and writes the log meanwhile.
func (s *store) restart(between func() error) error {
	if !s.lockConfiguring() {
		return closedError()
	}
	defer s.configuring.Unlock()
	if err := s.stopMember(); err != nil {
		s.revive(err)
		return err
	}
	err := between()
	if failed := s.start(s.cluster.Load(), s.place); failed != nil {
		err = errors.Join(err, failed)
		s.revive(failed)
	}
	return err
}

// runs tells whether raft runs, or was at least started and not stopped.
func (s *store) runs() bool {
	m := s.member.Load()
	return m != nil && m.ctx.Err() == nil
}

// broken notes why raft, which was stopped to be started again, does not run.
func (s *store) broken(err error) {
	why := "raft was stopped and cannot be started again, which is tried on and on: " + err.Error()
	s.standstill.Store(&why)
}

// revive starts raft again, however often that takes, if it does not run because of an error.
func (s *store) revive(err error) {
	if s.runs() || s.members.isReplaced() {
		return
	}
	s.broken(err)
	if !s.reviving.CompareAndSwap(false, true) {
		return
	}
	s.later(func() {
		defer s.reviving.Store(false)
		for pause := s.cfg.timing.retry; ; pause = min(2*pause, maxRevivePause) {
			select {
			case <-time.After(pause):
			case <-s.stop:
				return
			}
			if s.reviveOnce() {
				return
			}
		}
	})
}

// reviveOnce tries to start raft, and tells whether there is nothing left to try.
func (s *store) reviveOnce() bool {
	if !s.lockConfiguring() {
		return true
	}
	defer s.configuring.Unlock()
	m := s.member.Load()
	if s.runs() || m == nil || s.members.isReplaced() {
		return true
	}
	select {
	case <-m.ended:
	default:
		return false // the one before still has the log
	}
	c, p := s.cluster.Load(), s.place
	var err error
	if c != nil && p.port == nil {
		p, err = s.open(c, nil, place{})
	}
	if err == nil {
		if err = s.start(c, p); err != nil {
			err = errors.Join(err, p.leave(s.place))
		}
	}
	if err != nil {
		s.broken(err)
		s.log().Error("raft cannot be started again; trying on", zap.Error(err))
		return false
	}
	return true
}

// maxRevivePause is the longest pause between two tries to start raft again.
const maxRevivePause = 5 * time.Second

// portOf is the port of a listen address.
func portOf(listen string) string {
	_, port, _ := net.SplitHostPort(listen) // checked before
	return port
}
