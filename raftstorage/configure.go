package raftstorage

import (
	"context"
	"errors"
	"fmt"
	"net"

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

// configure makes c the configuration in force.
func (s *store) configure(c *Cluster) error {
	s.configuring.Lock()
	defer s.configuring.Unlock()
	if s.stopped() {
		return closedError()
	}
	if s.members.isReplaced() {
		s.cluster.Store(c) // nothing runs any more that could follow it
		return nil
	}
	old, was := s.cluster.Load(), s.place
	if samePlace(old, c) {
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
			return errors.Join(err, fmt.Errorf("and the port of before cannot be opened again: %w", failed))
		}
		was = reopened
	} else if s.member.Load().ctx.Err() == nil {
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
	if err := s.bringUp(); err != nil {
		return err
	}
	m, err := s.startMember(c, p)
	if err != nil {
		return err
	}
	s.cluster.Store(c)
	s.place = p
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
		return err
	}
	err := between()
	return errors.Join(err, s.start(s.cluster.Load(), s.place))
}

// portOf is the port of a listen address.
func portOf(listen string) string {
	_, port, _ := net.SplitHostPort(listen) // checked before
	return port
}
