package raftstorage

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"go.uber.org/zap"
)

// elsewhereError is why a member of this cluster does not count: it is in another cluster now,
// because one of the two was recovered without the other.
type elsewhereError struct {
	server, theirs, ours string
}

// Error implements error.
func (e *elsewhereError) Error() string {
	return fmt.Sprintf("server %s is in cluster %s now, and this node in cluster %s: one of the two was recovered without the other", e.server, e.theirs, e.ours)
}

// elsewhere tells whether a server that is asked is in another cluster than this one.
func (s *store) elsewhere(g greeting) error {
	ours := s.db.ClusterID()
	if g.Cluster == "" || ours == "" || g.Cluster == ours {
		return nil
	}
	return &elsewhereError{g.ID, g.Cluster, ours}
}

// noteElsewhere remembers in which cluster another server is, and says so once if it should be in
// this one.
func (s *store) noteElsewhere(g greeting) {
	ms := s.members
	err := s.elsewhere(g)
	ms.mu.Lock()
	before := ms.elsewhere[g.ID]
	if err == nil {
		delete(ms.elsewhere, g.ID)
	} else {
		ms.elsewhere[g.ID] = g.Cluster
	}
	ms.mu.Unlock()
	if _, member := findServer(s.servers(), g.ID); member && err != nil && before != g.Cluster {
		s.log().Warn("a member of this cluster is in another one", zap.String("address", g.Address), zap.Error(err))
	}
}

// parted says why this node hears of no leader, if that will not pass by itself, or is "".
func (s *store) parted() string { return cmp.Or(s.recovered(), s.severed()) }

// recovered says that the cluster was recovered without this node, as far as it has heard, or is "".
// As long as there is a leader it is the other cluster that has too few members.
func (s *store) recovered() string {
	if l, _ := s.leading.get(); l.known() {
		return ""
	}
	ms, servers := s.members, s.servers()
	var found []string
	ms.mu.Lock()
	for id, cluster := range ms.elsewhere {
		if server, member := findServer(servers, id); member && server.ID != s.id() {
			found = append(found, (&elsewhereError{id, cluster, s.db.ClusterID()}).Error())
		}
	}
	ms.mu.Unlock()
	slices.Sort(found)
	return strings.Join(found, "; ")
}
