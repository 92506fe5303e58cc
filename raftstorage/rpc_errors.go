package raftstorage

import (
	"cmp"
	"errors"

	"github.com/dgate-io/caddy-dgate/internal/resource"
	"github.com/dgate-io/caddy-dgate/internal/state"
)

// wireError is an error on its way.
type wireError struct {
	Code    resource.Code    `json:"code"`
	Message string           `json:"message"`
	Fields  []wireFieldError `json:"fields,omitempty"`
	Op      *wireOp          `json:"op,omitempty"` // the first one that is wrong
	Cause   string           `json:"cause,omitempty"`
}

// wireFieldError is a field error with what clients are not told.
type wireFieldError struct {
	resource.FieldError
	Sentence string       `json:"sentence,omitempty"`
	Of       resource.Key `json:"of,omitzero"`
}

// wireOp is the mistake of one operation.
type wireOp struct {
	Op    int          `json:"op"`
	Key   resource.Key `json:"key"`
	Error *wireError   `json:"error"`
}

// causes are the errors that callers look for in what they get, by name.
var causes = map[string]error{
	"not_leader": errNotLeader,
	"outdated":   state.ErrOutdated,
	"chunks":     state.ErrChunksMissing,
	"forgotten":  state.ErrForgotten,
	"closed":     ErrClosed,
}

func toWire(err error) wireError {
	w := wireError{Code: resource.CodeOf(err), Message: err.Error()}
	for _, f := range resource.FieldErrors(err) {
		w.Fields = append(w.Fields, wireFieldError{*f, f.Sentence, f.Of})
	}
	for name, cause := range causes {
		if errors.Is(err, cause) {
			w.Cause = name
		}
	}
	if op := new(state.OpError); errors.As(err, &op) {
		inner := toWire(op.Err)
		w.Op = &wireOp{op.Op, op.Key, &inner}
	}
	return w
}

// error is what was sent.
func (w wireError) error() error {
	e := &resource.Error{Code: cmp.Or(w.Code, resource.Internal), Message: w.Message}
	for _, f := range w.Fields {
		field := f.FieldError
		field.Sentence, field.Of = f.Sentence, f.Of
		e.Fields = append(e.Fields, &field)
	}
	e.Err = causes[w.Cause]
	if w.Op != nil && w.Op.Error != nil {
		e.Err = errors.Join(e.Err, &state.OpError{Op: w.Op.Op, Key: w.Op.Key, Err: w.Op.Error.error()})
	}
	return e
}
