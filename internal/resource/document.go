package resource

import (
	"encoding/json"
	"errors"
	"strings"
	"unicode/utf8"
)

var documentKind = Kind{
	Name: "document", Plural: "documents", Aliases: []string{"doc"}, Scope: InCollection, MaxBody: smallBody,
	Help: "JSON data with an id, in a collection.",
	New:  func() Object { return new(Document) },
}

// MaxDocumentSize bounds the data of a document, in bytes of compact JSON.
const MaxDocumentSize = 1 << 20

// MaxIDLength is the length of the longest id of a document, in bytes.
const MaxIDLength = 256

// Document is data that modules keep. Its fields are described by their help tags. The data keeps
// the order of its keys and the digits of its numbers; only white space between values is lost.
type Document struct {
	ID         string          `json:"id" dgate:"required" help:"Id of the document, unique in its collection: up to 256 bytes without control characters."`
	Collection string          `json:"collection" dgate:"required" help:"Collection of the document."`
	Namespace  string          `json:"namespace" dgate:"default=default" help:"Namespace of the collection."`
	Data       json.RawMessage `json:"data" dgate:"required,quiet" help:"Any JSON that matches the schema of the collection."`
	Meta       `json:"-"`
}

// NewDocument makes the document that key names, of JSON that came alone. Errors are about the
// JSON and have the code bad_request. The document is not validated yet.
func NewDocument(key Key, data []byte) (*Document, error) {
	if err := wellFormed(data); err != nil {
		return nil, err
	}
	d := &Document{Data: data}
	d.SetKey(key)
	return d, nil
}

// InThatCollection is how the names of all documents of a collection begin, in their keys.
func InThatCollection(collection string) string { return collection + "/" }

// Key implements [Object]. The name in it is that of the collection, a slash and the id.
func (d *Document) Key() Key {
	return Key{Kind: "document", Namespace: d.Namespace, Name: documentName(d.Collection, d.ID)}
}

// SetKey implements [Object].
func (d *Document) SetKey(k Key) {
	d.Namespace = k.Namespace
	d.Collection, d.ID = splitDocumentName(k.Name)
}

// Validate implements [Object]. Whether the data matches the schema is for [Collection.Check] to
// say.
func (d *Document) Validate() error {
	errs := []error{checkID(d.ID), checkName("collection", d.Collection), checkName("namespace", d.Namespace)}
	if len(d.Data) == 0 {
		return errors.Join(append(errs, Invalid("data", "", "is required"))...)
	}
	compact, err := checkJSON("data", d.Data, MaxDocumentSize)
	if err != nil {
		return errors.Join(append(errs, err)...)
	}
	d.Data = compact
	return errors.Join(errs...)
}

// References implements [Object]. The collection refers to the namespace already.
func (d *Document) References() []Reference {
	return []Reference{{Field: "collection", Target: Key{Kind: "collection", Namespace: d.Namespace, Name: d.Collection}}}
}

// Claims implements [Object]: a document claims nothing.
func (d *Document) Claims() []Claim { return nil }

// documentName joins what identifies a document in its namespace. No collection has a slash in
// its name, so the first one separates; the id may have more. The name of a collection that cannot
// be is left out, so that the key is one that cannot be either, and not that of another document.
func documentName(collection, id string) string {
	if strings.Contains(collection, "/") {
		collection = ""
	}
	return InThatCollection(collection) + id
}

func splitDocumentName(name string) (collection, id string) {
	collection, id, _ = strings.Cut(name, "/")
	return collection, id
}

// checkID says what is wrong with the id of a document, or nil.
func checkID(id string) error {
	switch {
	case id == "":
		return Invalid("id", "", "is required")
	case len(id) > MaxIDLength:
		return Invalid("id", id, "must not be longer than %d bytes", MaxIDLength)
	case !utf8.ValidString(id):
		return Invalid("id", "", "must be valid UTF-8")
	case id == "." || id == "..":
		return Invalid("id", id, "must not be . or .., which are taken out of paths on the way")
	case strings.ContainsFunc(id, isControl):
		return Invalid("id", "", "must not have control characters")
	}
	return nil
}

// isControl tells the C0 and C1 control characters and DEL.
func isControl(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 }
