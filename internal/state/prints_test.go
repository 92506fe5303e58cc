package state

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// TestPrints: what documents were checked against is what they are stored under.
func TestPrints(t *testing.T) {
	old, other := collection("c", `{"type":"object"}`), collection("c", `{"type":"string"}`)
	doc := func(id, data string, against *resource.Collection) Op { return document(t, "c", id, data, against) }
	gone := Delete(resource.MustKind("document").KeyOf("default", "c", "d"), Condition{})
	// The store has: collection c (objects), document d in it, collection empty.
	tests := map[string]struct {
		ops  []Op
		code resource.Code
		text string
	}{
		"a document that was checked":     {ops: []Op{doc("e", `{}`, old)}},
		"one that nobody checked":         {ops: []Op{doc("e", `1`, nil)}},
		"checked against another schema":  {[]Op{doc("e", `"x"`, other)}, resource.Conflict, "collection c has changed since the document was checked; try again"},
		"of a collection that is missing": {[]Op{document(t, "no", "e", `1`, nil)}, resource.ValidationFailed, "collection not found: no"},
		"of one that was there":           {[]Op{document(t, "no", "e", `1`, collection("no", ""))}, resource.ValidationFailed, "collection not found: no"},
		"tags of a collection in use":     {ops: []Op{put(t, &resource.Collection{Name: "c", Namespace: "default", Schema: []byte(`{"type": "object"}`), Visibility: "public", Tags: []string{"x"}})}},
		"schema of a collection in use":   {[]Op{put(t, other)}, resource.InUse, "collection c: its schema and type cannot change while it holds documents"},
		"type of a collection in use":     {[]Op{put(t, &resource.Collection{Name: "c", Namespace: "default", Schema: []byte(`{"type":"object"}`), Type: resource.TypeFetcher})}, resource.InUse, "collection c: its schema and type cannot change while it holds documents"},
		"schema of an empty one":          {ops: []Op{put(t, collection("empty", `{"type":"string"}`))}},
		"a schema and its only document":  {ops: []Op{put(t, other), doc("d", `"x"`, other)}},
		"the document first":              {ops: []Op{doc("d", `"x"`, other), put(t, other)}},
		"a schema and an old document":    {[]Op{put(t, other), doc("d", `{}`, old)}, resource.InUse, "collection default/c: collection c: its schema and type cannot change while it holds documents"},
		"a schema and another document":   {[]Op{put(t, other), doc("e", `"x"`, other)}, resource.InUse, "collection default/c: collection c: its schema and type cannot change while it holds documents"},
		"a schema, without the document":  {ops: []Op{put(t, other), gone}},
		"a collection in use":             {[]Op{del("collection", "c")}, resource.InUse, "cannot delete collection: c: documents still linked"},
		"a collection and its documents":  {ops: []Op{del("collection", "c"), gone}},
		"a collection that is left":       {[]Op{gone, del("collection", "c"), doc("e", `{}`, old)}, resource.InUse, "collection default/c: cannot delete collection: c: documents still linked"},
		"a new one of the same name":      {ops: []Op{gone, del("collection", "c"), put(t, other), doc("e", `"x"`, other)}},
		"its namespace":                   {[]Op{del("namespace", "default")}, resource.InUse, "cannot delete namespace: default: collections still linked"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			s.must(put(t, old), put(t, collection("empty", "")), doc("d", `{}`, old))
			hash := s.Hash()
			checked := s.Check(tt.ops)
			outcome := s.apply(tt.ops...)
			if diff := cmp.Diff(describe(checked), describe(outcome.Err)); diff != "" {
				t.Errorf("Apply and Check disagree (-check +apply):\n%s", diff)
			}
			if tt.code == "" {
				if outcome.Err != nil {
					t.Errorf("refused: %v", outcome.Err)
				}
				return
			}
			if outcome.Err == nil {
				t.Fatal("accepted")
			}
			if code := resource.CodeOf(outcome.Err); code != tt.code {
				t.Errorf("code %s, want %s", code, tt.code)
			}
			if diff := cmp.Diff(tt.text, outcome.Err.Error()); diff != "" {
				t.Errorf("text (-want +got):\n%s", diff)
			}
			if s.Hash() != hash {
				t.Error("a refused command changed the state")
			}
		})
	}
}

func TestEncodePrints(t *testing.T) {
	c := collection("c", `{"type":"object"}`)
	cmd := Command{Time: testTime, Ops: []Op{put(t, c), document(t, "c", "d", `{}`, c)}}
	data, err := cmd.Encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(cmd.Ops, got.Ops); diff != "" {
		t.Errorf("operations (-want +got):\n%s", diff)
	}
	if got.changes[0].print != c.Print() || got.changes[1].refs[0].Print != c.Print() {
		t.Errorf("the prints are not on their way: %+v", got.changes)
	}
}

// TestRecordsWithoutPrints: what was stored before there were prints can be read.
func TestRecordsWithoutPrints(t *testing.T) {
	value, err := hex.DecodeString("08011002180322027b7d2a1f0a096e616d65737061636512096e616d657370616365220764656661756c747d4bd9bc5e")
	if err != nil {
		t.Fatal(err)
	}
	s, err := decodeStored(value, true)
	if err != nil {
		t.Fatal(err)
	}
	want := &stored{
		created: 1, updated: 2, version: 3, data: []byte("{}"),
		refs: []resource.Reference{{Field: "namespace", Target: resource.Key{Kind: "namespace", Name: "default"}}},
	}
	if diff := cmp.Diff(want, s, cmp.AllowUnexported(stored{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if again := hex.EncodeToString(want.encode()); again != hex.EncodeToString(value) {
		t.Errorf("it is written differently: %s", again)
	}
}

// TestPages: the documents of one collection, in the order of their ids.
func TestPages(t *testing.T) {
	s := open(t)
	ops := []Op{put(t, collection("a", "")), put(t, collection("a-b", "")), put(t, collection("ab", ""))}
	for _, coll := range []string{"a", "a-b", "ab"} {
		for _, id := range []string{"1", "10", "2", "é/x", "~"} {
			ops = append(ops, document(t, coll, id, fmt.Sprintf("%q", coll), nil))
		}
	}
	s.must(ops...)
	tests := map[string]struct {
		prefix string
		offset int
		want   []string
		count  int
	}{
		"all":              {"a/", 0, []string{"a/1", "a/10", "a/2", "a/~", "a/é/x"}, 5},
		"from the fourth":  {"a/", 3, []string{"a/~", "a/é/x"}, 5},
		"after the last":   {"a/", 5, nil, 5},
		"a longer prefix":  {"a-b/1", 0, []string{"a-b/1", "a-b/10"}, 2},
		"no such":          {"b/", 0, nil, 0},
		"a negative start": {"ab/", -1, []string{"ab/1", "ab/10", "ab/2", "ab/~", "ab/é/x"}, 5},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			err := s.View(func(r *Reader) error {
				page := r.Page(t.Context(), "document", "default", tt.prefix, tt.offset)
				for range 2 { // it can be read again
					var got []string
					for rec, err := range page {
						if err != nil {
							return err
						}
						got = append(got, rec.Key.Name)
					}
					if diff := cmp.Diff(tt.want, got); diff != "" {
						t.Errorf("page (-want +got):\n%s", diff)
					}
				}
				if n := r.Count("document", "default", tt.prefix); n != tt.count {
					t.Errorf("count %d, want %d", n, tt.count)
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		})
	}
}

// Walking to a page ends when nobody waits for it any more.
func TestPagesOfNobody(t *testing.T) {
	s := open(t)
	s.must(put(t, collection("a", "")), document(t, "a", "1", `1`, nil), document(t, "a", "2", `2`, nil))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := s.View(func(r *Reader) error {
		for rec, err := range r.Page(ctx, "document", "default", "a/", 1) {
			if err != nil {
				return err
			}
			t.Errorf("%s was read", rec.Key)
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}
