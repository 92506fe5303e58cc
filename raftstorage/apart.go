package raftstorage

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"

	"github.com/hashicorp/raft"

	"github.com/dgate-io/caddy-dgate/raftstorage/peer"
)

// A member that does not count although it is there is not lost, and must not be taken for lost: to
// remove it, or to recover the cluster without it, would destroy what a line of configuration mends.

// callsFrom is how the reason begins of a member that calls others and cannot be called.
const callsFrom = "it calls from "

// apart says why a server that could not be asked is there all the same, or "". From is where it
// has called from since it does not answer, or "".
func apart(err error, from, address string) string {
	if why := peer.Refusal(err); why != "" {
		return why
	}
	if err == nil || from == "" {
		return ""
	}
	return fmt.Sprintf(callsFrom+"%s, but cannot be reached at %s (%v): open the port there, or set advertise", from, address, unaddressed(err))
}

// noting remembers where the callers of a method call from.
func (s *store) noting(run method) method {
	return func(ctx context.Context, from peer.Identity, r *http.Request) (any, error) {
		_, member := findServer(s.servers(), from.ServerID)
		if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil && member {
			s.members.mu.Lock()
			one := s.members.seen[from.ServerID]
			one.from = host
			s.members.seen[from.ServerID] = one
			s.members.mu.Unlock()
		}
		return run(ctx, from, r)
	}
}

// noteApart remembers of whoever is at an address that it does not accept this node, or that
// nothing is known to be wrong with it.
func (s *store) noteApart(address string, err error) {
	ms := s.members
	why := peer.Refusal(err)
	ms.mu.Lock()
	defer ms.mu.Unlock()
	if why == "" {
		delete(ms.refusing, address)
	} else {
		ms.refusing[address] = why
	}
}

// noteTold remembers what a leader says is wrong with this server.
func (s *store) noteTold(g greeting) {
	if g.ID != g.Leader {
		return
	}
	ms := s.members
	ms.mu.Lock()
	defer ms.mu.Unlock()
	ms.told = g.Problems[string(s.id())]
}

// severed says why this node hears of no leader although others are there, or "".
func (s *store) severed() string {
	if l, _ := s.leading.get(); l.known() {
		return ""
	}
	servers, ms := s.servers(), s.members
	ms.mu.Lock()
	defer ms.mu.Unlock()
	var found []string
	for _, server := range servers {
		if why := ms.refusing[s.whereIs(server)]; why != "" && server.ID != s.id() {
			found = append(found, fmt.Sprintf("server %s at %s: %s", server.ID, s.whereIs(server), why))
		}
	}
	slices.Sort(found)
	if len(found) == 0 && strings.HasPrefix(ms.told, callsFrom) {
		return "the leader says of this node: " + ms.told
	}
	return strings.Join(found, "; ")
}

// waiting is why this node has not joined, with what the leader says is wrong.
func (s *store) waiting() string {
	why := s.lonely()
	ms := s.members
	ms.mu.Lock()
	defer ms.mu.Unlock()
	if why == "" || ms.told == "" || len(ms.refusing) > 0 {
		return why
	}
	return why + "; the leader says: " + ms.told
}

// unmoved tells an announcement by a process that the cluster does not know yet, of a member that
// it has: whether that may take the member's place is for the leader to say.
func (s *store) unmoved(record memberRecord, a announcement) bool {
	l, _ := s.leading.get()
	return l.known() && record.Nonce != "" && record.Nonce != a.Nonce
}

// calledFrom is where a server has called from since it does not answer this leader, or "". The
// caller holds mu.
func (ms *membership) calledFrom(id string) string {
	since, silent := ms.silent[id]
	if one := ms.seen[id]; silent && one.dialled.After(since) {
		return one.from
	}
	return ""
}

// apartFrom are the problems of servers of any role that are there and cannot be called.
func apartFrom(servers []candidate, self raft.ServerID) map[string]string {
	found := map[string]string{}
	for _, c := range servers {
		if c.apart != "" && c.id != string(self) {
			found[c.id] = c.apart
		}
	}
	return found
}
