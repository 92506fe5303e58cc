package moduledata

import (
	"context"

	hoststate "github.com/dgate-io/caddy-dgate/internal/js/host/state"
	"github.com/dgate-io/caddy-dgate/internal/resource"
	"github.com/dgate-io/caddy-dgate/internal/state"
)

func documentKey(k hoststate.Key) resource.Key {
	return resource.MustKind("document").KeyOf(k.Namespace, k.Collection, k.ID)
}

// Document implements the host module's store.
func (d *Data) Document(ctx context.Context, reader string, key hoststate.Key) (doc hoststate.Document, ok bool, err error) {
	var rec state.Record
	err = d.view(ctx, func(r *state.Reader) (err error) {
		if _, err := readable(r, reader, collectionKey(key.Namespace, key.Collection)); err != nil {
			return err
		}
		rec, ok, err = lookup(r, documentKey(key))
		return err
	})
	if !ok || err != nil {
		return doc, false, err
	}
	stored, err := decode[*resource.Document](rec)
	if err != nil {
		return doc, false, err
	}
	return document(stored), true, nil
}

// Documents implements the host module's store.
func (d *Data) Documents(ctx context.Context, reader string, page hoststate.Page) ([]hoststate.Document, error) {
	var recs []state.Record
	err := d.view(ctx, func(r *state.Reader) error {
		if _, err := readable(r, reader, collectionKey(page.Namespace, page.Collection)); err != nil {
			return err
		}
		var size int64
		for rec, err := range r.Page(ctx, "document", page.Namespace, resource.InThatCollection(page.Collection), page.Offset) {
			if err != nil {
				return err
			}
			if len(recs) == page.Limit {
				return nil
			}
			if size += int64(len(rec.Data)); size > page.MaxBytes {
				return resource.Errorf(resource.TooLarge, "the documents are larger than the %d bytes that a script may buffer: ask for fewer with limit", page.MaxBytes)
			}
			recs = append(recs, rec)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	docs := make([]hoststate.Document, len(recs))
	for i, rec := range recs {
		stored, err := decode[*resource.Document](rec)
		if err != nil {
			return nil, err
		}
		docs[i] = document(stored)
	}
	return docs, nil
}

// PutDocument implements the host module's store.
func (d *Data) PutDocument(ctx context.Context, doc hoststate.Document, cond *hoststate.Condition) (hoststate.Document, error) {
	stored, err := put(ctx, d, &resource.Document{
		ID: doc.ID, Collection: doc.Collection, Namespace: doc.Namespace, Data: doc.Data,
	}, condition(cond))
	if err != nil {
		return hoststate.Document{}, err
	}
	return document(stored), nil
}

// DeleteDocument implements the host module's store.
func (d *Data) DeleteDocument(ctx context.Context, key hoststate.Key, cond *hoststate.Condition) error {
	err := d.view(ctx, func(r *state.Reader) error {
		_, err := readable(r, key.Namespace, collectionKey(key.Namespace, key.Collection))
		return err
	})
	if err != nil {
		return err
	}
	err = d.remove(ctx, documentKey(key), condition(cond))
	if cond == nil && resource.CodeOf(err) == resource.NotFound {
		return nil // as it was to be
	}
	return err
}

func condition(c *hoststate.Condition) state.Condition {
	switch {
	case c == nil:
		return state.Condition{}
	case c.Version == 0:
		return state.Condition{Mode: state.Absent}
	}
	return state.Condition{Mode: state.AtVersion, Version: c.Version}
}

func document(doc *resource.Document) hoststate.Document {
	return hoststate.Document{
		Key:  hoststate.Key{Namespace: doc.Namespace, Collection: doc.Collection, ID: doc.ID},
		Data: doc.Data, Meta: hoststate.Meta(doc.Meta),
	}
}
