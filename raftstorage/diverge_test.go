package raftstorage

import (
	"testing"
	"time"

	"github.com/dgate-io/caddy-dgate/internal/state"
)

// TestDivergedByNothing has a follower miss the last change there is, after which nothing happens.
func TestDivergedByNothing(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3, func(_ int, cfg *Config) { cfg.timing.compare = 50 * time.Millisecond })
	f := c.follower()
	c.same()
	s := c.nodes[f].store
	s.applying.Lock()
	if o := s.db.Apply([]state.Entry{{Index: s.db.Applied() + 1, Term: s.db.AppliedTerm(), NoOp: true}}); o[0].Err != nil {
		t.Fatal(o[0].Err)
	}
	s.applying.Unlock()
	write(t, c.nodes[c.leads()], service("missed", "http://a"))
	c.same()
	c.eventually("be well again", func() bool { return c.nodes[f].Status().Diverged == "" })
}

// TestComparedSoon: a state is compared soon after a start, not after the usual time only.
func TestComparedSoon(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3)
	f := c.follower()
	write(t, c.nodes[f], service("s", "http://a"))
	c.same()
	s := c.nodes[f].store
	data, err := (&state.Command{Time: time.Now(), Ops: []state.Op{service("wrong", "http://a")}}).Encode()
	must(t, err)
	s.applying.Lock()
	s.db.Apply([]state.Entry{{Index: s.db.Applied() + 1, Term: s.db.AppliedTerm(), Data: data}})
	s.applying.Unlock()
	write(t, c.nodes[c.leads()], service("right", "http://a"))
	stop(t, c.nodes[f])
	c.open(f)
	c.same()
}

// TestJudge: a leader tells what it knows, and says if it does not.
func TestJudge(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	n := New(logged(t, Config{Dir: dir}))
	must(t, n.Open(t.Context()))
	before, old := n.store.db.AppliedHash()
	write(t, n, service("s", "http://a"))
	index, hash := n.store.db.AppliedHash()
	stop(t, n)
	n = start(t, Config{Dir: dir}) // it remembers what its state is, not what it was
	must(t, n.Barrier(t.Context()))
	for what, test := range map[string]struct {
		theirs            comparison
		diverged, unknown bool
	}{
		"the same":              {comparison{index, hash}, false, false},
		"one change behind":     {comparison{index, old}, true, false},
		"another state":         {comparison{index, "0123"}, true, false},
		"before what it knows":  {comparison{before, old}, false, true},
		"after what it applied": {comparison{index + 1000, hash}, false, true},
	} {
		if got := n.store.judge(test.theirs); (got.Diverged != "") != test.diverged || got.Unknown != test.unknown {
			t.Errorf("%s: %+v", what, got)
		}
	}
}
