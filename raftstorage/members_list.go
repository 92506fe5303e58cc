package raftstorage

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

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
		if m.Apart = apart(err, "", ""); m.Apart == "" && strings.HasPrefix(m.Problem, callsFrom) {
			m.Apart = m.Problem
		}
		if m.Problem = m.Apart; m.Apart == "" {
			m.Problem = "it does not answer: " + err.Error()
		}
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
