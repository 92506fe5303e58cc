package resource

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// memoSize bounds the schemas that stay compiled, in bytes of their JSON.
const memoSize = 4 << 20

// schemaURL is what schemas are called while they are compiled. A reference to another name is
// one that we would have to load, and do not.
const schemaURL = "dgate:///schema"

// Check says whether a document may be in the collection: every place where its data does not
// match the schema, as joined *FieldError values. Formats are checked too, although newer drafts
// of JSON Schema leave that open. Both objects must be valid by themselves.
func (c *Collection) Check(doc *Document) error {
	if c.Type == TypeFetcher {
		e := Invalid("collection", c.Name, "is not a document collection")
		e.Sentence = "collection is not a document collection"
		return e
	}
	if c.Schema == nil {
		return nil
	}
	s, err := schemas.take(c.Schema)
	if err != nil {
		return err
	}
	defer schemas.put(c.Schema, s)
	return s.check(doc.Data)
}

// Print implements [Object]: it is of schema and type, however the schema is written.
func (c *Collection) Print() string {
	h := sha256.New()
	fmt.Fprintf(h, "%s\n", c.Type)
	if doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(c.Schema)); err == nil {
		canonical, err := marshal(doc)
		if err != nil {
			canonical = c.Schema
		}
		h.Write(canonical)
	} else {
		h.Write(c.Schema)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// schema is a compiled JSON Schema. It is for one goroutine at a time, because of steps: the library
// hands nothing that belongs to one check alone to what counts them.
type schema struct {
	steps    *steps
	compiled *jsonschema.Schema
}

// memo keeps compiled schemas that nobody uses at the moment, by their JSON. There may be several
// of one text: as many as there were checks at the same time.
type memo struct {
	mu   sync.Mutex
	idle map[string][]*schema
	size int // of the JSON of all of them
}

// schemas saves compiling a schema for each document.
//
//nolint:gochecknoglobals // what it holds follows from its keys alone
var schemas memo

// take compiles a schema, or finds it compiled. Whoever took it gives it back with put.
func (m *memo) take(raw json.RawMessage) (*schema, error) {
	if s := m.find(raw); s != nil {
		return s, nil
	}
	return compileSchema(raw)
}

func (m *memo) find(raw json.RawMessage) *schema {
	m.mu.Lock()
	defer m.mu.Unlock()
	same := m.idle[string(raw)]
	if len(same) == 0 {
		return nil
	}
	last := len(same) - 1
	s := same[last]
	same[last] = nil
	m.idle[string(raw)] = same[:last]
	m.size -= len(raw)
	return s
}

func (m *memo) put(raw json.RawMessage, s *schema) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.size+len(raw) > memoSize || m.idle == nil {
		m.idle, m.size = map[string][]*schema{}, 0
	}
	m.size += len(raw)
	m.idle[string(raw)] = append(m.idle[string(raw)], s)
}

// compileSchema compiles a schema. Errors are joined *FieldError values that say where it is wrong.
func compileSchema(raw json.RawMessage) (s *schema, err error) {
	defer func() {
		// The library gets strangers' bytes, and may be called on a goroutine of a script.
		r := recover()
		if r == nil {
			return
		}
		s, err = nil, Invalid("schema", "", "cannot be compiled: %v", r)
		if spent, ok := r.(*spentError); ok {
			err = Invalid("schema", "", "takes too many steps to be compiled%s", spent)
		}
	}()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		return nil, Invalid("schema", "", "must be JSON: %s", err)
	}
	switch doc.(type) {
	case map[string]any, bool:
	default:
		return nil, Invalid("schema", "", "must be a JSON Schema: an object, true or false")
	}
	s = &schema{steps: &steps{left: maxSteps}}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.UseLoader(noLoader{})
	c.UseRegexpEngine(s.steps.compile)
	c.AssertFormat()
	c.RegisterVocabulary(&jsonschema.Vocabulary{
		URL: "dgate:///steps",
		Compile: func(c *jsonschema.CompilerContext, obj map[string]any) (jsonschema.SchemaExt, error) {
			return newApplied(c, obj, s.steps), nil
		},
	})
	c.AssertVocabs()
	if err := c.AddResource(schemaURL, doc); err != nil {
		return nil, Invalid("schema", "", "%s", err)
	}
	if s.compiled, err = c.Compile(schemaURL); err != nil {
		return nil, schemaMistakes(doc, err)
	}
	return s, nil
}

// check says where data does not match.
func (s *schema) check(data json.RawMessage) (err error) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		return Invalid("data", "", "must be JSON: %s", err)
	}
	defer func() {
		r := recover()
		if r == nil {
			return
		}
		err = fmt.Errorf("check data against a schema: %v", r)
		if spent, ok := r.(*spentError); ok {
			err = Invalid("data", "", "takes too many steps to be checked against the schema%s", spent)
		}
	}()
	s.steps.left = maxSteps
	return dataMistakes(doc, s.compiled.Validate(doc))
}

// noLoader loads nothing.
type noLoader struct{}

var errNotLoaded = errors.New("schemas of other files and hosts are not loaded")

// Load implements [jsonschema.URLLoader].
func (noLoader) Load(string) (any, error) { return nil, errNotLoaded }
