package change_test

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dgate-io/caddy-dgate/internal/change"
	"github.com/dgate-io/caddy-dgate/internal/change/changetest"
	"github.com/dgate-io/caddy-dgate/internal/resource"
	"github.com/dgate-io/caddy-dgate/internal/state"
)

func collection(name, schema string) *resource.Collection {
	return &resource.Collection{Name: name, Namespace: "default", Schema: json.RawMessage(schema)}
}

func document(coll, id, data string) *resource.Document {
	return &resource.Document{ID: id, Collection: coll, Namespace: "default", Data: json.RawMessage(data)}
}

const (
	objects = `{"type":"object","properties":{"zip":{"type":"string"}}}`
	texts   = `{"type":"string"}`
)

// What is refused of documents and collections, and what is not. The store has a collection c of
// objects with a document d, and an empty collection e.
func TestDocuments(t *testing.T) {
	tests := map[string]struct {
		changes []change.Change
		code    resource.Code // "" for what is accepted
		want    string
		fields  []string
	}{
		"one that matches":        {changes: []change.Change{{Object: document("c", "x/y", `{"zip":"1"}`)}}},
		"one that does not":       {[]change.Change{{Object: document("c", "x", `{"zip":1}`)}}, resource.ValidationFailed, "data.zip must be a string", []string{"data.zip"}},
		"two mistakes at once":    {[]change.Change{{Object: document("c", "\n", `[]`)}}, resource.ValidationFailed, "id must not have control characters; data must be an object", []string{"id", "data"}},
		"no JSON":                 {[]change.Change{{Object: document("c", "x", `{`)}}, resource.ValidationFailed, "data must be JSON: unexpected end of JSON input", []string{"data"}},
		"no collection":           {[]change.Change{{Object: document("no", "x", `1`)}}, resource.ValidationFailed, "collection not found: no", []string{"collection"}},
		"with its collection":     {changes: []change.Change{{Object: document("new", "x", `"a"`)}, {Object: collection("new", texts)}}},
		"not as the new one says": {[]change.Change{{Object: collection("new", texts)}, {Object: document("new", "x", `1`)}}, resource.ValidationFailed, "document default/new/x: data must be a string", []string{"data"}},
		"a schema that is none":   {[]change.Change{{Object: collection("new", `{"type":"zzz"}`)}, {Object: document("new", "x", `1`)}}, resource.ValidationFailed, "collection default/new: schema.type must match one of the schemas under anyOf: (1) must be one of \"array\", \"boolean\", \"integer\", \"null\", \"number\", \"object\", \"string\"; (2) must be an array", []string{"schema.type"}},
		"with a collection gone":  {[]change.Change{{Object: document("e", "x", `1`)}, {Key: collection("e", "").Key()}}, resource.InUse, "collection default/e: cannot delete collection: e: documents still linked", nil},
		"another schema":          {[]change.Change{{Object: collection("c", texts)}}, resource.InUse, "collection c: its schema and type cannot change while it holds documents", nil},
		"another schema for all":  {changes: []change.Change{{Object: document("c", "d", `"x"`)}, {Object: collection("c", texts)}}},
		"a schema when empty":     {changes: []change.Change{{Object: collection("e", objects)}}},
		"the collection":          {[]change.Change{{Key: collection("c", "").Key()}}, resource.InUse, "cannot delete collection: c: documents still linked", nil},
		"both":                    {changes: []change.Change{{Key: collection("c", "").Key()}, {Key: document("c", "d", "").Key()}}},
		"absent":                  {[]change.Change{{Key: document("c", "x", "").Key()}}, resource.NotFound, "document not found: c/x", nil},
		"in a fetcher":            {[]change.Change{{Object: &resource.Collection{Name: "f", Namespace: "default", Type: resource.TypeFetcher}}, {Object: document("f", "x", `1`)}}, resource.ValidationFailed, "document default/f/x: collection is not a document collection", []string{"collection"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			store := changetest.New(t)
			w := change.Writer{Store: store}
			if _, err := w.Apply(t.Context(), change.Change{Object: collection("c", objects)}, change.Change{Object: collection("e", "")}, change.Change{Object: document("c", "d", `{}`)}); err != nil {
				t.Fatal(err)
			}
			before := store.DB().Applied()
			_, err := w.Apply(t.Context(), tt.changes...)
			if tt.code == "" {
				if err != nil {
					t.Errorf("refused: %v", err)
				}
				return
			}
			if err == nil {
				t.Fatal("accepted")
			}
			if got := resource.CodeOf(err); got != tt.code {
				t.Errorf("code %s, want %s", got, tt.code)
			}
			if diff := cmp.Diff(tt.want, err.Error()); diff != "" {
				t.Errorf("text (-want +got):\n%s", diff)
			}
			var fields []string
			for _, f := range resource.FieldErrors(err) {
				fields = append(fields, f.Field)
			}
			if diff := cmp.Diff(tt.fields, fields); diff != "" {
				t.Errorf("fields (-want +got):\n%s", diff)
			}
			if store.DB().Applied() != before {
				t.Error("a refused change reached the log")
			}
		})
	}
}

// A document needs no code, and nobody waits for a routing table because of it.
func TestDocumentsAreNotRouted(t *testing.T) {
	w := change.Writer{Store: changetest.New(t), Code: code{
		check: func([]change.Change) ([]string, error) { t.Error("something is compiled"); return nil, nil },
	}}
	if _, err := w.Put(t.Context(), collection("c", ""), state.Condition{}); err != nil {
		t.Fatal(err)
	}
	first, err := w.Put(t.Context(), document("c", "d", ` {"b": 1.0, "a": [] }`), state.Condition{Mode: state.Absent})
	if err != nil || !first.Created {
		t.Fatal(first, err)
	}
	if got := string(first.Object.(*resource.Document).Data); got != `{"b":1.0,"a":[]}` {
		t.Errorf("data: %s", got)
	}
	again, err := w.Put(t.Context(), document("c", "d", `{"b":1.0,"a":[]}`), state.Condition{})
	if err != nil || again.Changed || again.Object.Metadata().Version != first.Index {
		t.Errorf("identical put: %+v, %v", again, err)
	}
}

// meanwhile is a store in which something happens once, just before a proposal.
type meanwhile struct {
	change.Store
	happens func()
}

func (m *meanwhile) Propose(ctx context.Context, ops ...state.Op) (state.Outcome, error) {
	if happens := m.happens; happens != nil {
		m.happens = nil
		happens()
	}
	return m.Store.Propose(ctx, ops...)
}

// TestSchemaChangesMeanwhile: a document is checked again if its schema was replaced after the check.
func TestSchemaChangesMeanwhile(t *testing.T) {
	for data, want := range map[string]string{`{}`: "data must be a string", `"x"`: "<nil>"} {
		store := changetest.New(t)
		direct := change.Writer{Store: store}
		if _, err := direct.Put(t.Context(), collection("c", "true"), state.Condition{}); err != nil {
			t.Fatal(err)
		}
		w := change.Writer{Store: &meanwhile{store, func() {
			if _, err := direct.Put(t.Context(), collection("c", texts), state.Condition{}); err != nil {
				t.Error(err)
			}
		}}}
		if _, err := w.Put(t.Context(), document("c", "d", data), state.Condition{}); fmt.Sprint(err) != want {
			t.Errorf("%s: %v, want %s", data, err, want)
		}
	}
}

// TestRacingSchemas: however writers of documents and of schemas get in each other's way, every
// document matches the schema of its collection.
func TestRacingSchemas(t *testing.T) {
	store := changetest.New(t)
	w := change.Writer{Store: store}
	if _, err := w.Put(t.Context(), collection("c", objects), state.Condition{}); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for n := range 100 {
				var err error
				id := fmt.Sprint(n % 3)
				switch (n + i) % 4 {
				case 0:
					_, err = w.Put(t.Context(), document("c", id, `"x"`), state.Condition{})
				case 1:
					_, err = w.Put(t.Context(), document("c", id, `{}`), state.Condition{})
				case 2:
					_, err = w.Delete(t.Context(), document("c", id, "").Key(), state.Condition{})
				case 3:
					_, err = w.Put(t.Context(), collection("c", []string{objects, texts}[n%2]), state.Condition{})
				}
				if err != nil && resource.CodeOf(err) == resource.Internal {
					t.Error(err)
				}
				if err := allValid(store.DB()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

// allValid checks every document of the store.
func allValid(db *state.DB) error {
	return db.View(func(r *state.Reader) error {
		for rec, err := range r.List("document", "") {
			if err != nil {
				return err
			}
			obj, err := rec.Object()
			if err != nil {
				return err
			}
			doc := obj.(*resource.Document)
			coll, _, err := r.Get(doc.References()[0].Target)
			if err != nil {
				return err
			}
			owner, err := coll.Object()
			if err != nil {
				return err
			}
			if err := owner.(*resource.Collection).Check(doc); err != nil {
				return fmt.Errorf("%s: %w", rec.Key, err)
			}
		}
		return nil
	})
}
