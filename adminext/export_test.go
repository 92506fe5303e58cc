package adminext

import (
	"context"
	"net/http"

	"github.com/caddyserver/caddy/v2"
)

// Next is what a status says is to do.
var Next = next

// contextWith is the context of a request with a replacer, as Caddy's server has it.
func contextWith(r *http.Request, repl *caddy.Replacer) context.Context {
	return context.WithValue(r.Context(), caddy.ReplacerCtxKey, repl)
}
