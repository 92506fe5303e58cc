package handlers

import (
	"errors"
	"math"
	"net/http"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/dgate-io/caddy-dgate/internal/gateway"
	"github.com/dgate-io/caddy-dgate/internal/js"
)

// debugHeader tells a client what a script has failed with, where Caddy logs what is for debugging.
const debugHeader = "X-DGate-Error"

// moduleHeader tells a client which version of which modules has answered, there as well.
const moduleHeader = "X-DGate-Module"

// debugs tells whether Caddy is being debugged.
func debugs(log *zap.Logger) bool { return log.Core().Enabled(zap.DebugLevel) }

// respondError turns an error of the gateway into one of Caddy, which answers it with an empty
// body unless there are handle_errors routes.
func respondError(w http.ResponseWriter, err error, debug bool) error {
	se, ok := errors.AsType[*gateway.StatusError](err)
	if !ok {
		return err
	}
	if len(se.Allow) > 0 {
		w.Header()["Allow"] = se.Allow
	}
	if se.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(se.RetryAfter.Seconds()))))
	}
	if failed, ok := errors.AsType[*js.Error](err); ok && debug {
		w.Header().Set(debugHeader, strings.Join(strings.Fields(failed.Error()), " "))
	}
	return caddyhttp.Error(se.Status, se.Err)
}

// withStatus is an error of another handler as the gateway has errors.
func withStatus(err error) error {
	if err == nil {
		return nil
	}
	status := http.StatusInternalServerError
	if he, ok := errors.AsType[caddyhttp.HandlerError](err); ok && he.StatusCode != 0 {
		status = he.StatusCode
	}
	return &gateway.StatusError{Status: status, Err: nextError{err}}
}

// nextError is an error of another handler, as scripts see it. Caddy gets it back as it was.
type nextError struct{ error }

// Error leaves out what Caddy has added for its log.
func (e nextError) Error() string {
	he, ok := errors.AsType[caddyhttp.HandlerError](e.error)
	switch {
	case !ok:
		return e.error.Error()
	case he.Err == nil:
		return http.StatusText(he.StatusCode)
	}
	return he.Err.Error()
}

// Unwrap gives the error as it was.
func (e nextError) Unwrap() error { return e.error }
