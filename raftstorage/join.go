package raftstorage

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/raft"
	"go.uber.org/zap"

	"github.com/dgate-io/caddy-dgate/internal/resource"
	"github.com/dgate-io/caddy-dgate/internal/state"
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

// former is how this server forms a cluster with others.
func (s *store) former() *former {
	ms := s.members
	f := &former{self: proposedServer{ID: string(s.id()), Address: s.advertised()}, pledge: ms.pledge, begin: s.form}
	if c := s.clusterConfig(); c != nil {
		f.expect = c.Expect
	}
	f.call = func(ctx context.Context, address, method string, in, out any) error {
		ctx, cancel := context.WithTimeout(ctx, ms.timing.ask)
		defer cancel()
		return s.call(ctx, address, method, in, out)
	}
	return f
}

// form makes this server begin the cluster that all others have agreed to.
func (s *store) form(p proposal) error {
	var servers []raft.Server
	for _, one := range p.Servers {
		servers = append(servers, raft.Server{Suffrage: raft.Voter, ID: raft.ServerID(one.ID), Address: raft.ServerAddress(one.Address)})
		if one.ID != string(s.id()) {
			s.noteSeen(announcement{ID: one.ID, Address: one.Address})
		}
	}
	s.log().Info("this server begins a cluster", zap.String("cluster", p.Cluster), zap.Int("servers", len(servers)))
	// Restarting ends who called us, and must not wait for it. If it fails the next round tries again.
	forming := &s.members.forming
	if !forming.CompareAndSwap(false, true) {
		return nil
	}
	s.later(func() {
		defer forming.Store(false)
		// It can have been given up meanwhile, and then it never begins.
		err := s.restart(func() error {
			return s.members.pledge.begin(p.Cluster, func() error { return s.bootstrapAs(servers) })
		})
		if err != nil {
			s.log().Error("the cluster could not be begun; trying again", zap.Error(err))
		}
	})
	return nil
}

// servePromise answers a server that proposes to form a cluster.
func (s *store) servePromise(_ context.Context, from peer.Identity, r *http.Request) (any, error) {
	var p proposal
	if err := decode(r, &p); err != nil {
		return nil, err
	}
	ms := s.members
	ms.mu.Lock()
	target := ms.target
	ms.mu.Unlock()
	switch {
	case from.ServerID != p.Proposer:
		return nil, resource.Errorf(resource.Unauthorized, "server %s proposes for server %s", from.ServerID, p.Proposer)
	case len(s.servers()) > 0 && s.boundTo() == p.Cluster:
		return struct{}{}, nil // it has begun: the question comes late
	case len(s.servers()) > 0:
		return nil, resource.Errorf(resource.Conflict, "this server is in cluster %s", s.boundTo())
	case target != "" && target != p.Cluster:
		return nil, resource.Errorf(resource.Conflict, "this server is joining cluster %s", target)
	}
	return struct{}{}, s.former().agree(p)
}

// serveRelease answers a server that has given up its proposal.
func (s *store) serveRelease(_ context.Context, from peer.Identity, r *http.Request) (any, error) {
	var p proposal
	if err := decode(r, &p); err != nil {
		return nil, err
	}
	if from.ServerID != p.Proposer {
		return nil, resource.Errorf(resource.Unauthorized, "server %s answers for server %s", from.ServerID, p.Proposer)
	}
	return struct{}{}, s.members.pledge.release(p.Cluster)
}

// serveFate answers what became of a proposal of this server.
func (s *store) serveFate(_ context.Context, _ peer.Identity, r *http.Request) (any, error) {
	var p proposal
	if err := decode(r, &p); err != nil {
		return nil, err
	}
	return s.former().fateOf(p, s.db.ClusterID)
}

// joinRequest asks the leader to be let in.
type joinRequest struct {
	announcement
	// Cluster is the id of the cluster that is meant.
	Cluster string `json:"cluster"`
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

// serveJoin lets a server in, as one that does not vote: if something is wrong with it, nobody
// else notices.
func (s *store) serveJoin(ctx context.Context, from peer.Identity, r *http.Request) (any, error) {
	var in joinRequest
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	cluster := s.db.ClusterID()
	switch {
	case !s.leads() || cluster != s.boundTo(): // it gets another id first
		return nil, notLeader()
	case from.ServerID != in.ID:
		return nil, resource.Errorf(resource.Unauthorized, "server %s asks for server %s", from.ServerID, in.ID)
	case cluster == "" || in.Cluster != cluster:
		return nil, resource.Errorf(resource.Conflict, "this is cluster %s, and server %s asks for cluster %s", cluster, in.ID, in.Cluster)
	case in.Level < s.usedLevel():
		return nil, resource.Errorf(resource.Conflict, "server %s understands level %d and cluster %s uses level %d: upgrade it", in.ID, in.Level, cluster, s.usedLevel())
	}
	if err := checkAdvertised(in.Address); err != nil {
		return nil, err
	}
	if err := s.admit(ctx, in.announcement); err != nil {
		return nil, err
	}
	replaced, err := s.upsert(ctx, in.announcement)
	if err == nil && replaced != "" {
		err = resource.Errorf(resource.Conflict, "%s", replaced)
	}
	wake(s.members.leadNow)
	return struct{}{}, err
}

func checkAdvertised(address string) error {
	if _, _, err := splitAddress(address); err != nil {
		return resource.Errorf(resource.BadRequest, "the address %q of the server cannot be reached: %v (option advertise)", address, err)
	}
	return nil
}

// admit adds a server to the configuration, if it is not in it. A server that had the same address is
// removed in the same step, if the new one is who answers there: it has lost its data and come back as
// another. One that does not answer is perhaps only being restarted.
func (s *store) admit(ctx context.Context, a announcement) error {
	ms := s.members
	ms.changing.Lock()
	defer ms.changing.Unlock()
	servers := s.servers()
	if _, ok := findServer(servers, a.ID); ok {
		return nil // upsert brings its address up to date
	}
	for _, other := range servers {
		if s.whereIs(other) != a.Address && string(other.Address) != a.Address {
			continue
		}
		if other.ID == s.id() {
			return resource.Errorf(resource.Conflict, "server %s announces the address %s of server %s: set advertise", a.ID, a.Address, other.ID)
		}
		switch g, err := s.ask(ctx, a.Address); {
		case err != nil:
			return resource.Errorf(resource.Conflict, "server %s announces the address %s of server %s, which does not answer there: remove that one first if it is gone "+
				"(dgate-cli cluster remove %s), or set advertise", a.ID, a.Address, other.ID, other.ID)
		case g.ID != a.ID:
			return resource.Errorf(resource.Conflict, "server %s announces the address %s, where server %s answers: set advertise", a.ID, a.Address, g.ID)
		case s.whereIs(other) != a.Address: // it has moved, which the configuration does not say yet
			if err := s.moveServer(string(other.ID), s.whereIs(other)); err != nil {
				return err
			}
			continue
		}
		s.log().Warn("a server was replaced by another one at its address", zap.String("gone", string(other.ID)), zap.String("new", a.ID), zap.String("address", a.Address))
		if err := s.expel(ctx, string(other.ID)); err != nil {
			return err
		}
	}
	m := s.raftNow()
	if m == nil {
		return notLeader()
	}
	if err := m.AddNonvoter(raft.ServerID(a.ID), raft.ServerAddress(a.Address), 0, ms.timing.change).Error(); err != nil {
		return changeError("add server "+a.ID, err)
	}
	s.log().Info("a server was let in", zap.String("server", a.ID), zap.String("name", a.Name), zap.String("address", a.Address))
	return nil
}

// expel takes a server out of the configuration and forgets it. The caller holds changing.
func (s *store) expel(ctx context.Context, id string) error {
	r := s.raftNow()
	if r == nil {
		return notLeader()
	}
	if err := r.RemoveServer(raft.ServerID(id), 0, s.members.timing.change).Error(); err != nil {
		return changeError("remove server "+id, err)
	}
	return s.forget(ctx, id)
}

// forget deletes what the cluster remembers of a server.
func (s *store) forget(ctx context.Context, id string) error {
	ms := s.members
	ms.mu.Lock()
	delete(ms.seen, id)
	delete(ms.following, id)
	delete(ms.silent, id)
	delete(ms.problems, id)
	ms.mu.Unlock()
	records, versions, err := s.records()
	if _, known := records[id]; !known || err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, ms.timing.change)
	defer cancel()
	_, err = s.propose(ctx, state.Command{Ops: []state.Op{state.Delete(memberKey(id), state.Condition{Mode: state.AtVersion, Version: versions[id]})}})
	return err
}

// changeError is the error of a change of the configuration. Who asked can ask again.
func changeError(what string, err error) error {
	code := resource.OutcomeUnknown
	if neverApplied(err) {
		return &resource.Error{Code: resource.NoLeader, Message: errNotLeader.Error(), Err: errors.Join(errNotLeader, err)}
	}
	return &resource.Error{Code: code, Message: what + ": " + err.Error(), Err: err}
}

// Join asks members of a cluster at these addresses, in the form of [Cluster.Join], to let this
// node in, now and until one of them does. A node that holds anything but what a new one has is
// refused: that would be lost. The error says what each address answered; trying goes on if it has
// the code no_leader.
func (n *Node) Join(ctx context.Context, addresses []string) error {
	s, err := n.current()
	if err != nil {
		return err
	}
	c := s.clusterConfig()
	if c == nil {
		return noCluster()
	}
	if c.private() {
		return resource.Errorf(resource.Conflict, "this node has no secret that others could know it by: set secret (or own certificates) in its cluster block")
	}
	for _, a := range addresses {
		if err := CheckJoin(a); err != nil {
			return &resource.Error{Code: resource.BadRequest, Message: err.Error(), Err: err}
		}
	}
	if len(addresses) == 0 {
		return resource.Errorf(resource.BadRequest, "name at least one member to join")
	}
	return s.joinNow(ctx, addresses)
}

// joinNow joins at run time.
func (s *store) joinNow(ctx context.Context, entries []string) error {
	ms := s.members
	addresses, resolved := resolveJoin(ctx, ms.finder, entries)
	greetings, errs := s.askAll(ctx, addresses)
	problems := []error{resolved}
	own := s.db.ClusterID()
	for i, g := range greetings {
		switch {
		case errs[i] != nil:
			problems = append(problems, fmt.Errorf("%s: %w", addresses[i], errs[i]))
			continue
		case g.ID == string(s.id()):
			problems = append(problems, fmt.Errorf("%s: that is this node", addresses[i]))
			continue
		case g.Cluster == "" || !g.Member:
			problems = append(problems, fmt.Errorf("%s: it has no cluster either", addresses[i]))
			continue
		case g.Cluster == own && !s.isRemoved():
			return resource.Errorf(resource.Conflict, "this node is in cluster %s already", own)
		case g.Cluster != own && own != "":
			if err := s.dropOwn(g); err != nil {
				return err
			}
		}
		if err := s.askIn(ctx, g); err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", addresses[i], err))
			continue
		}
		return s.waitMember(ctx)
	}
	ms.mu.Lock()
	ms.extra = entries
	ms.mu.Unlock()
	wake(ms.joinNow)
	return &resource.Error{Code: resource.NoLeader, Message: oneLine(errors.Join(problems...)), Err: errors.Join(problems...)}
}

// waitMember waits until the leader has made this server part of its cluster.
func (s *store) waitMember(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, 10*time.Second, errors.New("the cluster let this node in, but has not sent anything yet"))
	defer cancel()
	err := until(ctx, func() bool {
		_, in := findServer(s.servers(), string(s.id()))
		return in && s.db.ClusterID() != ""
	})
	if err != nil {
		return &resource.Error{Code: resource.NoLeader, Message: err.Error(), Err: err}
	}
	s.members.mu.Lock()
	defer s.members.mu.Unlock()
	s.members.removed = false
	return nil
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
