package state

import (
	"testing"

	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// TestLocks shows how the store's own kinds and conditions make sessions, locks and fences.
func TestLocks(t *testing.T) {
	t.Parallel()
	session := func(name string) Op { return Op{Key: resource.Key{Kind: Session, Name: name}, Data: []byte("1")} }
	key := resource.Key{Kind: Lock, Name: "cert"}
	acquire := func(by string) Op {
		return Op{Key: key, Data: []byte(by), If: Condition{Mode: Absent}, Needs: []resource.Key{session(by).Key}}
	}
	s := open(t)
	s.must(session("a"), session("b"))
	token := s.must(acquire("a")).Results[0].Version
	work := Op{Key: resource.Key{Kind: File, Name: "certificates/a"}, Data: []byte("x")}

	refused := []struct {
		what string
		ops  []Op
		code resource.Code
	}{
		{"a second holder", []Op{acquire("b")}, resource.PreconditionFailed},
		{"the end of a session that holds it", []Op{Delete(session("a").Key, Condition{})}, resource.InUse},
		{"a lock of a session that has ended", []Op{{Key: resource.Key{Kind: Lock, Name: "other"}, Needs: []resource.Key{session("gone").Key}}}, resource.ValidationFailed},
		{"work under an older token", []Op{Require(key, Condition{Mode: AtVersion, Version: token - 1}), work}, resource.PreconditionFailed},
		{"work under a lock that nobody has", []Op{Require(resource.Key{Kind: Lock, Name: "none"}, Condition{Mode: Present}), work}, resource.PreconditionFailed},
	}
	for _, tt := range refused {
		if o := s.apply(tt.ops...); resource.CodeOf(o.Err) != tt.code {
			t.Errorf("%s: %v, want %s", tt.what, o.Err, tt.code)
		}
	}

	held := s.must(Require(key, Condition{Mode: AtVersion, Version: token}), work)
	if r := held.Results[0]; r.Changed || r.Version != token || string(r.Data) != "a" {
		t.Errorf("a fence answers %+v", r)
	}
	s.must(Delete(key, Condition{Mode: AtVersion, Version: token}), Delete(session("a").Key, Condition{}))
	if next := s.must(acquire("b")).Results[0].Version; next <= token {
		t.Errorf("the token went from %d to %d", token, next)
	}
}

// TestInternalOpsRoundTrip decodes what was encoded.
func TestInternalOpsRoundTrip(t *testing.T) {
	t.Parallel()
	lock := resource.Key{Kind: Lock, Name: "l"}
	cmd := Command{Ops: []Op{
		{Key: lock, Data: []byte("d"), Needs: []resource.Key{{Kind: Session, Name: "s"}}},
		Require(lock, Condition{Mode: Present}),
	}}
	data, err := cmd.Encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Ops) != 2 || len(got.Ops[0].Needs) != 1 || got.Ops[0].Needs[0].Name != "s" || !got.Ops[1].Only || got.Ops[1].If.Mode != Present {
		t.Errorf("decoded %+v", got.Ops)
	}
}
