package raftstorage

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"

	"github.com/dgate-io/caddy-dgate/internal/resource"
	"github.com/dgate-io/caddy-dgate/internal/state"
	"github.com/dgate-io/caddy-dgate/raftstorage/peer"
)

// The spans of membership; tests shorten them.
type memberTiming struct {
	ask       time.Duration // one question to another server
	joinFirst time.Duration // first pause of a server that is not let in; doubles
	joinMost  time.Duration // the longest such pause
	announce  time.Duration // between two announcements while there is a leader
	alone     time.Duration // between two announcements while there is none
	lead      time.Duration // between two looks of the leader at its servers
	steady    time.Duration // of contact before a server is promoted
	change    time.Duration // a change of the configuration
	autopilot time.Duration // between two looks for servers that are gone for good
	deadVoter time.Duration // after which a voter that does not answer is removed
	deadEdge  time.Duration // the same for servers that do not vote
}

func defaultMemberTiming() memberTiming {
	return memberTiming{
		ask: 2 * time.Second, joinFirst: time.Second, joinMost: 15 * time.Second,
		announce: 30 * time.Second, alone: 2 * time.Second, lead: 2 * time.Second, steady: steadyContact,
		change: 5 * time.Second, autopilot: 10 * time.Second, deadVoter: 24 * time.Hour, deadEdge: 72 * time.Hour,
	}
}

// membership is what a node knows about the members of its cluster, itself included. It lives as
// long as the store.
type membership struct {
	pledge *pledge
	nonce  string // of this start of the process
	level  int    // the newest format that this program understands
	timing memberTiming
	finder resolver

	forming   atomic.Bool   // a cluster is about to begin here
	joinNow   chan struct{} // wakes the loop that joins and announces
	leadNow   chan struct{} // wakes the loop of the leader
	changing  sync.Mutex    // held by the leader while it changes the configuration
	mu        sync.Mutex
	seen      map[string]seen
	extra     []string // of Node.Join
	target    string   // the cluster that this node has asked to be let in, not kept on the disk
	removed   bool
	confirmed bool              // a leader has said that this server is a member, since it was started
	elsewhere map[string]string // in which other clusters servers are that answered
	replaced  string            // why this process is not the member any more that it was, or ""
	problems  map[string]string
	following map[string]time.Time // since when servers follow this leader
	silent    map[string]time.Time // since when servers do not answer this leader
	failed    int                  // see former; for the loop that joins only
}

// seen is what a server announced last.
type seen struct {
	announcement
	at      time.Time // when it said where it is
	dialled time.Time // when it called this server last
}

func newMembership(path string, level int, timing memberTiming) (*membership, error) {
	p, err := openPledge(path)
	if err != nil {
		return nil, err
	}
	return &membership{
		pledge: p, nonce: randomHex(8), level: cmp.Or(level, state.FeatureLevel), timing: timing, finder: netResolver(),
		joinNow: make(chan struct{}, 1), leadNow: make(chan struct{}, 1),
		seen: map[string]seen{}, problems: map[string]string{}, elsewhere: map[string]string{},
		following: map[string]time.Time{}, silent: map[string]time.Time{},
	}, nil
}

func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default: // it is awake
	}
}

// memberRecord is what the cluster remembers of a server. It changes when the server does, never
// by time.
type memberRecord struct {
	Name    string     `json:"name"`
	Address string     `json:"address"`
	Role    MemberRole `json:"role"` // Voter or Edge: what it wants to be
	Version string     `json:"version,omitempty"`
	Level   int        `json:"level"`
	// Nonce is that of the process that is this member; those in Before were.
	Nonce  string   `json:"nonce"`
	Before []string `json:"before,omitempty"`
}

// noncesKept is how many earlier processes of a member are remembered.
const noncesKept = 32

func memberKey(id string) resource.Key { return resource.Key{Kind: state.Member, Name: id} }

// records reads what the cluster remembers of its servers, by id, with versions.
func (s *store) records() (map[string]memberRecord, map[string]uint64, error) {
	found, versions := map[string]memberRecord{}, map[string]uint64{}
	err := s.db.View(func(r *state.Reader) error {
		for rec, err := range r.List(state.Member, "") {
			if err != nil {
				return err
			}
			var m memberRecord
			if err := json.Unmarshal(rec.Data, &m); err != nil {
				return fmt.Errorf("member %s: %w", rec.Key.Name, err)
			}
			found[rec.Key.Name], versions[rec.Key.Name] = m, rec.Version
		}
		return nil
	})
	return found, versions, err
}

func findServer(servers []raft.Server, id string) (raft.Server, bool) {
	i := slices.IndexFunc(servers, func(s raft.Server) bool { return string(s.ID) == id })
	if i < 0 {
		return raft.Server{}, false
	}
	return servers[i], true
}

// whereIs is the address of a server: the one that it announced last, or that of the configuration.
func (s *store) whereIs(server raft.Server) string {
	return string(s.addresses.of(server.ID, server.Address))
}

// greeting is what a server says of itself to whoever may ask.
type greeting struct {
	ID      string `json:"id"`
	Name    string `json:"name,omitempty"`
	Address string `json:"address"`
	// Cluster is the id of its cluster, or of the one that it is bound to; "" if it has none.
	Cluster string `json:"cluster,omitempty"`
	// Member is whether it is in a cluster, and Servers how large that is.
	Member  bool `json:"member,omitempty"`
	Servers int  `json:"servers,omitempty"`
	// Untouched is whether nobody has changed anything there since it was new.
	Untouched     bool              `json:"untouched,omitempty"`
	Expect        int               `json:"expect,omitempty"`
	Edge          bool              `json:"edge,omitempty"`
	Leader        string            `json:"leader,omitempty"`
	LeaderAddress string            `json:"leader_address,omitempty"`
	Version       string            `json:"version,omitempty"`
	Level         int               `json:"level"`
	Last          uint64            `json:"last"`
	Applied       uint64            `json:"applied"`
	Hash          string            `json:"hash"`
	Contact       int64             `json:"contact"` // milliseconds since it heard of the leader; -1: never
	Storage       string            `json:"storage,omitempty"`
	Replaced      string            `json:"replaced,omitempty"`
	Removed       bool              `json:"removed,omitempty"`
	Problems      map[string]string `json:"problems,omitempty"` // of the servers, if it leads
}

// serveHello answers who this server is and how it does.
func (s *store) serveHello(_ context.Context, _ peer.Identity, _ *http.Request) (any, error) {
	return s.greet(), nil
}

func (s *store) greet() greeting {
	c, ms := s.clusterConfig(), s.members
	g := greeting{
		ID: string(s.id()), Address: s.advertised(), Cluster: s.boundTo(), Level: ms.level,
		Applied: s.db.Applied(), Hash: s.db.Hash(), Contact: -1, Untouched: s.untouched(),
	}
	if c != nil {
		g.Name, g.Expect, g.Edge, g.Version = c.NodeName, c.Expect, c.Edge, c.Version
	}
	if err := s.storageFailure(); err != nil {
		g.Storage = err.Error()
	}
	if err := s.db.Halted(); err != nil {
		g.Storage = err.Error()
	}
	servers := s.servers()
	g.Member, g.Servers = len(servers) > 0, len(servers)
	if r := s.raftNow(); r != nil {
		address, leader := r.LeaderWithID()
		g.Last, g.Leader, g.LeaderAddress = r.LastIndex(), string(leader), string(address)
		if server, ok := findServer(servers, g.Leader); ok {
			g.LeaderAddress = s.whereIs(server)
		}
		if leader == s.id() {
			g.LeaderAddress, g.Contact = g.Address, 0
		} else if at := r.LastContact(); !at.IsZero() {
			g.Contact = time.Since(at).Milliseconds()
		}
	}
	ms.mu.Lock()
	defer ms.mu.Unlock()
	g.Replaced, g.Removed = ms.replaced, ms.removed
	if g.Leader == g.ID {
		g.Problems = maps.Clone(ms.problems)
	}
	return g
}

// ask asks a server who it is.
func (s *store) ask(ctx context.Context, address string) (greeting, error) {
	ctx, cancel := context.WithTimeout(ctx, s.members.timing.ask)
	defer cancel()
	var g greeting
	if address == "" || address == string(localAddress) {
		return g, fmt.Errorf("its address is not known")
	}
	err := s.call(ctx, address, "hello", nil, &g)
	return g, err
}

// askAll asks several servers at once who they are.
func (s *store) askAll(ctx context.Context, addresses []string) ([]greeting, []error) {
	greetings, errs := make([]greeting, len(addresses)), make([]error, len(addresses))
	var wg sync.WaitGroup
	for i, address := range addresses {
		wg.Go(func() { greetings[i], errs[i] = s.ask(ctx, address) })
	}
	wg.Wait()
	return greetings, errs
}

// boundTo is the id of the cluster that this server is in, or has promised to be in; "" if none.
func (s *store) boundTo() string {
	ms := s.members
	if v := ms.pledge.get(); v.Recovering != "" {
		return v.Recovering
	}
	if id := s.db.ClusterID(); id != "" {
		return id
	}
	if id := ms.pledge.get().cluster(); id != "" {
		return id
	}
	ms.mu.Lock()
	defer ms.mu.Unlock()
	return ms.target
}

// memberWait is how long a list of the members waits for their answers.
const memberWait = time.Second

// Members lists the servers of the cluster, by id. Each is asked how it is, for up to a second;
// one that does not answer is in the list with what the others know of it.
func (n *Node) Members(ctx context.Context) ([]Member, error) {
	s, err := n.current()
	if err != nil {
		return nil, err
	}
	records, _, err := s.records()
	if err != nil {
		return nil, err
	}
	servers := s.servers()
	if len(servers) == 0 {
		return []Member{}, nil
	}
	asking, cancel := context.WithTimeout(ctx, memberWait)
	defer cancel()
	greetings, errs := s.askMembers(asking, servers)
	var leader greeting
	for i, g := range greetings {
		if errs[i] == nil && g.ID != "" && g.ID == g.Leader {
			leader = g
		}
	}
	members := make([]Member, len(servers))
	for i, server := range servers {
		members[i] = describe(server, records[string(server.ID)], greetings[i], errs[i], leader)
		members[i].Self = server.ID == s.id()
		if members[i].Address = s.whereIs(server); server.ID == s.id() {
			members[i].Address = s.advertised()
		}
	}
	slices.SortFunc(members, func(a, b Member) int { return cmp.Compare(a.ID, b.ID) })
	return members, nil
}

// Roles counts the members of the cluster, without asking them.
func (n *Node) Roles() map[MemberRole]int {
	count := map[MemberRole]int{Voter: 0, NonVoter: 0, Edge: 0}
	s, err := n.current()
	if err != nil {
		return count
	}
	records, _, _ := s.records() // without them an edge is a spare
	for _, server := range s.servers() {
		count[roleIn(server, records[string(server.ID)])]++
	}
	return count
}

// roleIn is what a server of the configuration does.
func roleIn(server raft.Server, record memberRecord) MemberRole {
	switch {
	case server.Suffrage == raft.Voter:
		return Voter
	case record.Role == Edge:
		return Edge
	}
	return NonVoter
}

// askMembers asks all servers of the configuration; this one answers without the network.
func (s *store) askMembers(ctx context.Context, servers []raft.Server) ([]greeting, []error) {
	greetings, errs := make([]greeting, len(servers)), make([]error, len(servers))
	var wg sync.WaitGroup
	for i, server := range servers {
		if server.ID == s.id() {
			greetings[i] = s.greet()
			continue
		}
		wg.Go(func() {
			if greetings[i], errs[i] = s.ask(ctx, s.whereIs(server)); errs[i] != nil {
				return
			}
			if g := greetings[i]; g.ID != string(server.ID) {
				errs[i] = fmt.Errorf("server %s answers at %s", g.ID, s.whereIs(server))
			} else {
				errs[i] = s.elsewhere(g)
			}
		})
	}
	wg.Wait()
	return greetings, errs
}

// describe puts together what is known of a member.
func describe(server raft.Server, record memberRecord, g greeting, err error, leader greeting) Member {
	m := Member{
		ID: string(server.ID), Name: record.Name, Version: record.Version, Level: record.Level,
		Leader: string(server.ID) == leader.ID, Role: roleIn(server, record), Problem: leader.Problems[string(server.ID)],
	}
	if parted, ok := errors.AsType[*elsewhereError](err); ok {
		m.Cluster, m.Problem = parted.theirs, parted.Error()
		return m
	}
	if err != nil {
		m.Problem = "it does not answer: " + err.Error()
		return m
	}
	m.Reachable, m.Applied, m.Hash, m.Storage = true, g.Applied, g.Hash, "ok"
	m.Name, m.Version, m.Level = g.Name, g.Version, g.Level
	if g.Storage != "" {
		m.Storage = g.Storage
	}
	if leader.Applied > g.Applied {
		m.Lag = leader.Applied - g.Applied
	}
	if g.Contact > 0 {
		m.LastContact = time.Duration(g.Contact) * time.Millisecond
	}
	switch {
	case g.Replaced != "":
		m.Problem = g.Replaced
	case g.Removed:
		m.Problem = "it was removed from the cluster"
	case leader.ID != "" && g.Leader != leader.ID:
		m.Problem = "it does not follow the leader"
	}
	return m
}

// untouched tells whether nothing was changed here since the store was new: what it holds can be
// dropped without asking anybody.
func (s *store) untouched() bool {
	servers := s.servers()
	if len(servers) > 1 || len(servers) == 1 && servers[0].ID != s.id() {
		return false
	}
	clean := true
	err := s.db.View(func(r *state.Reader) error {
		for _, kind := range resource.All {
			for rec, err := range r.List(kind.Name, "") {
				if err != nil {
					return err
				}
				first := rec.Key == resource.Key{Kind: "namespace", Name: resource.DefaultNamespace}
				if clean = first && rec.CreatedAt.Equal(rec.UpdatedAt); !clean {
					return nil
				}
			}
		}
		for _, kind := range []string{state.File, state.Job, state.DataKey} {
			clean = clean && r.Count(kind, "", "") == 0
		}
		return nil
	})
	return err == nil && clean
}
