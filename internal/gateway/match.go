package gateway

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/go-chi/chi/v5"

	"github.com/dgate-io/caddy-dgate/internal/hook"
	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// Match is a plan together with how a request fits its pattern.
type Match struct {
	// Plan is what to do with the request.
	Plan *Plan

	params   []hook.Param // only for plans with modules
	path     string       // escaped and cleaned
	rest     string       // what the wildcard of the pattern matched, escaped and cleaned
	wildcard bool
}

// Module names the modules of the route, each with the version that it has here, as in "auth@42".
// It is empty if there are none.
func (m Match) Module() string {
	names := make([]string, len(m.Plan.modules))
	for i, module := range m.Plan.modules {
		names[i] = fmt.Sprintf("%s@%d", module.Name, module.Version)
	}
	return strings.Join(names, ", ")
}

// contexts holds the scratch space of chi: a match allocates nothing.
var contexts = sync.Pool{New: func() any { return chi.NewRouteContext() }}

// match finds what to do with a request. The error is a *StatusError: 404, 405, or 400 for a
// path whose dot segments lead out of the pattern that it matches as it is written.
func (rt *router) match(r *http.Request) (Match, error) {
	// chi gets the path as Go decodes it, but as it was sent if that says more, as with %2F.
	path, escaped, raw := r.URL.Path, r.URL.EscapedPath(), r.URL.RawPath != ""
	if raw {
		path = escaped
	}
	if path == "" || path[0] != '/' {
		return Match{}, fail(http.StatusNotFound, "path %q does not begin with a slash", path)
	}
	rctx := contexts.Get().(*chi.Context)
	defer contexts.Put(rctx)
	method := methodOf(r)
	plan, pattern := rt.find(rctx, method, path)
	if plan == nil {
		return Match{}, rt.noMatch(rctx, method, path)
	}
	if hasDots(escaped) {
		escaped = cleanPath(escaped)
		if path = escaped; !raw {
			path = unescape(path)
		}
		if _, again := rt.find(rctx, method, path); again != pattern {
			return Match{}, fail(http.StatusBadRequest, "path %q leads out of %s", path, pattern)
		}
	}
	m := Match{Plan: plan, path: cleanPath(escaped), wildcard: strings.HasSuffix(pattern, "*")}
	params := rctx.URLParams
	if m.wildcard && plan.route.StripPath {
		m.rest = params.Values[len(params.Values)-1]
		if !raw {
			m.rest = escapePath(m.rest)
		}
		m.rest = cleanPath("/" + m.rest)
	}
	if plan.code != nil {
		m.params = make([]hook.Param, len(params.Keys))
		for i, key := range params.Keys {
			value := params.Values[i]
			if raw {
				value = unescape(value)
			}
			m.params[i] = hook.Param{Name: key, Value: value}
		}
	}
	return m, nil
}

// unescape decodes a part of an escaped path.
func unescape(escaped string) string {
	text, err := url.PathUnescape(escaped)
	if err != nil { // not from a parsed URL
		return escaped
	}
	return text
}

// noMatch tells a wrong path from a wrong method.
func (rt *router) noMatch(rctx *chi.Context, method, path string) error {
	var allow []string
	for _, m := range resource.Methods {
		if plan, _ := rt.find(rctx, m, path); plan != nil {
			allow = append(allow, m)
		}
	}
	if allow == nil {
		return fail(http.StatusNotFound, "no route for %s", path)
	}
	slices.Sort(allow)
	err := fail(http.StatusMethodNotAllowed, "no route for %s %s", method, path)
	err.Allow = allow
	return err
}

// methodOf is the method that routes see. A WebSocket over HTTP/2 or 3 arrives as CONNECT.
func methodOf(r *http.Request) string {
	if r.Method == http.MethodConnect &&
		(r.ProtoMajor == 2 && r.Header.Get(":protocol") == "websocket" || r.ProtoMajor == 3 && r.Proto == "websocket") {
		return http.MethodGet
	}
	return r.Method
}
