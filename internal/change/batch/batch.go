// Package batch reads several changes from one body of JSON, and says in which of them mistakes are.
//
//	{"operations": [
//		{"kind": "service", "put": {"name": "users", "urls": ["http://a"]}, "ifVersion": 0},
//		{"kind": "route", "delete": {"namespace": "default", "name": "old"}}
//	]}
//
// It changes nothing, and does not look at what is stored: that is for package change.
package batch

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/dgate-io/caddy-dgate/internal/change"
	"github.com/dgate-io/caddy-dgate/internal/resource"
	"github.com/dgate-io/caddy-dgate/internal/state"
)

// MaxBody bounds the body, in bytes. It has room for the largest command, which is what counts.
const MaxBody = state.MaxCommandSize + 8<<20

// Hint completes the refusal of what is too large.
const Hint = "; apply the resources in several parts"

// operation is one element of the list operations in the body.
type operation struct {
	Kind      string            `json:"kind"`
	Put       json.RawMessage   `json:"put"`
	Delete    map[string]string `json:"delete"`
	IfVersion *uint64           `json:"ifVersion"`
}

// operationList are operations that have not been looked at.
type operationList []json.RawMessage

// UnmarshalJSON implements [json.Unmarshaler]. It stops at the first operation that is too many: a
// body has room for millions of empty ones.
func (l *operationList) UnmarshalJSON(data []byte) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	if start, err := dec.Token(); err != nil || start != json.Delim('[') {
		return resource.ValidationError(resource.Invalid("operations", "", "must be a list"))
	}
	*l = nil
	for dec.More() {
		if len(*l) == state.MaxOps {
			return resource.Errorf(resource.TooLarge, "at most %d operations can be applied at once%s", state.MaxOps, Hint)
		}
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			return err
		}
		*l = append(*l, raw)
	}
	return nil
}

// Decode reads the body of an apply. Mistakes in all operations are reported at once. A
// resource that names no namespace gets the given one.
func Decode(data []byte, namespace string) ([]change.Change, error) {
	var body struct {
		Operations operationList `json:"operations"`
	}
	if err := decodeStrict(data, &body); err != nil {
		return nil, err
	}
	if len(body.Operations) == 0 {
		return nil, resource.ValidationError(resource.Invalid("operations", "", "are required"))
	}
	var mistakes []error
	var changes []change.Change
	first := map[resource.Key]int{}
	for i, raw := range body.Operations {
		c, err := decodeOperation(raw, namespace)
		if err == nil {
			if j, again := first[c.Target()]; again {
				err = resource.Invalid("", "", "is about %s, as is operations[%d]", c.Target(), j)
			} else {
				first[c.Target()] = i
			}
		}
		if err != nil {
			mistakes = append(mistakes, within(fmt.Sprintf("operations[%d]", i), err))
			continue
		}
		changes = append(changes, c)
	}
	return changes, resource.ValidationError(errors.Join(mistakes...))
}

// decodeStrict reads JSON into a struct that has all the members which there may be.
func decodeStrict(data []byte, into any) error {
	if !utf8.Valid(data) {
		return resource.Errorf(resource.BadRequest, "error unmarshalling body: it is not valid UTF-8")
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	err := dec.Decode(into)
	var wrong *json.UnmarshalTypeError
	var own *resource.Error
	switch {
	case errors.As(err, &own):
		return own
	case errors.As(err, &wrong) && wrong.Field == "":
		return resource.Errorf(resource.BadRequest, "error unmarshalling body: a JSON object is expected")
	case errors.As(err, &wrong):
		return resource.Invalid(wrong.Field, "", "must not be a %s", wrong.Value)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return resource.Errorf(resource.BadRequest, "error unmarshalling body: it ends too early")
	case err != nil:
		return resource.Errorf(resource.BadRequest, "error unmarshalling body: %s", strings.TrimPrefix(err.Error(), "json: "))
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return resource.Errorf(resource.BadRequest, "error unmarshalling body: there is more after the object, at byte %d", dec.InputOffset())
	}
	return nil
}

// didYouMean names the kind that was probably meant, or all.
func didYouMean(word string) string {
	names := make([]string, len(resource.All))
	for i, k := range resource.All {
		names[i] = k.Name
	}
	return resource.Hint(word, "the kinds are", names)
}

func decodeOperation(raw json.RawMessage, namespace string) (c change.Change, err error) {
	var op operation
	if err := decodeStrict(raw, &op); err != nil {
		return c, err
	}
	kind, ok := resource.ByName(op.Kind)
	switch {
	case !ok || kind.Name != op.Kind:
		return c, resource.Invalid("kind", op.Kind, "is not a kind of resource%s", didYouMean(op.Kind))
	case (op.Put == nil) == (op.Delete == nil):
		return c, resource.Invalid("", "", "must have either put or delete")
	case op.IfVersion != nil && *op.IfVersion == 0:
		c.If.Mode = state.Absent
	case op.IfVersion != nil:
		c.If = state.Condition{Mode: state.AtVersion, Version: *op.IfVersion}
	}
	if op.Delete != nil {
		c.Key, err = decodeKey(kind, op.Delete, namespace)
		return c, within("delete", err)
	}
	if int64(len(op.Put)) > kind.MaxBody {
		return c, resource.Invalid("put", "", "must not be larger than %d bytes", kind.MaxBody)
	}
	if c.Object, err = resource.Decode(kind, op.Put, resource.Strict); err != nil {
		return c, within("put", err)
	}
	if key := c.Object.Key(); key.Namespace == "" && kind.Scope != resource.Global {
		key.Namespace = namespace
		c.Object.SetKey(key)
	}
	return c, nil
}

// decodeKey reads the fields that name a resource.
func decodeKey(kind *resource.Kind, fields map[string]string, namespace string) (resource.Key, error) {
	var values []string
	known := 0
	for _, name := range kind.KeyFields() {
		value, given := fields[name]
		if given {
			known++
		}
		if value == "" && name == "namespace" {
			value = namespace
		}
		values = append(values, value)
	}
	if known < len(fields) {
		return resource.Key{}, resource.Invalid("", "", "must only have %s", strings.Join(kind.KeyFields(), ", "))
	}
	key := kind.KeyOf(values...)
	return key, kind.CheckKey(key)
}

// within puts a path in front of the fields in an error. What is about no field is about the path.
func within(path string, err error) error {
	if err == nil {
		return nil
	}
	fields := resource.FieldErrors(err)
	if len(fields) == 0 {
		text := strings.TrimPrefix(err.Error(), "error unmarshalling body: ")
		return &resource.FieldError{Field: path, Problem: "cannot be read: " + text, Sentence: path + ": " + text}
	}
	errs := make([]error, len(fields))
	for i, f := range fields {
		nested := *f
		nested.Field = path
		if f.Field != "" {
			nested.Field += "." + f.Field
		}
		if f.Sentence != "" {
			nested.Sentence = path + ": " + f.Sentence
		}
		errs[i] = &nested
	}
	return errors.Join(errs...)
}

// Locate says in which operation the mistakes are that were found when the changes were made. The
// text of the error has the keys of the resources already.
func Locate(err error, changes []change.Change) error {
	fields := resource.FieldErrors(err)
	if len(fields) == 0 {
		return err
	}
	at := make(map[resource.Key]int, len(changes))
	for i, c := range changes {
		at[c.Target()] = i
	}
	located := make([]*resource.FieldError, len(fields))
	for i, f := range fields {
		nested := *f
		if op, ok := at[f.Of]; ok || len(changes) == 1 {
			nested.Field = fmt.Sprintf("operations[%d].put.%s", op, f.Field)
		}
		located[i] = &nested
	}
	return &resource.Error{Code: resource.CodeOf(err), Message: err.Error(), Fields: located, Err: err}
}
