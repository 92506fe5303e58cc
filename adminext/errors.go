package adminext

import (
	"errors"
	"net/http"

	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// statuses are the HTTP statuses of the codes. Conflicts and resources in use are 400, as in the
// original DGate.
var statuses = map[resource.Code]int{
	resource.BadRequest:         http.StatusBadRequest,
	resource.ValidationFailed:   http.StatusBadRequest,
	resource.NotFound:           http.StatusNotFound,
	resource.MethodNotAllowed:   http.StatusMethodNotAllowed,
	resource.Conflict:           http.StatusBadRequest,
	resource.InUse:              http.StatusBadRequest,
	resource.PreconditionFailed: http.StatusPreconditionFailed,
	resource.TooLarge:           http.StatusRequestEntityTooLarge,
	resource.Unauthorized:       http.StatusUnauthorized,
	resource.NoLeader:           http.StatusServiceUnavailable,
	resource.Overloaded:         http.StatusServiceUnavailable,
	resource.OutcomeUnknown:     http.StatusGatewayTimeout,
	resource.IndexTimeout:       http.StatusGatewayTimeout,
	resource.Internal:           http.StatusInternalServerError,
}

// retryAfter is what clients are told to wait when trying again makes sense.
const retryAfter = "1"

// statusError is an error that is answered with another status than that of its code. Its text is
// shown to clients whatever its code.
type statusError struct {
	status int
	err    error
}

func (e *statusError) Error() string { return e.err.Error() }
func (e *statusError) Unwrap() error { return e.err }

// refuse makes an error with a status of its own.
func refuse(status int, code resource.Code, format string, args ...any) error {
	return &statusError{status, resource.Errorf(code, format, args...)}
}

// errorBody is the JSON of an error.
type errorBody struct {
	Error  string                 `json:"error"`
	Status int                    `json:"status"`
	Code   resource.Code          `json:"code"`
	Fields []*resource.FieldError `json:"fields,omitempty"`
}

// errorReply is the only place where an error becomes an HTTP status. internal tells that the
// client was not told what happened, so that somebody else must be.
func errorReply(err error) (rep *reply, internal bool) {
	code := resource.CodeOf(err)
	body := errorBody{Error: err.Error(), Status: statuses[code], Code: code, Fields: resource.FieldErrors(err)}
	if body.Status == 0 {
		body.Status, body.Code = http.StatusInternalServerError, resource.Internal
	}
	if own, ok := errors.AsType[*statusError](err); ok {
		body.Status = own.status
	} else if internal = body.Code == resource.Internal; internal {
		body.Error, body.Fields = "internal error; the log of the server has more", nil
	}
	rep = jsonReply(body.Status, body)
	rep.body = append(rep.body, '\n') // the original DGate ended errors with a newline
	if code == resource.NoLeader || code == resource.Overloaded {
		rep.header.Set("Retry-After", retryAfter)
	}
	if method, ok := errors.AsType[*methodError](err); ok {
		rep.header.Set("Allow", method.allow)
	}
	return rep, internal
}

// methodError is the refusal of a method that a path does not have.
type methodError struct{ allow string }

func (e *methodError) Error() string { return "method not allowed; this path has " + e.allow }

// ErrorCode implements the interface that [resource.CodeOf] looks for.
func (e *methodError) ErrorCode() resource.Code { return resource.MethodNotAllowed }

func pageNotFound() error { return resource.Errorf(resource.NotFound, "page not found") }

func notFound(kind *resource.Kind) error {
	return resource.Errorf(resource.NotFound, "%s not found", kind.Name)
}
