package state

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// TestClusterIDs: the first id stays, unless a command says that it replaces it; what values are
// bound to stays even then, and in snapshots.
func TestClusterIDs(t *testing.T) {
	t.Parallel()
	s := open(t)
	if s.SealID() != "" {
		t.Errorf("bound to %q before there is an id", s.SealID())
	}
	steps := []struct {
		what          string
		cmd           Command
		code          resource.Code // "" if it is not refused
		id, seal      string
		hashIsAnother bool
	}{
		{"the first id", Command{ID: [16]byte{9, 1}, ClusterID: "one"}, "", "one", "one", true},
		{"the same id again", Command{ID: [16]byte{9, 2}, ClusterID: "one"}, "", "one", "one", false},
		{"another id", Command{ID: [16]byte{9, 3}, ClusterID: "two"}, resource.Conflict, "one", "one", false},
		{"another id in place of the first", Command{ID: [16]byte{9, 4}, ClusterID: "two", ReplaceID: true}, "", "two", "one", true},
		{"that again, as a retry", Command{ID: [16]byte{9, 4}, ClusterID: "two", ReplaceID: true}, "", "two", "one", false},
		{"a third one", Command{ID: [16]byte{9, 5}, ClusterID: "three", ReplaceID: true}, "", "three", "one", true},
		{"the first one back", Command{ID: [16]byte{9, 6}, ClusterID: "one", ReplaceID: true}, "", "one", "one", true},
		{"a fourth one", Command{ID: [16]byte{9, 7}, ClusterID: "four", ReplaceID: true, Ops: []Op{put(t, service("s", "http://a"))}}, "", "four", "one", true},
	}
	for _, step := range steps {
		before := s.Hash()
		o := s.command(step.cmd)
		if (o.Err == nil) != (step.code == "") || o.Err != nil && resource.CodeOf(o.Err) != step.code {
			t.Errorf("%s: %v", step.what, o.Err)
		}
		if len(o.Results) != len(step.cmd.Ops) {
			t.Errorf("%s: %d results", step.what, len(o.Results))
		}
		if s.ClusterID() != step.id || s.SealID() != step.seal {
			t.Errorf("%s: the id is %s, bound to %s", step.what, s.ClusterID(), s.SealID())
		}
		if (s.Hash() != before) != step.hashIsAnother {
			t.Errorf("%s: the hash changed: %v", step.what, s.Hash() != before)
		}
	}
	s.reopen()
	if s.ClusterID() != "four" || s.SealID() != "one" {
		t.Errorf("after a restart: the id is %s, bound to %s", s.ClusterID(), s.SealID())
	}
	other := copied(t, s.DB)
	defer func() { _ = other.Close() }()
	if other.ClusterID() != "four" || other.SealID() != "one" {
		t.Errorf("in a snapshot: the id is %s, bound to %s", other.ClusterID(), other.SealID())
	}
}

// TestOutcome: what became of a command can be read on every node that has applied it.
func TestOutcome(t *testing.T) {
	t.Parallel()
	s := open(t)
	cmd := Command{ID: [16]byte{7}, Time: testTime, ClusterID: "c", Ops: []Op{
		put(t, service("a", "http://a")), put(t, service("b", "http://b")), del("service", "a"),
		Require(key("service", "b"), Condition{Mode: Present}),
	}}
	if _, known, err := s.Outcome(&cmd); known || err != nil {
		t.Errorf("before: %v %v", known, err)
	}
	want := s.command(cmd)
	if want.Err != nil {
		t.Fatal(want.Err)
	}
	other := copied(t, s.DB)
	defer func() { _ = other.Close() }()
	got, known, err := other.Outcome(&cmd)
	if !known || err != nil {
		t.Fatal(known, err)
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("-first +remembered:\n%s", diff)
	}
	cmd.Ops = cmd.Ops[:1]
	if o, known, err := other.Outcome(&cmd); !known || err != nil || resource.CodeOf(o.Err) != resource.Conflict {
		t.Errorf("another command with its id: %+v %v %v", o, known, err)
	}
	refused := Command{ID: [16]byte{8}, Ops: []Op{del("service", "a")}}
	s2 := open(t)
	s2.command(refused)
	if _, known, err := s2.Outcome(&refused); known || err != nil {
		t.Errorf("of a refused one: %v %v", known, err)
	}
}

// TestOutcomeIsItsOwn: the answer to a command is what that command has written, also when somebody
// else has written the same resource, or removed it, before the answer was asked for.
func TestOutcomeIsItsOwn(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.must(put(t, service("a", "http://zero")))
	cmd := Command{ID: [16]byte{7}, Time: testTime.Add(time.Minute), Ops: []Op{put(t, service("a", "http://own"))}}
	want := s.command(cmd)
	if want.Err != nil {
		t.Fatal(want.Err)
	}
	for what, op := range map[string]Op{"written": put(t, service("a", "http://other")), "removed": del("service", "a")} {
		s.must(op)
		got, known, err := s.Outcome(&cmd)
		if !known || err != nil {
			t.Fatal(known, err)
		}
		got.Results[0].CreatedAt = want.Results[0].CreatedAt // nobody knows it once it is removed
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s since then: -first +remembered:\n%s", what, diff)
		}
	}
}
