package adminext

import (
	"fmt"
	"slices"
	"strings"
)

// nextOfTwo is what there is to do when the cluster was recovered without some of its members, and
// there are two now. Nobody but people can tell which one is the right one.
func nextOfTwo(s Status) []string {
	why := fmt.Sprintf("another cluster was recovered: %s; this node is in cluster %s", moved(s), s.ClusterID)
	if s.Leader == "" {
		why += ", which has no leader"
	} else {
		why += ", and both may take changes, which stay apart"
	}
	todo := []string{why + ": decide which one is right, and empty the data_dir of the members of the other"}
	if to := movedTo(s); to != "" {
		todo = append(todo, fmt.Sprintf("if the OTHER cluster is the right one, empty THIS node's data_dir: stop Caddy here, delete what is in data_dir, and start it again with join %s; what only this node had is gone then", to))
	}
	for _, m := range s.Members {
		if m.ClusterID != "" && s.Leader != "" {
			todo = append(todo, fmt.Sprintf("if THIS cluster is the right one: stop Caddy on %s, then dgate-cli cluster remove %s here, then start it again with an empty data_dir and join %s; what only it had is gone then",
				called(m), m.ID, addressOf(s)))
		}
	}
	return todo
}

// nextOfApart is what there is to do about members that are there, but do not count. They are not
// lost: what would be right for lost ones destroys the cluster.
func nextOfApart(s Status) []string {
	others := 0
	var found []Member
	for _, m := range s.Members {
		switch {
		case m.Self:
		case m.Apart != "":
			found = append(found, m)
			others++
		default:
			others++
		}
	}
	const kept = "nobody is lost, so neither remove nor recover: a reload with the right configuration is enough"
	if len(found) > 1 && 2*len(found) > others {
		var reasons []string
		for _, m := range found {
			if text := m.Apart; !slices.Contains(reasons, text) {
				reasons = append(reasons, text)
			}
		}
		return []string{fmt.Sprintf("%d of the %d other nodes are there and do not get on with this one, which is probably the one that differs: %s; %s",
			len(found), others, strings.Join(reasons, "; "), kept)}
	}
	todo := []string{}
	for _, m := range found {
		todo = append(todo, fmt.Sprintf("%s is there and does not count: %s; %s", called(m), m.Apart, kept))
	}
	if len(todo) == 0 && s.Apart != "" {
		todo = append(todo, s.Apart)
	}
	return todo
}

// anyApart tells whether members are missing that are there.
func anyApart(s Status) bool {
	return s.Apart != "" || slices.ContainsFunc(s.Members, func(m Member) bool { return m.Apart != "" })
}

// sameNames says which names stand for several members.
func sameNames(s Status) []string {
	ids := map[string][]string{}
	var names []string
	for _, m := range s.Members {
		if m.Name == "" || slices.Contains(ids[m.Name], m.ID) {
			continue
		}
		if ids[m.Name] = append(ids[m.Name], m.ID); len(ids[m.Name]) == 2 {
			names = append(names, m.Name)
		}
	}
	todo := []string{}
	for _, name := range names {
		todo = append(todo, fmt.Sprintf("%s are all called %s: give each a node_name of its own", strings.Join(ids[name], ", "), name))
	}
	return todo
}

// moved are the ids of the clusters that other members are in by now.
func moved(s Status) string { return ofMoved(s, ", ", func(m Member) string { return m.ClusterID }) }

// movedTo is where those members are.
func movedTo(s Status) string { return ofMoved(s, " ", func(m Member) string { return m.Address }) }

func ofMoved(s Status, between string, what func(Member) string) string {
	var found []string
	for _, m := range s.Members {
		if text := what(m); m.ClusterID != "" && text != "" && !slices.Contains(found, text) {
			found = append(found, text)
		}
	}
	return strings.Join(found, between)
}
