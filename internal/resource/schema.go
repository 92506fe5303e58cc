package resource

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Limits of schemas and of what checking with them may cost.
const (
	// maxSteps is how many schema objects are applied to the values of one document. Subschemas
	// that refer to each other can multiply with every level of nesting.
	maxSteps = 1 << 20
	// maxRegexp bounds a regular expression in a schema, in bytes.
	maxRegexp = 1 << 10
	// maxRegexpProgram bounds what it is compiled to, in instructions.
	maxRegexpProgram = 10_000
	// memoSize bounds the schemas that stay compiled, in bytes of their JSON.
	memoSize = 4 << 20
)

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
	s, err := schemas.get(c.Schema)
	if err != nil {
		return err
	}
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

// schema is a compiled JSON Schema.
type schema struct {
	mu       sync.Mutex // held while steps counts
	steps    *steps
	compiled *jsonschema.Schema
}

// memo keeps compiled schemas by their JSON.
type memo struct {
	mu      sync.Mutex
	schemas map[string]*schema
	size    int
}

// schemas saves compiling a schema for each document.
//
//nolint:gochecknoglobals // what it holds follows from its keys alone
var schemas memo

func (m *memo) get(raw json.RawMessage) (*schema, error) {
	m.mu.Lock()
	known := m.schemas[string(raw)]
	m.mu.Unlock()
	if known != nil {
		return known, nil
	}
	s, err := compileSchema(raw)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.size+len(raw) > memoSize || m.schemas == nil {
		m.schemas, m.size = map[string]*schema{}, 0
	}
	if m.schemas[string(raw)] == nil {
		m.size += len(raw)
	}
	m.schemas[string(raw)] = s
	return s, nil
}

// compileSchema compiles a schema. Errors are joined *FieldError values that say where it is wrong.
func compileSchema(raw json.RawMessage) (s *schema, err error) {
	defer func() {
		// The library gets strangers' bytes, and may be called on a goroutine of a script.
		if r := recover(); r != nil {
			s, err = nil, Invalid("schema", "", "cannot be compiled: %v", r)
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
	s = &schema{steps: &steps{}}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.UseLoader(noLoader{})
	c.UseRegexpEngine(compileRegexp)
	c.AssertFormat()
	c.RegisterVocabulary(&jsonschema.Vocabulary{
		URL:     "dgate:///steps",
		Compile: func(*jsonschema.CompilerContext, map[string]any) (jsonschema.SchemaExt, error) { return s.steps, nil },
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
	s.mu.Lock()
	defer s.mu.Unlock()
	defer func() {
		switch r := recover(); {
		case r == nil:
		case r == any(errTooManySteps):
			err = Invalid("data", "", "%s", errTooManySteps)
		default:
			err = fmt.Errorf("check data against a schema: %v", r)
		}
	}()
	s.steps.left = maxSteps
	return dataMistakes(doc, s.compiled.Validate(doc))
}

// steps counts down. It is attached to every schema object, and ends a check by a panic because
// the library has no other way to end one.
type steps struct{ left int }

var errTooManySteps = errors.New("takes too many steps to be checked against the schema")

// Validate implements [jsonschema.SchemaExt].
func (s *steps) Validate(*jsonschema.ValidatorContext, any) {
	if s.left--; s.left < 0 {
		panic(errTooManySteps)
	}
}

// noLoader loads nothing.
type noLoader struct{}

var errNotLoaded = errors.New("schemas of other files and hosts are not loaded")

// Load implements [jsonschema.URLLoader].
func (noLoader) Load(string) (any, error) { return nil, errNotLoaded }

// compileRegexp compiles a regular expression of a schema. Matching takes time in proportion to
// the text, and to the size of the program, which is bounded for that.
func compileRegexp(pattern string) (jsonschema.Regexp, error) {
	if len(pattern) > maxRegexp {
		return nil, fmt.Errorf("it is longer than %d bytes", maxRegexp)
	}
	parsed, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return nil, err
	}
	program, err := syntax.Compile(parsed.Simplify())
	if err != nil {
		return nil, err
	}
	if len(program.Inst) > maxRegexpProgram {
		return nil, errors.New("it repeats too much")
	}
	return regexp.Compile(pattern)
}
