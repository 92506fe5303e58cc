package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/dgate-io/caddy-dgate/internal/adminclient"
	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// input is what the arguments of one command say about a resource.
type input struct {
	kind   *resource.Kind
	values map[string]json.RawMessage // by field name
	pairs  []pair                     // as they were typed
}

// readInput reads arguments that may set the fields allowed. A positional argument is the last of
// the key fields: the name.
func (s *session) readInput(kind *resource.Kind, args []string, allowed []string) (*input, error) {
	pairs, positional, err := parseArgs(args)
	if err != nil {
		return nil, err
	}
	keys := kind.KeyFields()
	last := keys[len(keys)-1]
	// A word behind a name that was given by its key is no second name.
	first := len(positional) > 0 && positional[0] == args[0]
	if len(positional) > 0 && slices.Contains(allowed, last) && (first || !names(kind, pairs, last, positional[0])) {
		pairs = append(pairs, pair{key: last, op: asText, value: positional[0]})
		positional = positional[1:]
	}
	if len(positional) > 0 {
		return nil, fmt.Errorf("input error: unexpected argument %q; values are given as key=value", positional[0])
	}
	if s.flags.namespace != "" && slices.Contains(allowed, "namespace") {
		pairs = append(pairs, pair{key: "namespace", op: asText, value: s.flags.namespace})
	}
	return s.readPairs(kind, pairs, allowed)
}

// names tells whether the pairs give a field another value than word.
func names(kind *resource.Kind, pairs []pair, field, word string) bool {
	return slices.ContainsFunc(pairs, func(p pair) bool {
		f, ok := kind.FieldByName(p.key)
		return ok && f.Name == field && p.value != word
	})
}

// readPairs converts pairs to fields.
func (s *session) readPairs(kind *resource.Kind, pairs []pair, allowed []string) (*input, error) {
	in := &input{kind: kind, values: map[string]json.RawMessage{}, pairs: pairs}
	var unused []string
	for _, p := range pairs {
		field, ok := kind.FieldByName(p.key)
		if !ok || !slices.Contains(allowed, field.Name) {
			unused = append(unused, p.key)
			continue
		}
		value, err := convert(field, p, func(name string) ([]byte, error) { return s.readFile(name, kind.MaxBody) })
		if err != nil {
			return nil, err
		}
		if given, ok := in.values[field.Name]; ok && !bytes.Equal(given, value) {
			return nil, fmt.Errorf("input error: %s is given twice", field.Name)
		}
		in.values[field.Name] = value
	}
	if len(unused) > 0 {
		return nil, fmt.Errorf("input error: unused keys found - %s%s", strings.Join(unused, ", "), suggestion(unused, allowed))
	}
	for _, p := range pairs {
		deduce(in, p)
	}
	return in, nil
}

// suggestion names the nearest key to the first that is unknown.
func suggestion(unused, allowed []string) string {
	if len(allowed) == 0 {
		return ""
	}
	return resource.Hint(unused[0], "the keys are", allowed)
}

// require reports the fields that are missing.
func (in *input) require(fields []string) error {
	var missing []string
	for _, f := range fields {
		if _, ok := in.values[f]; !ok {
			missing = append(missing, f)
		}
	}
	if len(missing) > 0 {
		return errors.New("missing required keys: " + strings.Join(missing, ", "))
	}
	return nil
}

// one makes sure that a resource is meant, and not those of all namespaces.
func (in *input) one() error {
	for _, name := range in.kind.KeyFields() {
		if name == "namespace" && in.word(name) == everywhere {
			return fmt.Errorf("input error: %s as a namespace is for list only", everywhere)
		}
	}
	return nil
}

// everywhere is the namespace that stands for all of them in a listing.
const everywhere = "*"

// maxHint is the longest value that an error repeats.
const maxHint = 100

// withHint says how a file is sent, if the server refused the name of one as its content.
func (in *input) withHint(err error) error {
	refused, ok := errors.AsType[*adminclient.Error](err)
	if !ok {
		return err
	}
	for _, p := range in.pairs {
		field, ok := in.kind.FieldByName(p.key)
		wrong := func(f *resource.FieldError) bool { return ok && f.Field == field.Name }
		if ok && field.Type == "bytes" && p.op == asText && len(p.value) <= maxHint && p.value != "" && slices.ContainsFunc(refused.Fields, wrong) {
			return fmt.Errorf("%w; to send a file: %s@=%s", err, p.key, p.value)
		}
	}
	return err
}

// word is the value of a text field, empty if it was not given.
func (in *input) word(field string) string {
	var text string
	_ = json.Unmarshal(in.values[field], &text) // what is no text is refused with the whole object
	return text
}

// keyValues are the values of the key fields, with the defaults for those that were not given.
func (in *input) keyValues() []string {
	var values []string
	for _, name := range in.kind.KeyFields() {
		value := in.word(name)
		if field, ok := in.kind.FieldByName(name); value == "" && ok {
			value = field.Default
		}
		values = append(values, value)
	}
	return values
}

// object is the JSON of what was given, in the order of the fields.
func (in *input) object() json.RawMessage { return in.render(nil) }

// body is what is sent to store the resource: the object, or the data of a document.
func (in *input) body() json.RawMessage {
	if in.kind.Scope == resource.InCollection {
		return in.values["data"]
	}
	return in.object()
}

// render is object, with further fields and their values where they were not given.
func (in *input) render(further map[string]string) json.RawMessage {
	var buf bytes.Buffer
	buf.WriteByte('{')
	for _, f := range in.kind.Fields {
		value, ok := in.values[f.Name]
		if !ok {
			text, more := further[f.Name]
			if !more {
				continue
			}
			value = json.RawMessage(text)
		}
		if buf.Len() > 1 {
			buf.WriteByte(',')
		}
		buf.Write(quote(f.Name))
		buf.WriteByte(':')
		buf.Write(value)
	}
	buf.WriteByte('}')
	return buf.Bytes()
}

// readFile reads a file that is to become a value; "-" is the standard input.
func (s *session) readFile(name string, limit int64) ([]byte, error) {
	from := s.stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		from = f
	}
	content, err := io.ReadAll(io.LimitReader(from, limit+1))
	if err == nil && int64(len(content)) > limit {
		err = fmt.Errorf("%s is larger than %d bytes", name, limit)
	}
	return content, err
}
