package certstore

import (
	"context"
	"errors"

	"github.com/dgate-io/caddy-dgate/internal/state"
)

// A stored value begins with a byte that says what the rest is.
const (
	plain  = 'p' // the value
	sealed = 's' // what the keyring made of it, bound to its path
)

// field is what the keyring calls the value of a record.
const field = "value"

// errFormat is about a value of a newer version of the program, or a damaged one.
var errFormat = errors.New("the stored value is of an unknown format")

// encode makes what is stored. Probes are encrypted too, to see whether that can be done.
func (s *Storage) encode(ctx context.Context, name string, value []byte) ([]byte, error) {
	if isPublic(name) {
		return append([]byte{plain}, value...), nil
	}
	text, err := s.keys.Seal(ctx, fileKey(name), field, string(value))
	if err != nil {
		return nil, err
	}
	return append([]byte{sealed}, text...), nil
}

// decode undoes encode.
func (s *Storage) decode(rec state.Record) ([]byte, error) {
	if len(rec.Data) == 0 {
		return nil, errFormat
	}
	switch rest := rec.Data[1:]; rec.Data[0] {
	case plain:
		return rest, nil
	case sealed:
		value, err := s.keys.Open(rec.Key, field, string(rest))
		return []byte(value), err
	}
	return nil, errFormat
}
