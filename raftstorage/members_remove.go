package raftstorage

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/hashicorp/raft"
	"go.uber.org/zap"

	"github.com/dgate-io/caddy-dgate/internal/resource"
	"github.com/dgate-io/caddy-dgate/raftstorage/peer"
)

// removal asks the leader to take a server out.
type removal struct {
	ID    string `json:"id"`
	Force bool   `json:"force,omitempty"`
}

// Remove takes a member out of the cluster, by its id, or its name if no other has that. It
// refuses with the code conflict if those who remain could not agree on anything, unless force is
// set; even then a change needs most of the voters: if they are lost, see [Node.Recover].
func (n *Node) Remove(ctx context.Context, id string, force bool) error {
	s, err := n.current()
	if err != nil {
		return err
	}
	return s.remove(ctx, id, force)
}

func (s *store) remove(ctx context.Context, id string, force bool) error {
	if len(s.servers()) == 0 {
		return noCluster()
	}
	ctx, cancel := context.WithTimeoutCause(ctx, s.cfg.timing.propose, errors.New("it takes too long"))
	defer cancel()
	return s.callLeader(ctx, "remove", removal{id, force}, nil)
}

// serveRemove removes a server, at the leader.
func (s *store) serveRemove(ctx context.Context, _ peer.Identity, r *http.Request) (any, error) {
	var in removal
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	if !s.leads() {
		return nil, notLeader()
	}
	servers := s.servers()
	server, err := s.findMember(servers, in.ID)
	if err != nil {
		return nil, err
	}
	if err := s.mayRemove(ctx, servers, server, in.Force); err != nil {
		return nil, err
	}
	if server.ID == s.id() {
		if err := s.handOver(""); err != nil {
			return nil, err
		}
		return nil, notLeader() // the next leader removes us
	}
	s.members.changing.Lock()
	defer s.members.changing.Unlock()
	if err := s.expel(ctx, string(server.ID)); err != nil {
		return nil, err
	}
	s.log().Info("a server was removed from the cluster", zap.String("server", string(server.ID)))
	told, cancel := context.WithTimeout(ctx, s.members.timing.ask)
	defer cancel()
	_ = s.call(told, s.whereIs(server), "removed", nil, nil) // it finds out by itself, later
	wake(s.members.leadNow)                                  // a spare may become a voter
	return struct{}{}, nil
}

// serveRemoved has this server find out what became of it.
func (s *store) serveRemoved(context.Context, peer.Identity, *http.Request) (any, error) {
	wake(s.members.joinNow)
	return struct{}{}, nil
}

// outside says why this server is no member any more and so changes nothing, or nil.
func (s *store) outside() error {
	ms := s.members
	ms.mu.Lock()
	defer ms.mu.Unlock()
	switch {
	case ms.replaced != "":
		return resource.Errorf(resource.NoLeader, "this node is read-only: %s", ms.replaced)
	case ms.removed:
		return resource.Errorf(resource.NoLeader, "this node is read-only: it was removed from its cluster")
	}
	return nil
}

// findMember finds a server by its id, or by its name.
func (s *store) findMember(servers []raft.Server, text string) (raft.Server, error) {
	if server, ok := findServer(servers, text); ok {
		return server, nil
	}
	records, _, err := s.records()
	if err != nil {
		return raft.Server{}, err
	}
	var found []raft.Server
	var ids []string
	for _, server := range servers {
		ids = append(ids, string(server.ID))
		if records[string(server.ID)].Name == text {
			found = append(found, server)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return raft.Server{}, resource.Errorf(resource.NotFound, "the cluster has no member %s; it has %s", text, strings.Join(ids, ", "))
	}
	return raft.Server{}, resource.Errorf(resource.Conflict, "several members are called %s: name the one that is meant by its id", text)
}

// mayRemove says why a server must stay.
func (s *store) mayRemove(ctx context.Context, servers []raft.Server, server raft.Server, force bool) error {
	if server.Suffrage != raft.Voter {
		return nil
	}
	voters := votersOf(servers)
	if len(voters) == 1 {
		return resource.Errorf(resource.Conflict, "server %s is the only one that votes: add another before it is removed", server.ID)
	}
	if force {
		return nil
	}
	healthy := 0
	greetings, errs := s.askMembers(ctx, voters)
	var silent []string
	for i, voter := range voters {
		switch {
		case voter.ID == server.ID:
		case errs[i] == nil && greetings[i].Replaced == "":
			healthy++
		default:
			silent = append(silent, string(voter.ID))
		}
	}
	if remaining := len(voters) - 1; healthy < quorum(remaining) {
		return resource.Errorf(resource.Conflict, "without server %s, %d of %d voters would answer (not %s), and %d are needed to change anything: "+
			"bring them back, remove one that does not answer first, or use force", server.ID, healthy, remaining, strings.Join(silent, ", "), quorum(remaining))
	}
	return nil
}

func votersOf(servers []raft.Server) (voters []raft.Server) {
	for _, server := range servers {
		if server.Suffrage == raft.Voter {
			voters = append(voters, server)
		}
	}
	return voters
}

// Leave takes this node out of its cluster. It goes on serving what it has, and changes nothing
// any more. The only voter cannot leave: the error has the code conflict.
func (n *Node) Leave(ctx context.Context) error {
	s, err := n.current()
	if err != nil {
		return err
	}
	return s.leave(ctx)
}

func (s *store) leave(ctx context.Context) error {
	if s.isRemoved() {
		return nil
	}
	servers := s.servers()
	self, member := findServer(servers, string(s.id()))
	switch {
	case len(servers) <= 1 && (s.clusterConfig() == nil || !member):
		return noCluster()
	case self.Suffrage == raft.Voter && len(votersOf(servers)) == 1:
		return resource.Errorf(resource.Conflict, "this node is the only one that votes: add another before it leaves")
	}
	s.locks.yield(ctx)
	s.members.mu.Lock()
	s.members.confirmed = true // being told that it is gone is no reason to come back
	s.members.mu.Unlock()
	if err := s.remove(ctx, string(s.id()), false); err != nil && resource.CodeOf(err) != resource.NotFound {
		return err
	}
	s.members.mu.Lock()
	s.members.removed = true
	s.members.mu.Unlock()
	s.log().Info("this node has left its cluster; it goes on serving what it has")
	return nil
}

// Transfer makes another member the leader; to is its id or name, or "" for whoever is up to date.
func (n *Node) Transfer(ctx context.Context, to string) error {
	s, err := n.current()
	if err != nil {
		return err
	}
	if len(votersOf(s.servers())) <= 1 {
		return resource.Errorf(resource.Conflict, "there is no other voter that could lead")
	}
	ctx, cancel := context.WithTimeoutCause(ctx, s.cfg.timing.propose, errors.New("it takes too long"))
	defer cancel()
	return s.callLeader(ctx, "transfer", removal{ID: to}, nil)
}

// serveTransfer gives the leadership away.
func (s *store) serveTransfer(_ context.Context, _ peer.Identity, r *http.Request) (any, error) {
	var in removal
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	if !s.leads() {
		return nil, notLeader()
	}
	return struct{}{}, s.handOver(in.ID)
}

// handOver gives the leadership to a server, or with "" to the one that is most up to date. It
// returns when that leads, or after some election timeouts.
func (s *store) handOver(to string) error {
	r := s.raftNow()
	if r == nil {
		return notLeader()
	}
	var future raft.Future
	if to == "" {
		future = r.LeadershipTransfer()
	} else {
		server, err := s.findMember(s.servers(), to)
		switch {
		case err != nil:
			return err
		case server.ID == s.id():
			return nil // it leads
		case server.Suffrage != raft.Voter:
			return resource.Errorf(resource.Conflict, "server %s does not vote and cannot lead", server.ID)
		}
		future = r.LeadershipTransferToServer(server.ID, server.Address)
	}
	done := make(chan error, 1)
	go func() { done <- future.Error() }()
	select {
	case err := <-done:
		if err != nil {
			return &resource.Error{Code: resource.Conflict, Message: "the leadership could not be given away: " + err.Error(), Err: err}
		}
		return nil
	case <-time.After(s.members.timing.change):
		return resource.Errorf(resource.Conflict, "the leadership could not be given away within %s", s.members.timing.change)
	}
}

// leaveOnExit takes this server out of its cluster when it ends, if the configuration says so.
func (s *store) leaveOnExit() {
	c, m := s.cluster.Load(), s.member.Load()
	if c == nil || !c.LeaveOnExit || m == nil || len(m.servers()) < 2 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), transferTime)
	defer cancel()
	if err := s.leave(ctx); err != nil {
		s.log().Warn("this node could not leave its cluster", zap.Error(err))
	}
}
