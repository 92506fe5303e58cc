package state

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"

	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// ErrClosed is returned by everything that is called on a closed [DB].
var ErrClosed = errors.New("the state is closed")

// ErrOutdated is in the error of a command with a resource that was checked against another one
// (see prints) which has changed since. The check can be made again.
var ErrOutdated = errors.New("what a resource was checked against has changed")

// HaltError says why this node stopped applying. What it has stays readable.
type HaltError struct {
	// Index is the entry that was not applied.
	Index uint64
	// Reason is for the log and for status pages.
	Reason string
}

func (e *HaltError) Error() string {
	return fmt.Sprintf("this node stopped applying changes at index %d: %s", e.Index, e.Reason)
}

// StorageError says that state.db could not be written. Nothing of the batch was applied; it can
// be applied again.
type StorageError struct{ Err error }

func (e *StorageError) Error() string { return "write state.db: " + e.Err.Error() }

// Unwrap gives the cause.
func (e *StorageError) Unwrap() error { return e.Err }

// NoSpace tells that a disk is full. What is on it is sound, and there can be space again.
func NoSpace(err error) bool { return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) }

// OpError is the mistake of one operation of a command. [errors.As] finds the first one in the
// error of an outcome; the joined error that it is part of has all.
type OpError struct {
	// Op is the position of the operation in the command.
	Op int
	// Key is what the operation was about.
	Key resource.Key
	// Err is a *resource.Error or a *resource.FieldError.
	Err error
}

func (e *OpError) Error() string { return e.Err.Error() }

// Unwrap gives the mistake without its place.
func (e *OpError) Unwrap() error { return e.Err }

func damaged(key resource.Key, err error) error {
	return fmt.Errorf("stored %s: %w", key, err)
}

// maxReported bounds how many mistakes one error tells.
const maxReported = 100

// err joins the mistakes of a plan into one error: the code of the first, all texts, all fields.
func (p *plan) err(firstOp, ops int) error {
	if len(p.mistakes) == 0 {
		return nil
	}
	joined := &resource.Error{Code: resource.CodeOf(p.mistakes[0].err)}
	var texts []string
	var causes []error
	for i, m := range p.mistakes {
		if i == maxReported {
			texts = append(texts, fmt.Sprintf("and %d more", len(p.mistakes)-i))
			break
		}
		text := m.err.Error()
		fields := resource.FieldErrors(m.err)
		if ops > 1 {
			text = m.key.String() + ": " + text
			for i, f := range fields {
				fields[i] = f.In(m.key)
			}
		}
		if !slices.Contains(texts, text) {
			texts = append(texts, text)
		}
		joined.Fields = append(joined.Fields, fields...)
		causes = append(causes, &OpError{Op: m.op - firstOp, Key: m.key, Err: m.err})
	}
	joined.Message = strings.Join(texts, "; ")
	joined.Err = errors.Join(causes...)
	return joined
}
