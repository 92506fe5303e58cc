package resource

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Mode says how strictly input is read.
type Mode uint8

// The modes of [Decode].
const (
	// Lenient ignores unknown fields and the case of field names, as the original DGate did.
	Lenient Mode = iota
	// Strict refuses unknown fields and names the nearest known one.
	Strict
)

// Decode reads a resource of kind from JSON. It reports every field that has the wrong type and,
// in Strict mode, every unknown one, and beside those whatever else is wrong. A result without
// error is not validated yet. A missing namespace stays empty: what that means is for the caller
// to say.
func Decode(kind *Kind, data []byte, mode Mode) (Object, error) {
	members, err := splitObject(data)
	if err != nil {
		return nil, err
	}
	obj := kind.New()
	target := reflect.ValueOf(obj).Elem()
	var errs []error
	unknown := false
	given := map[string]string{} // field -> the spelling that was used
	for _, m := range members {
		field := kind.field(m.name, mode)
		switch {
		case field == nil && mode == Strict && !isMeta(m.name):
			errs = append(errs, Invalid(m.name, "", "is not a field of %s%s", kind.Name, suggest(kind, m.name)))
			unknown = true
			continue
		case field == nil:
			continue
		case given[field.Name] != "":
			errs = append(errs, Invalid(m.name, "", "is given twice%s", alsoAs(given[field.Name], m.name)))
			continue
		}
		given[field.Name] = m.name
		if err := setField(target.FieldByIndex(field.index), field, m); err != nil {
			errs = append(errs, err)
		}
	}
	if len(errs) > 0 {
		return nil, ValidationError(errors.Join(append(errs, otherMistakes(kind, obj, given, unknown, errs)...)...))
	}
	return obj, nil
}

// otherMistakes validates what could be read of an object with mistakes, so that they are
// reported together. Its names may still come from elsewhere, such as a path; and what is missing
// may be what an unknown field was meant to be.
func otherMistakes(kind *Kind, obj Object, given map[string]string, unknown bool, errs []error) []error {
	said := map[string]bool{}
	for _, e := range FieldErrors(errors.Join(errs...)) {
		if f := kind.field(e.Field, Lenient); f != nil {
			said[f.Name] = true
		}
	}
	var more []error
	for _, e := range FieldErrors(obj.Validate()) {
		name := e.Field
		if i := strings.IndexAny(name, ".["); i > 0 {
			name = name[:i]
		}
		missing := given[name] == "" && (unknown || slices.Contains(kind.KeyFields(), name))
		if !said[name] && !missing {
			more = append(more, e)
		}
	}
	return more
}

// DecodeStored reads what [Encode] wrote. Unknown fields are those of a newer version.
func DecodeStored(kind *Kind, data []byte) (Object, error) {
	obj := kind.New()
	if err := json.Unmarshal(data, obj); err != nil {
		return nil, fmt.Errorf("stored %s: %w", kind.Name, err)
	}
	return obj, nil
}

// Encode writes the fields of a resource, without metadata: equal resources give equal bytes.
// Secret fields are written as they are.
func Encode(obj Object) ([]byte, error) { return marshal(obj) }

// Marshal writes a resource as clients see it: its fields, secret ones redacted, then createdAt,
// updatedAt and version.
func Marshal(obj Object) ([]byte, error) {
	data, err := marshal(redact(obj))
	if err != nil {
		return nil, err
	}
	meta := obj.Metadata()
	tail, err := marshal(struct {
		CreatedAt time.Time `json:"createdAt"`
		UpdatedAt time.Time `json:"updatedAt"`
		Version   uint64    `json:"version"`
	}{meta.CreatedAt.UTC(), meta.UpdatedAt.UTC(), meta.Version})
	if err != nil {
		return nil, err
	}
	data = append(data[:len(data)-1], ',')
	return append(data, tail[1:]...), nil
}

// marshal is json.Marshal without the escapes that only matter inside HTML.
func marshal(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
}

type member struct {
	name  string
	value json.RawMessage
}

// splitObject reads a JSON object into its members, bounded in depth.
func splitObject(data []byte) ([]member, error) {
	bad := func(format string, args ...any) error {
		return Errorf(BadRequest, "error unmarshalling body: "+format, args...)
	}
	if !utf8.Valid(data) {
		return nil, bad("it is not valid UTF-8")
	}
	if depthExceeds(data, maxDepth) {
		return nil, bad("it is nested deeper than %d", maxDepth)
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	start, err := dec.Token()
	if errors.Is(err, io.EOF) {
		return nil, bad("it is empty; a JSON object is expected")
	}
	if err != nil {
		return nil, bad("%s at byte %d", err, dec.InputOffset())
	}
	if start != json.Delim('{') {
		return nil, bad("a JSON object is expected")
	}
	var members []member
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return nil, bad("%s at byte %d", err, dec.InputOffset())
		}
		var m member
		m.name, _ = name.(string)
		if err := dec.Decode(&m.value); err != nil {
			return nil, bad("%s at byte %d", jsonProblem(err), dec.InputOffset())
		}
		members = append(members, m)
	}
	if _, err := dec.Token(); err != nil {
		return nil, bad("%s at byte %d", jsonProblem(err), dec.InputOffset())
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, bad("there is more after the object, at byte %d", dec.InputOffset())
	}
	return members, nil
}

func jsonProblem(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("it ends too early")
	}
	return err
}

// field finds a field by one of its spellings.
func (k *Kind) field(name string, mode Mode) *Field {
	equal := func(a, b string) bool { return a == b }
	if mode == Lenient {
		equal = strings.EqualFold
	}
	for i := range k.Fields {
		f := &k.Fields[i]
		if equal(f.Name, name) {
			return f
		}
		for _, a := range f.Aliases {
			if equal(a, name) {
				return f
			}
		}
	}
	return nil
}

// FieldByName finds a field by its name or one of its other spellings.
func (k *Kind) FieldByName(name string) (*Field, bool) {
	f := k.field(name, Strict)
	return f, f != nil
}

// isMeta tells the fields that we add on output, so that what was read can be sent back.
func isMeta(name string) bool { return name == "createdAt" || name == "updatedAt" || name == "version" }

func alsoAs(first, second string) string {
	if first == second {
		return ""
	}
	return ": it is the same as " + first
}

// setField decodes one value into its field of the struct.
func setField(target reflect.Value, field *Field, m member) error {
	if bytes.Equal(m.value, []byte("null")) && field.Type != "json" {
		return nil // absent: the default stays
	}
	value := m.value
	if strings.HasSuffix(m.name, "_ms") && field.Type == "duration" {
		var ms int64
		if json.Unmarshal(value, &ms) != nil || ms > int64(1<<63-1)/int64(time.Millisecond) || ms < -int64(1<<63-1)/int64(time.Millisecond) {
			return Invalid(m.name, string(value), "must be a whole number of milliseconds")
		}
		target.SetInt(ms * int64(time.Millisecond))
		return nil
	}
	if err := json.Unmarshal(value, target.Addr().Interface()); err != nil {
		shown := string(value)
		if field.Quiet {
			shown = ""
		}
		return Invalid(m.name, shown, "must be %s", expected[field.Type])
	}
	return nil
}

// expected describes the JSON of a field type.
var expected = map[string]string{
	"string":   "a string",
	"strings":  "a list of strings",
	"int":      "a whole number",
	"bool":     "true or false",
	"duration": `a number of nanoseconds or a duration such as "50ms"`,
	"bytes":    "base64 (standard alphabet, padded)",
	"json":     "JSON",
}
