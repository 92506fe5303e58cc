package js

import (
	"errors"
	"fmt"
	"strings"

	"github.com/dop251/goja"
)

// Kind says how a script failed.
type Kind uint8

// The kinds. Syntax, Import, TooLarge and NotFunction are found before a
// module runs; Busy means that no script has run.
const (
	Syntax       Kind = iota + 1 // the source does not parse, or uses what the engine cannot run
	Import                       // an import names nothing that can be imported
	Throw                        // an exception that nothing caught
	Reject                       // the promise that a hook returned was rejected
	CPU                          // computed for longer than Limits.CPU
	Timeout                      // took longer than Limits.Timeout
	Heap                         // the heap grew by more than Limits.Heap
	Stack                        // calls nested deeper than Limits.Stack
	NeverSettles                 // waits for a promise that nothing can settle any more
	Panic                        // Go code panicked
	Busy                         // no VM was free in time
	Cancelled                    // the caller's context ended
	TooLarge                     // the source is larger or nests deeper than allowed
	NotFunction                  // what is exported under a hook's name is no function
	Body                         // wanted a body that is larger than Limits.Body
	Refused                      // wanted to connect to where it may not
)

var kindNames = [...]string{
	Syntax: "syntax", Import: "import", Throw: "throw", Reject: "reject", CPU: "cpu", Timeout: "timeout",
	Heap: "heap", Stack: "stack", NeverSettles: "never_settles", Panic: "panic", Busy: "busy",
	Cancelled: "cancelled", TooLarge: "too_large", NotFunction: "not_function",
	Body: "body", Refused: "refused",
}

// String returns a name in snake case, fit for a metric label.
func (k Kind) String() string {
	if int(k) < len(kindNames) && kindNames[k] != "" {
		return kindNames[k]
	}
	return "unknown"
}

// Error is how a script failed. Every error of this package that is about a
// script is one.
type Error struct {
	// Module is the name of the entry module, or of the module at fault where that is known.
	Module string
	// Hook is the name of the function that was called; empty for what happens at load.
	Hook string
	// Kind says how it failed.
	Kind Kind
	// File, Line and Column are a position in the source as it was written,
	// counted from 1; zero if there is none.
	File         string
	Line, Column int
	// Message is what went wrong, in one line.
	Message string
	// Stack is the stack of the exception with positions in the sources, or of
	// the Go panic. It may be empty.
	Stack string
	// Value is what was thrown; nil if nothing was. It may only be used on its
	// VM, before Run.End.
	Value goja.Value
	// Err is the cause, if it is a Go error.
	Err error

	touched bool // whether a stub was used before this happened
}

// Error returns position, hook and message: "auth.ts:3:7: requestHandler: TypeError: x is not a function".
func (e *Error) Error() string {
	var b strings.Builder
	switch {
	case e.File != "" && e.Line > 0:
		fmt.Fprintf(&b, "%s:%d:%d: ", e.File, e.Line, e.Column)
	case e.File != "":
		b.WriteString(e.File + ": ")
	case e.Module != "":
		b.WriteString(e.Module + ": ")
	}
	if e.Hook != "" {
		b.WriteString(e.Hook + ": ")
	}
	b.WriteString(e.Message)
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Errors returns all script errors inside err, in order. A compilation
// reports every mistake it has found, joined.
func Errors(err error) []*Error {
	switch e := err.(type) { //nolint:errorlint // it walks the tree itself
	case nil:
		return nil
	case *Error:
		return []*Error{e}
	case interface{ Unwrap() []error }:
		var all []*Error
		for _, err := range e.Unwrap() {
			all = append(all, Errors(err)...)
		}
		return all
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return []*Error{e}
	}
	return nil
}

// KindOf returns the kind of the first script error in err, or 0.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return 0
}

// TypeError is an error that Throw turns into a JavaScript TypeError.
type TypeError struct{ Message string }

// Error returns the message.
func (e *TypeError) Error() string { return e.Message }

// LimitError is an error of a host module that is a limit of its own: a run that
// fails with it, because the script does not catch it, has its kind.
type LimitError struct {
	Kind    Kind
	Message string
}

// Error returns the message.
func (e *LimitError) Error() string { return e.Message }
