package handlers

import (
	"errors"
	"io"
	"net/http"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/dgate-io/caddy-dgate/internal/gateway"
)

// answer is what the dgate handler writes to. It knows the status, and adds the global headers.
type answer struct {
	caddyhttp.ResponseWriterWrapper
	headers GlobalHeaders
	r       *http.Request
	status  int  // 0 as long as there is none
	whole   bool // whether nothing has broken off
}

// WriteHeader implements [http.ResponseWriter].
func (a *answer) WriteHeader(status int) {
	if a.status == 0 && (status >= 200 || status == http.StatusSwitchingProtocols) {
		a.status = status
		a.headers.add(a.Header(), a.r)
	}
	a.ResponseWriter.WriteHeader(status)
}

// begin writes the header that goes without saying.
func (a *answer) begin() {
	if a.status == 0 {
		a.WriteHeader(http.StatusOK)
	}
}

// Write implements [http.ResponseWriter].
func (a *answer) Write(p []byte) (int, error) {
	a.begin()
	return a.ResponseWriter.Write(p)
}

// ReadFrom implements [io.ReaderFrom].
func (a *answer) ReadFrom(r io.Reader) (int64, error) {
	a.begin()
	return a.ResponseWriterWrapper.ReadFrom(r)
}

// FlushError is what [http.ResponseController] calls.
func (a *answer) FlushError() error {
	a.begin()
	return http.NewResponseController(a.ResponseWriter).Flush()
}

// finalStatus is what the client gets, if the handler returns err.
func (a *answer) finalStatus(err error) int {
	switch {
	case err != nil:
		return statusOf(err)
	case a.status != 0:
		return a.status
	case a.whole:
		return http.StatusOK
	}
	return http.StatusInternalServerError // it panics
}

// statusOf is the status that a client gets for an error.
func statusOf(err error) int {
	if he, ok := errors.AsType[caddyhttp.HandlerError](err); ok && he.StatusCode != 0 {
		return he.StatusCode
	}
	if se, ok := errors.AsType[*gateway.StatusError](err); ok {
		return se.Status
	}
	return http.StatusInternalServerError
}

var _ io.ReaderFrom = (*answer)(nil)
