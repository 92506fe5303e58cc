package raftstorage

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestPromotion(t *testing.T) {
	t.Parallel()
	good := func(id string) candidate {
		return candidate{id: id, contact: 3 * time.Second, dialled: true, level: 1}
	}
	with := func(c candidate, change func(*candidate)) candidate { change(&c); return c }
	leader := candidate{id: "a", voter: true, level: 1}
	tests := map[string]struct {
		servers  []candidate
		target   int
		next     string
		problems map[string]string
	}{
		"one that is ready":   {servers: []candidate{leader, good("b")}, target: 3, next: "b"},
		"one at a time":       {servers: []candidate{leader, good("c"), good("b")}, target: 3, next: "b", problems: map[string]string{"c": ""}},
		"a disk that fails":   {servers: []candidate{leader, with(good("b"), func(c *candidate) { c.storage = "no space" })}, target: 3, problems: map[string]string{"b": "it gets no vote while its storage fails: no space"}},
		"an old state":        {servers: []candidate{leader, with(good("b"), func(c *candidate) { c.behind = 250 })}, target: 3, problems: map[string]string{"b": "it has the log, but its state is 250 entries behind"}},
		"there, but apart":    {servers: []candidate{leader, with(good("b"), func(c *candidate) { c.contact, c.apart = 0, "it calls" })}, target: 3, problems: map[string]string{"b": "it calls"}},
		"the steadiest first": {servers: []candidate{leader, good("b"), with(good("c"), func(c *candidate) { c.contact *= 2 })}, target: 3, next: "c", problems: map[string]string{"b": ""}},
		"enough voters":       {servers: []candidate{leader, {id: "b", voter: true}, {id: "c", voter: true}, good("d")}, target: 3, problems: map[string]string{"d": "spare: 3 voters are enough"}},
		"edges are left":      {servers: []candidate{leader, with(good("b"), func(c *candidate) { c.edge = true })}, target: 3},
		"no contact":          {servers: []candidate{leader, with(good("b"), func(c *candidate) { c.contact = 0 })}, target: 3, problems: map[string]string{"b": "it does not follow the leader"}},
		"new contact":         {servers: []candidate{leader, with(good("b"), func(c *candidate) { c.contact = time.Second })}, target: 3, problems: map[string]string{"b": "it follows the leader for a moment only"}},
		"behind":              {servers: []candidate{leader, with(good("b"), func(c *candidate) { c.lag = 250 })}, target: 3, problems: map[string]string{"b": "it is 250 entries behind"}},
		"almost there":        {servers: []candidate{leader, with(good("b"), func(c *candidate) { c.lag = 249 })}, target: 3, next: "b"},
		"one way only":        {servers: []candidate{leader, with(good("b"), func(c *candidate) { c.dialled = false })}, target: 3, problems: map[string]string{"b": "it has not reached the leader at its advertised address"}},
		"a voter cannot":      {servers: []candidate{leader, with(good("b"), func(c *candidate) { c.reach = "voter z: refused" })}, target: 3, problems: map[string]string{"b": "voter z: refused"}},
		"an old program":      {servers: []candidate{leader, with(good("b"), func(c *candidate) { c.level = 0 })}, target: 3, problems: map[string]string{"b": "it understands level 0 and the cluster uses level 1: upgrade it"}},
		"the next if one has a problem": {
			servers: []candidate{leader, with(good("b"), func(c *candidate) { c.lag = 1000 }), good("c")}, target: 3,
			next: "c", problems: map[string]string{"b": "it is 1000 entries behind"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			next, problems := promotion(tt.servers, tt.target, 1, steadyContact)
			if next != tt.next {
				t.Errorf("next %q, want %q", next, tt.next)
			}
			if tt.problems == nil {
				tt.problems = map[string]string{}
			}
			if diff := cmp.Diff(tt.problems, problems); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDemotion(t *testing.T) {
	t.Parallel()
	if got := demotion([]candidate{{id: "a", voter: true}, {id: "b", voter: true, edge: true}}); got != "b" {
		t.Errorf("an edge that votes: %q is demoted", got)
	}
	if got := demotion([]candidate{{id: "a", voter: true, edge: true}, {id: "b"}}); got != "" {
		t.Errorf("the only voter: %q is demoted", got)
	}
}

func TestVoterTarget(t *testing.T) {
	t.Parallel()
	for expect, want := range map[int]int{0: 3, 1: 3, 3: 3, 5: 5} {
		if got := voterTarget(expect); got != want {
			t.Errorf("expect %d: %d voters, want %d", expect, got, want)
		}
	}
}
