package gateway

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/dgate-io/caddy-dgate/internal/hook"
	"github.com/dgate-io/caddy-dgate/internal/js"
)

// StatusClientClosed is what the access log shows when the client left before there was an answer.
const StatusClientClosed = 499

// StatusError is why a request failed, with the status that its client gets.
type StatusError struct {
	// Status is the HTTP status.
	Status int
	// Allow lists the methods of the path, for 405.
	Allow []string
	// RetryAfter is when to come back, for 503. Zero means that nothing is said.
	RetryAfter time.Duration
	// Err is for logs, never for the client.
	Err error
}

func (e *StatusError) Error() string {
	return fmt.Sprintf("%d %s: %v", e.Status, http.StatusText(e.Status), e.Err)
}

// Unwrap gives the cause.
func (e *StatusError) Unwrap() error { return e.Err }

// cause is Err, which knows the status that scripts are told.
func (e *StatusError) cause() error { return causeError{e.Err, e.Status} }

type causeError struct {
	error
	status int
}

// HTTPStatus is what package hook asks for.
func (c causeError) HTTPStatus() int { return c.status }

// Unwrap gives the cause.
func (c causeError) Unwrap() error { return c.error }

// fail makes a StatusError with a message for the log.
func fail(status int, format string, args ...any) *StatusError {
	return &StatusError{Status: status, Err: fmt.Errorf(format, args...)}
}

// hookFailure gives the status of a hook that failed.
func hookFailure(ctx context.Context, err error) *StatusError {
	if ctx.Err() != nil {
		return &StatusError{Status: StatusClientClosed, Err: err}
	}
	if se, ok := errors.AsType[*StatusError](err); ok {
		return se
	}
	switch {
	case js.KindOf(err) == js.Busy:
		return &StatusError{Status: http.StatusServiceUnavailable, RetryAfter: time.Second, Err: err}
	case errors.Is(err, hook.ErrRequestBody):
		status := http.StatusBadRequest
		if _, limited := errors.AsType[*http.MaxBytesError](err); limited {
			status = http.StatusRequestEntityTooLarge
		}
		return &StatusError{Status: status, Err: err}
	case errors.Is(err, hook.ErrBodyTooLarge):
		return &StatusError{Status: http.StatusRequestEntityTooLarge, Err: err}
	}
	return &StatusError{Status: http.StatusInternalServerError, Err: err}
}

// upstreamFailure gives the status of an upstream that could not be reached or did not answer.
func upstreamFailure(ctx context.Context, err error) *StatusError {
	if ctx.Err() != nil {
		return &StatusError{Status: StatusClientClosed, Err: err}
	}
	if se, ok := errors.AsType[*StatusError](err); ok {
		return se
	}
	if ne, ok := errors.AsType[net.Error](err); ok && ne.Timeout() {
		return &StatusError{Status: http.StatusGatewayTimeout, Err: err}
	}
	return &StatusError{Status: http.StatusBadGateway, Err: err}
}
