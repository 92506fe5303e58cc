package resource

import (
	"encoding/json"
	"errors"
)

var collectionKind = Kind{
	Name: "collection", Plural: "collections", Aliases: []string{"col"}, Scope: InNamespace, MaxBody: smallBody,
	Help: "A set of documents that modules read and write, and the schema that they follow.", Printed: "schema and type",
	New: func() Object { return &Collection{Visibility: Private, Type: TypeDocument} },
}

// The visibilities of collections.
const (
	// Private collections are for the modules of their namespace.
	Private = "private"
	// Public collections can be read by the modules of all namespaces.
	Public = "public"
)

// The types of collections. The original DGate had two words and one meaning; only collections of
// type document hold documents.
const (
	TypeDocument = "document"
	TypeFetcher  = "fetcher"
)

// MaxSchemaSize bounds the schema of a collection, in bytes.
const MaxSchemaSize = 128 << 10

// Collection is a set of documents. Its fields are described by their help tags.
type Collection struct {
	Name       string          `json:"name" dgate:"required" help:"Name of the collection."`
	Namespace  string          `json:"namespace" dgate:"default=default" help:"Namespace of the collection."`
	Schema     json.RawMessage `json:"schema,omitempty" dgate:"quiet" help:"JSON Schema (draft 2020-12 if it does not say which) that the data of all documents must match; without one any JSON is valid. Cannot change while there are documents."`
	Visibility string          `json:"visibility" dgate:"default=private" help:"private: for modules of its namespace; public: modules of all namespaces may read."`
	Type       string          `json:"type" dgate:"default=document" help:"What it holds: document. Cannot change while there are documents."`
	Tags       []string        `json:"tags,omitempty" help:"Free words for people and modules."`
	Meta       `json:"-"`
}

// Key implements [Object].
func (c *Collection) Key() Key {
	return Key{Kind: "collection", Namespace: c.Namespace, Name: c.Name}
}

// SetKey implements [Object].
func (c *Collection) SetKey(k Key) { c.Namespace, c.Name = k.Namespace, k.Name }

// Validate implements [Object].
func (c *Collection) Validate() error {
	c.Tags = unique(c.Tags)
	errs := checkScoped(c.Name, c.Namespace, c.Tags)
	errs = append(errs, c.checkSchema()...)
	switch c.Visibility {
	case "":
		c.Visibility = Private
	case Private, Public:
	default:
		errs = append(errs, Invalid("visibility", c.Visibility, "must be private or public"))
	}
	switch c.Type {
	case "":
		c.Type = TypeDocument
	case TypeDocument, TypeFetcher:
	default:
		errs = append(errs, Invalid("type", c.Type, "must be document"))
	}
	return errors.Join(errs...)
}

// checkSchema brings the schema into canonical form and says what is wrong with it.
func (c *Collection) checkSchema() []error {
	if len(c.Schema) == 0 || string(c.Schema) == "null" {
		c.Schema = nil
		return nil
	}
	compact, err := checkJSON("schema", c.Schema, MaxSchemaSize)
	if err != nil {
		return []error{err}
	}
	c.Schema = compact
	s, err := schemas.take(compact)
	if err != nil {
		return []error{err}
	}
	schemas.put(compact, s)
	return nil
}

// References implements [Object].
func (c *Collection) References() []Reference { return []Reference{namespaceRef(c.Namespace)} }

// Claims implements [Object]: a collection claims nothing.
func (c *Collection) Claims() []Claim { return nil }
