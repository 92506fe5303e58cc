package change

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dgate-io/caddy-dgate/internal/resource"
	"github.com/dgate-io/caddy-dgate/internal/state"
)

// checkDocuments checks the data of documents with the schemas of their collections, as the
// changes leave them. That the collections are still the same when the changes are applied is for
// the state to see: it is told what the documents were checked against.
func (a *attempt) checkDocuments() error {
	found := map[resource.Key]*schemaOf{}
	for i, c := range a.changes {
		doc, ok := c.Object.(*resource.Document)
		if !ok || a.found.any(doc.Key(), "data", "collection", "namespace") {
			continue
		}
		target := doc.References()[0].Target
		coll := found[target]
		if coll == nil {
			var err error
			if coll, err = a.collection(target); err != nil {
				return err
			}
			found[target] = coll
		}
		if coll.collection == nil {
			continue // that it is missing, or wrong itself, is said elsewhere
		}
		a.ops[i].Against = map[resource.Key]string{target: coll.print}
		err := coll.collection.Check(doc)
		if err != nil && len(resource.FieldErrors(err)) == 0 {
			return fmt.Errorf("%s: %w", doc.Key(), err)
		}
		a.found.add(doc.Key(), err)
	}
	return nil
}

// schemaOf is a collection that documents are checked against; nil if there is none to use.
type schemaOf struct {
	collection *resource.Collection
	print      string
}

// collection finds a collection in the changes, of which the last one counts, or in the store.
func (a *attempt) collection(key resource.Key) (*schemaOf, error) {
	for _, c := range slices.Backward(a.changes) {
		if c.Target() != key {
			continue
		}
		coll, ok := c.Object.(*resource.Collection)
		if !ok || a.found.any(key, "schema", "type") {
			return &schemaOf{}, nil
		}
		return &schemaOf{coll, coll.Print()}, nil
	}
	rec, obj, err := stored(a.db, key)
	if obj == nil || err != nil {
		return &schemaOf{}, err
	}
	coll, ok := obj.(*resource.Collection)
	if !ok {
		return nil, fmt.Errorf("stored %s is no collection", key)
	}
	return &schemaOf{coll, rec.Print}, nil
}

// stored reads a resource; nil if it does not exist.
func stored(db *state.DB, key resource.Key) (rec state.Record, obj resource.Object, err error) {
	ok := false
	err = db.View(func(r *state.Reader) error {
		rec, ok, err = r.Get(key)
		return err
	})
	if err != nil || !ok {
		return rec, nil, err
	}
	obj, err = rec.Object()
	return rec, obj, err
}

// any tells whether one of the fields of a resource is known to be wrong, as a whole or inside.
func (m *mistakes) any(key resource.Key, fields ...string) bool {
	for at := range m.seen {
		name := at.field
		if i := strings.IndexAny(name, ".["); i > 0 {
			name = name[:i]
		}
		if at.key == key && slices.Contains(fields, name) {
			return true
		}
	}
	return false
}
