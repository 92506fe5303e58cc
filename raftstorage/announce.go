package raftstorage

import (
	"context"
	"net"
	"slices"
	"time"

	"github.com/hashicorp/raft"
	"go.uber.org/zap"
)

// netResolver looks names up as the system does.
func netResolver() resolver { return net.DefaultResolver }

// announcement is what a member tells all others at its start, every 30 s, and while it hears of
// no leader: so everybody knows where it is, even if every server has a new address and no change
// of the configuration can be agreed on.
type announcement struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	Address string `json:"address"`
	Edge    bool   `json:"edge,omitempty"`
	Version string `json:"version"`
	Level   int    `json:"level"`
	Nonce   string `json:"nonce"`
	Last    uint64 `json:"last"`
	Applied uint64 `json:"applied"`
	Hash    string `json:"hash"`
}

// announced is the answer to an announcement.
type announced struct {
	greeting
	// Decided is whether what follows is final.
	Decided bool `json:"decided,omitempty"`
	// Known is where the server that answers has heard of others, and how long ago.
	Known map[string]whereabouts `json:"known,omitempty"`
	// Gone is whether the server that announced itself is not a member.
	Gone bool `json:"gone,omitempty"`
	// ReplacedBy says why the process that announced itself is not that member any more, or is "".
	ReplacedBy string `json:"replaced_by,omitempty"`
}

// whereabouts is where a server was, so many milliseconds ago.
type whereabouts struct {
	Address string `json:"address"`
	Age     int64  `json:"age"`
}

// myself is the announcement of this server.
func (s *store) myself() announcement {
	g := s.greet()
	return announcement{
		ID: g.ID, Name: g.Name, Address: g.Address, Edge: g.Edge, Version: g.Version, Level: g.Level,
		Nonce: s.members.nonce, Last: g.Last, Applied: g.Applied, Hash: g.Hash,
	}
}

// announce tells every member, and whoever is behind the join list, where this server is. Those
// who are only heard of in the answers are told as well.
func (s *store) announce(ctx context.Context) {
	me := s.myself()
	told := []string{"", me.Address, string(localAddress)}
	var listed []string
	if c := s.clusterConfig(); c != nil {
		listed, _ = resolveJoin(ctx, s.members.finder, c.Join) // those that are found are enough
	}
	for range 3 {
		addresses := slices.DeleteFunc(s.places(listed), func(a string) bool { return slices.Contains(told, a) })
		if len(addresses) == 0 {
			return
		}
		told = append(told, addresses...)
		s.tell(ctx, me, addresses)
	}
}

// places are all addresses at which members may be, each once.
func (s *store) places(listed []string) []string {
	addresses := slices.Clone(listed)
	for _, server := range s.servers() {
		if server.ID != s.id() {
			addresses = append(addresses, s.whereIs(server), string(server.Address))
		}
	}
	records, _, _ := s.records() // without them there are fewer places to look
	for id, r := range records {
		if id != string(s.id()) {
			addresses = append(addresses, r.Address)
		}
	}
	slices.Sort(addresses)
	return slices.Compact(addresses)
}

// tell announces this server at some addresses.
func (s *store) tell(ctx context.Context, me announcement, addresses []string) {
	answers := make(chan announced, len(addresses))
	for _, address := range addresses {
		go func() {
			ctx, cancel := context.WithTimeout(ctx, s.members.timing.ask)
			defer cancel()
			var a announced
			err := s.call(ctx, address, "announce", me, &a)
			if err != nil {
				a = announced{}
			}
			s.noteApart(address, err)
			answers <- a
		}()
	}
	for range addresses {
		s.heard(<-answers)
	}
}

// heard takes the answer of another member in.
func (s *store) heard(a announced) {
	if a.ID == "" {
		return
	}
	ms := s.members
	s.noteElsewhere(a.greeting)
	if a.Cluster != s.db.ClusterID() {
		s.metForeign(a.greeting)
		return
	}
	s.noteTold(a.greeting)
	for id, w := range a.Known {
		s.noteHeard(id, w)
	}
	s.noteSeen(announcement{ID: a.ID, Name: a.Name, Address: a.Address, Edge: a.Edge, Version: a.Version, Level: a.Level, Last: a.Last, Applied: a.Applied})
	if !a.Decided {
		return
	}
	ms.mu.Lock()
	wasRemoved, wasMember := ms.removed, ms.confirmed
	ms.removed = a.Gone
	ms.confirmed = ms.confirmed || !a.Gone
	ms.mu.Unlock()
	if c := s.clusterConfig(); a.Gone && !wasMember && c != nil && c.LeaveOnExit {
		// It left when it ended the last time, and is back.
		ctx, cancel := context.WithTimeout(context.Background(), 2*ms.timing.change)
		defer cancel()
		if err := s.askIn(ctx, a.greeting); err != nil {
			s.log().Warn("this server left its cluster when it ended, and is not let in again yet", zap.Error(err))
			return
		}
		wake(ms.joinNow)
		return
	}
	if a.Gone && !wasRemoved {
		s.log().Warn("this server was removed from its cluster; it goes on serving what it has", zap.String("cluster", a.Cluster))
	}
	if a.ReplacedBy != "" {
		s.supersede(a.ReplacedBy)
	}
}

// noteSeen remembers where a server is.
func (s *store) noteSeen(a announcement) {
	ms := s.members
	if a.ID != string(s.id()) && a.Address != "" {
		s.addresses.set(raft.ServerID(a.ID), raft.ServerAddress(a.Address))
	}
	ms.mu.Lock()
	defer ms.mu.Unlock()
	before := ms.seen[a.ID]
	a.Applied = max(a.Applied, before.Applied)
	ms.seen[a.ID] = seen{a, time.Now(), before.dialled, before.from}
}

// noteHeard remembers where another one says that a server is, if that is newer than what we know.
func (s *store) noteHeard(id string, w whereabouts) {
	ms := s.members
	ms.mu.Lock()
	defer ms.mu.Unlock()
	at := time.Now().Add(-time.Duration(w.Age) * time.Millisecond)
	now := ms.seen[id]
	if id == string(s.id()) || w.Address == "" || !at.After(now.at) {
		return
	}
	now.ID, now.Address, now.at = id, w.Address, at
	ms.seen[id] = now
	s.addresses.set(raft.ServerID(id), raft.ServerAddress(w.Address))
}

// known is where this server has heard of others.
func (s *store) known() map[string]whereabouts {
	ms := s.members
	ms.mu.Lock()
	defer ms.mu.Unlock()
	all := map[string]whereabouts{}
	for id, one := range ms.seen {
		if id != string(s.id()) && !one.at.IsZero() {
			all[id] = whereabouts{one.Address, time.Since(one.at).Milliseconds()}
		}
	}
	return all
}

// noteCall remembers that a server called this one, and so can.
func (s *store) noteCall(a announcement) {
	s.noteSeen(a)
	ms := s.members
	ms.mu.Lock()
	defer ms.mu.Unlock()
	now := ms.seen[a.ID]
	now.dialled = time.Now()
	ms.seen[a.ID] = now
}

// supersede ends the part of this node that talks to others: another process is this member now.
func (s *store) supersede(why string) {
	ms := s.members
	ms.mu.Lock()
	first := ms.replaced == ""
	ms.replaced = why
	ms.mu.Unlock()
	if first {
		s.log().Error("this node is no member any more and changes nothing; it goes on serving what it has", zap.String("reason", why))
		s.later(s.retire)
	}
}
