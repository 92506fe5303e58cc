package adminclient

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// ErrRedirect is what a call ends with when the server names another address and the client
// was not told to follow.
var ErrRedirect = errors.New("redirect from server; retry with the --follow flag")

// Error is a refusal by the server.
type Error struct {
	// Status is the HTTP status.
	Status int
	// Code is the server's classification, empty if something else than DGate answered.
	Code resource.Code
	// Message is the server's text, which may be empty.
	Message string
	// Fields are the mistakes that a validation found.
	Fields []*resource.FieldError

	hint string // what to do about it, empty if the server knows best
}

// Error has the wording of the original client.
func (e *Error) Error() string {
	text := fmt.Sprintf("%d error from server", e.Status)
	if e.Message != "" {
		text += ": " + e.Message
	}
	if e.hint != "" {
		text += "; " + e.hint
	}
	return text
}

// ErrorCode implements the interface that [resource.CodeOf] looks for.
func (e *Error) ErrorCode() resource.Code { return e.Code }

// foreign notes that it was not DGate that refused. A proxy before it that asks for credentials or
// finds nobody behind it is at the right address all the same; what has no such page or method is not.
func (e *Error) foreign(target *url.URL) {
	e.Code, e.Fields = "", nil
	if e.Status == http.StatusNotFound || e.Status == http.StatusMethodNotAllowed {
		e.hint = notOurs(target)
	}
}

// notOurs says that what answers at an address is not DGate. A query may have a secret.
func notOurs(target *url.URL) string {
	shown := *target
	shown.RawQuery = ""
	return fmt.Sprintf("the answer of %s is not what DGate sends; is --admin right?", printable(shown.Redacted()))
}

// maxPlainError is how much is shown of an error that is not JSON.
const maxPlainError = 200

// errorFrom makes an error of an answer with a status that says so.
func errorFrom(status int, contentType string, body []byte) *Error {
	var answer struct {
		Error  string                 `json:"error"`
		Errors []string               `json:"errors"`
		Code   resource.Code          `json:"code"`
		Fields []*resource.FieldError `json:"fields"`
	}
	if json.Unmarshal(body, &answer) != nil {
		e := &Error{Status: status}
		line, _, _ := strings.Cut(strings.TrimSpace(string(body)), "\n")
		if strings.HasPrefix(contentType, "text/plain") && len(line) <= maxPlainError && utf8.ValidString(line) {
			e.Message = printable(line)
		}
		if e.Message == http.StatusText(status) {
			e.Message = ""
		}
		return e
	}
	if answer.Error == "" {
		answer.Error = strings.Join(answer.Errors, "; ")
	}
	return &Error{Status: status, Code: answer.Code, Message: printable(answer.Error), Fields: answer.Fields}
}

// printable keeps a server from writing control sequences to somebody's terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return unicode.ReplacementChar
		}
		return r
	}, s)
}
