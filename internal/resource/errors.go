package resource

import (
	"errors"
	"fmt"
	"strings"
)

// Code classifies an error for clients; the admin API turns it into an HTTP status.
type Code string

// The codes of the contract.
const (
	BadRequest         Code = "bad_request"
	ValidationFailed   Code = "validation_failed"
	NotFound           Code = "not_found"
	MethodNotAllowed   Code = "method_not_allowed"
	Conflict           Code = "conflict"
	InUse              Code = "in_use"
	PreconditionFailed Code = "precondition_failed"
	TooLarge           Code = "too_large"
	Unauthorized       Code = "unauthorized"
	NoLeader           Code = "no_leader"
	Overloaded         Code = "overloaded"
	OutcomeUnknown     Code = "outcome_unknown"
	IndexTimeout       Code = "index_timeout"
	// Internal errors are ours: they are logged, and hidden from clients.
	Internal Code = "internal"
)

// Error is an error with a code. Message is written for the person who sent the request.
type Error struct {
	Code    Code
	Message string
	Fields  []*FieldError
	// Err is the cause, if there is one worth keeping. It is not shown to clients.
	Err error
}

// Errorf makes an error with a code and a message.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

func (e *Error) Error() string { return e.Message }

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// ErrorCode implements the interface that [CodeOf] looks for.
func (e *Error) ErrorCode() Code { return e.Code }

// CodeOf tells the code of an error. What has none is ours.
func CodeOf(err error) Code {
	var c interface{ ErrorCode() Code }
	if errors.As(err, &c) {
		return c.ErrorCode()
	}
	return Internal
}

// FieldError is a mistake in one field.
type FieldError struct {
	// Field is the path of the field in the JSON, such as "urls[0]".
	Field string `json:"field"`
	// Problem completes the sentence that begins with the field: "is required".
	Problem string `json:"problem"`
	// Value is what was wrong, shortened; empty for fields that are large or secret.
	Value string `json:"value,omitempty"`
	// Sentence replaces "<field> <problem>" where clients expect a certain text.
	Sentence string `json:"-"`
	// Of is the resource that has the field, in errors that are about several.
	Of Key `json:"-"`
}

// In is the mistake as one of several resources.
func (e *FieldError) In(of Key) *FieldError {
	located := *e
	located.Of = of
	return &located
}

func (e *FieldError) Error() string {
	if e.Sentence != "" {
		return e.Sentence
	}
	return e.Field + " " + e.Problem
}

// ErrorCode makes every field error a validation error.
func (e *FieldError) ErrorCode() Code { return ValidationFailed }

// maxValue is how much of a wrong value an error repeats, in bytes.
const maxValue = 200

// Invalid makes a field error. The value is shortened; pass "" to keep it out. What looks like a
// private key, in whatever field, is kept out anyway.
func Invalid(field, value, format string, args ...any) *FieldError {
	if hasPEM(value) {
		value = ""
	}
	if hasPEM(field) { // the name of an unknown one
		field = "a field"
	}
	if len(value) > maxValue {
		value = strings.ToValidUTF8(value[:maxValue], "") + "…"
	}
	return &FieldError{Field: field, Problem: fmt.Sprintf(format, args...), Value: value}
}

// hasPEM tells whether a text has PEM in it, or base64 of PEM.
func hasPEM(text string) bool {
	if strings.Contains(text, "-----BEGIN") || strings.Contains(text, "PRIVATE KEY") {
		return true
	}
	for _, begin := range []string{"LS0tLS1CRUdJTi", "0tLS0tQkVHSU4", "tLS0tLUJFR0lO"} { // -----BEGIN behind 0, 1 and 2 other bytes
		if strings.Contains(text, begin) {
			return true
		}
	}
	return false
}

// FieldErrors lists the field errors inside err, however they were joined and wrapped.
func FieldErrors(err error) []*FieldError {
	switch e := err.(type) { //nolint:errorlint // this walks the tree by hand, to find all and not the first
	case nil:
		return nil
	case *FieldError:
		return []*FieldError{e}
	case *Error:
		return e.Fields
	case interface{ Unwrap() []error }:
		var all []*FieldError
		for _, sub := range e.Unwrap() {
			all = append(all, FieldErrors(sub)...)
		}
		return all
	}
	return FieldErrors(errors.Unwrap(err))
}

// ValidationError turns joined field errors into one error with all of them, or nil.
func ValidationError(err error) error {
	if err == nil {
		return nil
	}
	fields := FieldErrors(err)
	if len(fields) == 0 {
		return err
	}
	texts := make([]string, len(fields))
	for i, f := range fields {
		texts[i] = f.Error()
	}
	return &Error{Code: ValidationFailed, Message: strings.Join(texts, "; "), Fields: fields}
}
