package state

import (
	"errors"
	"testing"

	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// A command that is tried again when its id is forgotten is refused, and overwrites nothing.
func TestForgottenCommand(t *testing.T) {
	t.Parallel()
	db, err := Open(t.TempDir(), Options{BootID: "boot", window: 8})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	index := uint64(0)
	apply := func(id byte, since uint64, data string) Outcome {
		t.Helper()
		cmd := Command{ID: [16]byte{id}, Time: testTime, Since: since, Ops: []Op{{Key: resource.Key{Kind: Setting, Name: "x"}, Data: []byte(data)}}}
		entry, err := cmd.Encode()
		if err != nil {
			t.Fatal(err)
		}
		index++
		return db.Apply([]Entry{{Index: index, Term: 1, Data: entry}})[0]
	}
	for id := byte(1); id <= 8; id++ {
		if o := apply(id, 0, string('a'+rune(id))); o.Err != nil {
			t.Fatal(o.Err)
		}
	}
	if o := apply(1, 0, "b"); o.Err != nil || o.Index != 1 {
		t.Errorf("while it is remembered: %+v", o)
	}
	for id := byte(9); id <= 12; id++ {
		if o := apply(id, 8, string('a'+rune(id))); o.Err != nil {
			t.Fatal(o.Err)
		}
	}
	if o := apply(1, 0, "b"); !errors.Is(o.Err, ErrForgotten) || resource.CodeOf(o.Err) != resource.OutcomeUnknown {
		t.Errorf("when it is forgotten: %+v", o)
	}
	if got := db.Changelog().LatestIndex; got != 13 {
		t.Errorf("the last change is that of entry %d", got)
	}
	if o := apply(20, index, "new"); o.Err != nil {
		t.Errorf("a new one: %v", o.Err)
	}
}

// Every change has a level that this version of the program has.
func TestLevels(t *testing.T) {
	t.Parallel()
	for typ := putResource; typ <= lastKnownChange; typ++ {
		if l := typ.level(); l < 1 || l > FeatureLevel {
			t.Errorf("change %d needs level %d", typ, l)
		}
	}
	if got := levelOf([]change{{typ: putResource}, {typ: lastKnownChange + 1}}); got != FeatureLevel {
		t.Errorf("a change that is unknown: level %d", got)
	}
}
