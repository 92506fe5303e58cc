package raftstorage

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// The rules of promotion. A voter that cannot be reached takes part in every majority without
// helping any: a cluster of one that made such a server a voter could never write again, not even
// to remove it. So servers enter as non-voters and are promoted when nothing speaks against it.
const (
	steadyContact = 2 * time.Second // of the leader with a server before it is promoted
	maxLag        = 250             // entries that it may be behind then
	usualVoters   = 3
	maxVoters     = 5
)

// candidate is what the leader knows about a server of the configuration.
type candidate struct {
	id      string
	voter   bool          // in the configuration
	edge    bool          // wants to be none
	contact time.Duration // since when it follows this leader without a gap; 0: it does not
	lag     uint64        // entries that it is behind the leader's log
	dialled bool          // it has reached the leader at the address that the leader announces
	level   int           // the highest level that it understands
	apart   string        // why it is there and cannot be called, or ""
	storage string        // what it cannot read or write, or ""
	behind  uint64        // entries that it has applied less than the leader
	reach   string        // which voter cannot reach it, and why; "" if all do; unknown: not asked
}

// notAsked is the reach of a candidate that nobody tried to reach.
const notAsked = "the voters have not tried to reach it yet"

// problem says why a non-voter is not promoted, or "".
func (c candidate) problem(level int, steady time.Duration) string {
	if p := c.problemBut(level, steady); p != "" {
		return p
	}
	return c.reach
}

// problemBut is problem for one that the voters were not asked about.
func (c candidate) problemBut(level int, steady time.Duration) string {
	switch {
	case c.apart != "":
		return c.apart
	case c.storage != "":
		return "it gets no vote while its storage fails: " + strings.TrimPrefix(c.storage, "the storage of this node fails: ")
	case c.contact == 0:
		return "it does not follow the leader"
	case !c.dialled:
		return "it has not reached the leader at its advertised address"
	case c.level < level:
		return fmt.Sprintf("it understands level %d and the cluster uses level %d: upgrade it", c.level, level)
	case c.contact < steady:
		return "it follows the leader for a moment only"
	case c.lag >= maxLag:
		return fmt.Sprintf("it is %d entries behind", c.lag)
	case c.behind >= maxLag:
		return fmt.Sprintf("it has the log, but its state is %d entries behind", c.behind)
	}
	return ""
}

// spareProblem is what status says of a server that waits for one of so many voters to go.
func spareProblem(voters int) string { return fmt.Sprintf("spare: %d voters are enough", voters) }

// promotion picks who becomes a voter next: the id of a server, or "". It also says of each other
// non-voter why it is none, also of a spare. There is one change at a time.
func promotion(servers []candidate, target, level int, steady time.Duration) (next string, problems map[string]string) {
	problems = map[string]string{}
	voters := 0
	var willing []candidate
	for _, c := range servers {
		switch {
		case c.voter:
			voters++
		case !c.edge:
			willing = append(willing, c)
		}
	}
	slices.SortFunc(willing, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(b.contact, a.contact), cmp.Compare(a.id, b.id))
	})
	for _, c := range willing {
		problem := c.problem(level, steady)
		switch {
		case problem == "" && voters < target && next == "":
			next = c.id
		case voters >= target && (problem == "" || problem == notAsked):
			problems[c.id] = spareProblem(voters)
		case problem == "":
			problems[c.id] = "" // its turn comes next
		default:
			problems[c.id] = problem
		}
	}
	return next, problems
}

// demotion picks a voter that is to be none: one whose configuration says edge, as long as that
// leaves a voter. It returns "" if there is none.
func demotion(servers []candidate) string {
	voters := 0
	for _, c := range servers {
		if c.voter {
			voters++
		}
	}
	for _, c := range servers {
		if c.voter && c.edge && voters > 1 {
			return c.id
		}
	}
	return ""
}

// quorum is how many of so many voters agree on something.
func quorum(voters int) int { return voters/2 + 1 }

// voterTarget is how many voters the leader makes.
func voterTarget(expect int) int { return min(max(usualVoters, expect), maxVoters) }
