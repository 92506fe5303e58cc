package gateway

import (
	"net/http"
	"regexp"

	"github.com/dgate-io/caddy-dgate/internal/hook"
	"github.com/dgate-io/caddy-dgate/internal/js"
	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// bodyNames are the names by which a responseModifier gets at a body, such as readBody.
var bodyNames = regexp.MustCompile(`\b(?:\w*Body|\w*Json|body|Response)\b`)

// needsWhole tells whether a program must not be given a part of an answer: it has a
// responseModifier, and the code mentions bodies. A part that a script rewrites is a part of
// nothing, and one that it reads may hide from it what it looks for. Scripts that only change
// headers are left alone: players and downloads need ranges.
func needsWhole(prog *js.Program, modules []*resource.Module) bool {
	if !prog.Has(hook.ResponseModifier) {
		return false
	}
	for _, m := range modules {
		if bodyNames.Match(m.Payload) {
			return true
		}
	}
	return false
}

// askWhole asks for all of an answer.
func askWhole(h http.Header) {
	delete(h, "Range")
	delete(h, "If-Range")
}
