package adminext

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/dgate-io/caddy-dgate/internal/change"
	"github.com/dgate-io/caddy-dgate/internal/resource"
	"github.com/dgate-io/caddy-dgate/internal/state"
)

// maxApply bounds the body of an apply. It has room for the largest command, which is what counts.
const maxApply = state.MaxCommandSize + 8<<20

const applyHint = "; apply the resources in several parts"

// applied is what became of an operation, or would become of it.
type applied struct {
	Kind string            `json:"kind"`
	Key  map[string]string `json:"key"`
	// Action is one of created, changed, unchanged and deleted.
	Action string `json:"action"`
	// Version is that of the resource now; 0 if it does not exist.
	Version uint64 `json:"version"`
	// Fields are those that would change; for dry runs only.
	Fields []resource.Difference `json:"fields,omitempty"`
}

// applyBody is the data of the answer.
type applyBody struct {
	Index   uint64    `json:"index"`
	Results []applied `json:"results"`
}

// apply makes several changes, all or none; with dryRun it says what it would do.
func apply(c *call) (*reply, error) {
	dryRun, err := c.flag("dryRun")
	if err != nil {
		return nil, err
	}
	data, err := readUpTo(maxApply, applyHint, c.w, c.r)
	if err != nil {
		return nil, err
	}
	changes, err := decodeOperations(data, c.app.DefaultNamespace())
	if err != nil {
		return nil, err
	}
	run := c.applyAll
	if dryRun {
		run = c.planAll
	}
	body, warnings, err := run(changes)
	c.index = max(c.index, body.Index)
	if err != nil {
		return nil, atOperations(err, changes)
	}
	return dataReply(http.StatusOK, body, warnings), nil
}

func (c *call) applyAll(changes []change.Change) (body applyBody, warnings []string, err error) {
	all, err := c.app.Writer().Apply(c.r.Context(), changes...)
	body = applyBody{Index: all.Index, Results: []applied{}}
	for i, r := range all.Each {
		one := outcome(changes[i], r.Created, r.Changed)
		if r.Object != nil {
			one.Version = r.Object.Metadata().Version
		}
		body.Results = append(body.Results, one)
	}
	return body, all.Warnings, err
}

func (c *call) planAll(changes []change.Change) (body applyBody, warnings []string, err error) {
	plan, err := c.app.Writer().Plan(c.r.Context(), changes...)
	body = applyBody{Index: plan.Index, Results: []applied{}}
	for i, p := range plan.Each {
		one := outcome(changes[i], p.Created, p.Changed)
		one.Version, one.Fields = p.Version, p.Differences
		body.Results = append(body.Results, one)
	}
	return body, plan.Warnings, err
}

func outcome(c change.Change, created, changed bool) applied {
	key := c.Target()
	kind := resource.MustKind(key.Kind)
	one := applied{Kind: kind.Name, Key: map[string]string{}, Action: "unchanged"}
	for i, value := range kind.KeyValues(key) {
		one.Key[kind.KeyFields()[i]] = value
	}
	switch {
	case c.Object == nil:
		one.Action = "deleted"
	case created:
		one.Action = "created"
	case changed:
		one.Action = "changed"
	}
	return one
}

// flag reads a switch of the query.
func (c *call) flag(name string) (bool, error) {
	switch c.r.URL.Query().Get(name) {
	case "", "false":
		return false, nil
	case "true":
		return true, nil
	}
	return false, resource.Errorf(resource.BadRequest, "%s must be true or false", name)
}

// operation is one element of the list operations in the body.
type operation struct {
	Kind      string            `json:"kind"`
	Put       json.RawMessage   `json:"put"`
	Delete    map[string]string `json:"delete"`
	IfVersion *uint64           `json:"ifVersion"`
}

// decodeOperations reads the body of an apply. Mistakes in all operations are reported at once. A
// resource that names no namespace gets the given one.
func decodeOperations(data []byte, namespace string) ([]change.Change, error) {
	var body struct {
		Operations []json.RawMessage `json:"operations"`
	}
	if err := decodeStrict(data, &body); err != nil {
		return nil, err
	}
	switch n := len(body.Operations); {
	case n == 0:
		return nil, resource.ValidationError(resource.Invalid("operations", "", "are required"))
	case n > state.MaxOps:
		return nil, resource.Errorf(resource.TooLarge, "there are %d operations, and at most %d can be applied at once%s", n, state.MaxOps, applyHint)
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
	switch {
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

func decodeOperation(raw json.RawMessage, namespace string) (c change.Change, err error) {
	var op operation
	if err := decodeStrict(raw, &op); err != nil {
		return c, err
	}
	kind, ok := resource.ByName(op.Kind)
	switch {
	case !ok || kind.Name != op.Kind:
		return c, resource.Invalid("kind", op.Kind, "is not a kind of resource")
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

// atOperations says in which operation the mistakes are that were found when all were looked at.
// The text of the error has the keys of the resources already.
func atOperations(err error, changes []change.Change) error {
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
