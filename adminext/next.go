package adminext

import (
	"fmt"
	"strings"
)

// much is how many entries a member may be behind before somebody should look.
const much = 1000

// next says what somebody who looks at the status should do, what matters most first.
func next(s Status) []string {
	todo := []string{}
	add := func(format string, args ...any) { todo = append(todo, fmt.Sprintf(format, args...)) }
	switch {
	case s.Superseded:
		add("this node has the data directory of another one that was started later, and has stopped taking part: stop Caddy here, give it an empty data_dir of its own, and start it again")
	case s.Removed:
		add("this node was removed from the cluster and serves what it knew then: stop it; to take it back, start it with an empty data_dir and with join")
	case s.Joining != "":
		add("%s", s.Joining)
	case moved(s) != "":
		todo = append(todo, nextOfTwo(s)...)
	}
	if s.Diverged != "" {
		add("this node has other data than the leader and fetches it anew: %s; please report it as a bug, with the logs of both", s.Diverged)
	}
	if s.Halted != "" {
		add("this node applies no changes any more: %s", s.Halted)
	}
	if s.Storage != "" && s.Storage != storageOK {
		add("this node: %s", s.Storage)
	}
	if strings.Contains(s.Rebuilt, "its files are in") {
		add("%s. Keep them if you want to know why; otherwise delete them", s.Rebuilt)
	}
	if s.Secrets != "" {
		add("secrets cannot be read here: %s", s.Secrets)
	}
	if s.Table.Error != "" {
		add("some resources are routed by as they were before: %s", s.Table.Error)
	}
	if len(todo) > 0 && (s.Superseded || s.Removed || s.Joining != "") {
		return todo // what it knows of the others is old
	}
	return append(todo, nextOfCluster(s)...)
}

// nextOfCluster is what there is to do about the members.
func nextOfCluster(s Status) []string {
	todo := []string{}
	add := func(format string, args ...any) { todo = append(todo, fmt.Sprintf(format, args...)) }
	voters, reachable, waiting := 0, 0, 0
	versions := map[string]bool{}
	for _, m := range s.Members {
		if m.Role == "voter" {
			voters++
			if m.Reachable {
				reachable++
			}
		}
		if m.Role == "nonvoter" && !strings.HasPrefix(m.Problem, "spare: ") {
			waiting++
		}
		if m.Version != "" {
			versions[m.Version] = true
		}
	}
	todo = append(todo, nextOfApart(s)...)
	if s.Leader == "" && voters > 0 && moved(s) == "" && !anyApart(s) {
		if quorum := voters/2 + 1; reachable < quorum {
			add("%d of %d voters answer, and %d must for changes to be possible: start the others; if they are lost for good, make a new cluster of this node, after having made sure that they cannot start: dgate-cli cluster recover --yes", reachable, voters, quorum)
		} else {
			add("there is no leader, though %d of %d voters answer: it should be elected within seconds; if not, see whether the voters reach each other's addresses", reachable, voters)
		}
	}
	for _, m := range s.Members {
		name := called(m)
		switch {
		case m.ClusterID != "", m.Apart != "":
			continue // said already
		case !m.Self && !m.Reachable:
			add("%s is unreachable: start it, or if it is lost: dgate-cli cluster remove %s", name, m.ID)
			continue
		case strings.HasPrefix(m.Problem, "spare: "): // nothing to do
		case m.Problem != "":
			add("%s: %s", name, m.Problem)
		case m.Lag > much:
			add("%s is %d entries behind: see whether its disk and the network to it are fast enough", name, m.Lag)
		}
		if !m.Self && m.Storage != "" && m.Storage != storageOK {
			add("%s: its storage fails: %s", name, strings.TrimPrefix(m.Storage, "the storage of this node fails: "))
		}
	}
	todo = append(todo, sameNames(s)...)
	if len(versions) > 1 {
		add("the nodes run different versions: upgrade the rest, one after the other")
	}
	switch {
	case !s.Clustered || s.Leader == "" || waiting > 0:
	case voters == 1:
		add("no node may fail: add two more voters (on them: the same cluster block with join %s)", addressOf(s))
	case voters == 2:
		add("no node may fail: add one more voter (on it: the same cluster block with join %s)", addressOf(s))
	}
	return todo
}

// addressOf is where a new node finds the cluster.
func addressOf(s Status) string {
	for _, m := range s.Members {
		if m.Self && m.Address != "" {
			return m.Address
		}
	}
	return "<address of this node>"
}

// called is what people know a member by.
func called(m Member) string {
	text := m.Name
	if text == "" {
		text = m.ID
	}
	if m.Address != "" {
		text += " (" + m.Address + ")"
	}
	return text
}

// storageOK is the state of storage that works.
const storageOK = "ok"
