package state

import (
	"context"
	"time"
)

// Store is where documents and collections are. Errors have a code, see package
// resource. Reading works on what this node has stored and does not wait for others;
// after a write it shows what was written.
type Store interface {
	// Document reads a document, for a module of the namespace reader; false if there is none. That
	// the collection does not exist, or is private to another namespace, is an error.
	Document(ctx context.Context, reader string, key Key) (Document, bool, error)
	// Documents reads the documents of a collection, ordered by id.
	Documents(ctx context.Context, reader string, page Page) ([]Document, error)
	// PutDocument stores a document in place of the one that has its key, if the condition holds.
	PutDocument(ctx context.Context, doc Document, cond *Condition) (Document, error)
	// DeleteDocument removes a document, if the condition holds. That there is none is no error.
	DeleteDocument(ctx context.Context, key Key, cond *Condition) error
	// Collection reads a collection. That it does not exist, or is private to another namespace, is
	// an error.
	Collection(ctx context.Context, reader, namespace, name string) (Collection, error)
	// PutCollection stores a collection in place of the one of that name.
	PutCollection(ctx context.Context, c Collection) (Collection, error)
	// DeleteCollection removes a collection, which must exist and be empty.
	DeleteCollection(ctx context.Context, namespace, name string) error
}

// Key names a document.
type Key struct{ Namespace, Collection, ID string }

// Page is a part of a collection.
type Page struct {
	Namespace, Collection string
	// Offset is how many documents to leave out, Limit how many to return at most.
	Offset, Limit int
	// MaxBytes is how large the data of all of them may be; more is an error.
	MaxBytes int64
}

// Condition is what must hold for a write.
type Condition struct {
	// Version is that of the document as it is stored; 0 is that there is none.
	Version uint64
}

// Document is a document.
type Document struct {
	Key
	// Data is JSON.
	Data []byte
	Meta
}

// Collection is a collection.
type Collection struct {
	Namespace, Name  string
	Schema           []byte // JSON, nil if there is none
	Type, Visibility string // empty for the default
	Tags             []string
	Meta
}

// Meta is what the store adds.
type Meta struct {
	CreatedAt, UpdatedAt time.Time
	Version              uint64
}
