package raftstorage

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/dgate-io/caddy-dgate/internal/resource"
	"github.com/dgate-io/caddy-dgate/raftstorage/peer"
)

// belong keeps this server in its cluster until ctx ends: without one it asks to be let in, for
// ever; with one it announces where it is.
func (s *store) belong(ctx context.Context) {
	ms := s.members
	timer := time.NewTimer(0)
	defer timer.Stop()
	pause := ms.timing.joinFirst
	for {
		_, changed := s.leading.get()
		select {
		case <-ctx.Done():
			return
		case <-ms.joinNow:
			pause = ms.timing.joinFirst
		case <-changed: // a new leader does not know yet whether we reach it
		case <-timer.C:
		}
		var next time.Duration
		switch {
		case ms.isReplaced():
			return
		case len(s.servers()) == 0:
			why := s.seek(ctx)
			s.setJoining(why)
			next = pause + rand.N(pause/2+1) //nolint:gosec // so that servers do not all ask at once
			pause = min(2*pause, ms.timing.joinMost)
		default:
			s.arrived()
			s.announce(ctx)
			pause, next = ms.timing.joinFirst, ms.timing.announce
			if l, _ := s.leading.get(); !l.known() || s.db.ClusterID() == "" {
				next = ms.timing.alone
			}
			next += rand.N(next/10 + 1) //nolint:gosec // as above
		}
		timer.Reset(next)
	}
}

func (ms *membership) isReplaced() bool {
	ms.mu.Lock()
	defer ms.mu.Unlock()
	return ms.replaced != ""
}

// arrived forgets what bound this server to a cluster that it is in now.
func (s *store) arrived() {
	ms := s.members
	s.setJoining("")
	if s.db.ClusterID() == "" || ms.pledge.get().Recovering != "" {
		return
	}
	if err := ms.pledge.kept(); err != nil {
		s.log().Warn("the promise of this server could not be deleted", zap.Error(err))
	}
}

// seek tries once to be let into a cluster, or to form one. It says why that was in vain, or ""
// if it was not.
func (s *store) seek(ctx context.Context) string {
	c, ms := s.clusterConfig(), s.members
	if c == nil {
		return "its configuration has no cluster block"
	}
	ms.mu.Lock()
	entries := append(slices.Clone(ms.extra), c.Join...)
	ms.mu.Unlock()
	addresses, err := resolveJoin(ctx, ms.finder, entries)
	own := s.advertised()
	greetings, errs := s.askAll(ctx, addresses)
	var problems []string
	if err != nil {
		problems = append(problems, strings.Split(err.Error(), "\n")...)
	}
	var waiting []proposedServer
	var exists string // a cluster that others are in: a second one must not begin beside it
	for i, g := range greetings {
		if errs[i] == nil && g.Member && g.ID != string(s.id()) {
			exists = cmp.Or(exists, g.Cluster, g.ID)
		}
		switch {
		case errs[i] != nil:
			problems = append(problems, fmt.Sprintf("%s: %v", addresses[i], unaddressed(errs[i])))
		case g.ID == string(s.id()):
		case addresses[i] == own:
			problems = append(problems, fmt.Sprintf("%s: this node announces that address, and server %s answers there: set advertise", own, g.ID))
		case g.Member && g.Cluster != "":
			if err := s.askIn(ctx, g); err == nil {
				s.log().Info("this server joins a cluster", zap.String("cluster", g.Cluster), zap.String("leader", g.Leader))
				return "it was let in and waits for the first data"
			} else {
				problems = append(problems, fmt.Sprintf("%s: %v", addresses[i], err))
			}
		case g.Member:
			problems = append(problems, fmt.Sprintf("%s: its cluster is only just beginning", addresses[i]))
		default:
			waiting = append(waiting, proposedServer{ID: g.ID, Address: g.Address})
			if c.Expect == 0 {
				problems = append(problems, fmt.Sprintf("%s: it has no cluster either", addresses[i]))
			}
		}
	}
	if c.Expect > 0 && !c.Edge && ctx.Err() == nil {
		f := s.former()
		f.failed, f.exists, f.known = ms.failed, exists, s.countListed(c, addresses, greetings, errs)
		why, err := f.round(ctx, waiting)
		ms.failed = f.failed
		if err != nil {
			why = err.Error()
		}
		switch {
		case why != "":
			problems = append([]string{why}, problems...)
		case exists == "":
			return ""
		}
	} else if len(waiting) > 0 && len(waiting) == len(greetings) {
		problems = append(problems, "start one of the nodes without join, or set expect to the number of nodes that begin the cluster")
	}
	if len(problems) == 0 {
		return "the join list has no other server than this one, whose address is " + own
	}
	return strings.Join(problems, "; ")
}

// countListed is how many servers the join list has, this one included, as far as it can tell: an
// address that does not answer is a server if the list has it as it is; one that was looked up is
// perhaps another one's.
func (s *store) countListed(c *Cluster, addresses []string, greetings []greeting, errs []error) int {
	servers := map[string]bool{string(s.id()): true}
	for i, address := range addresses {
		switch {
		case address == s.advertised():
		case errs[i] == nil:
			servers[greetings[i].ID] = true
		case slices.Contains(c.Join, address):
			servers[address] = true
		}
	}
	return len(servers)
}

// unaddressed is an error without the address of the peer, where that is said already.
func unaddressed(err error) error {
	if gone, ok := errors.AsType[*peer.Error](err); ok {
		return gone.Err
	}
	return err
}

// askIn asks the leader of the cluster of g to let this server in. That it is us who call the
// leader shows that we can.
func (s *store) askIn(ctx context.Context, g greeting) error {
	ms, c := s.members, s.clusterConfig()
	if g.LeaderAddress == "" {
		return errors.New("its cluster has no leader at the moment")
	}
	if g.Servers == 0 || c == nil {
		return errors.New("it is in no cluster")
	}
	v := ms.pledge.get()
	if v.cluster() != "" && v.cluster() != g.Cluster && (v.Promised != nil || c.Expect > 0) {
		return fmt.Errorf("it is in cluster %s, and this server has promised to be in %s", g.Cluster, v.cluster())
	}
	if c.Expect == 0 && v.Joining != "" && v.Joining != g.Cluster {
		if err := ms.pledge.refused(v.Joining); err != nil { // it is told to join another one now
			return err
		}
	}
	if c.Expect > 0 {
		// From here on this server forms no other cluster, whatever happens to it.
		if err := ms.pledge.join(g.Cluster); err != nil {
			return err
		}
	}
	ms.mu.Lock()
	ms.target = g.Cluster
	ms.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, 2*ms.timing.change)
	defer cancel()
	err := s.call(ctx, g.LeaderAddress, "join", joinRequest{s.myself(), g.Cluster}, nil)
	if err != nil && (undone(err) || isRefusal(err)) {
		ms.mu.Lock()
		ms.target = ""
		ms.mu.Unlock()
		if err := ms.pledge.refused(g.Cluster); err != nil {
			return err
		}
	}
	return err
}

// isRefusal tells errors by which a leader says no, so that nothing was done.
func isRefusal(err error) bool {
	code := resource.CodeOf(err)
	return code == resource.Conflict || code == resource.Unauthorized || code == resource.BadRequest
}

func (s *store) isRemoved() bool {
	s.members.mu.Lock()
	defer s.members.mu.Unlock()
	return s.members.removed
}

// oneLine is a joined error as one sentence.
func oneLine(err error) string {
	if err == nil {
		return ""
	}
	return strings.ReplaceAll(err.Error(), "\n", "; ")
}
