package handlers

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"golang.org/x/net/http/httpguts"

	"github.com/dgate-io/caddy-dgate/internal/hook"
)

// GlobalHeaders are headers of every answer of a dgate handler.
type GlobalHeaders []globalHeader

type globalHeader struct {
	name    string
	values  []string
	dynamic bool // whether the values have placeholders that are about the request
}

// ParseGlobalHeaders reads headers as a configuration has them. Errors name every one that cannot
// be set, and placeholders that expand to nothing.
func ParseGlobalHeaders(headers http.Header) (GlobalHeaders, error) {
	var (
		parsed GlobalHeaders
		errs   []error
	)
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		h, err := parseGlobalHeader(name, headers[name])
		parsed, errs = append(parsed, h), append(errs, err)
	}
	return parsed, errors.Join(errs...)
}

// CheckGlobalHeader says what is wrong with a header before its placeholders are expanded.
func CheckGlobalHeader(name string, values ...string) error {
	switch {
	case !httpguts.ValidHeaderFieldName(name):
		return fmt.Errorf("global_headers: %q must be the name of a header, such as X-Served-By", name)
	case slices.Contains(hook.Framing[:], http.CanonicalHeaderKey(name)):
		return fmt.Errorf("global_headers: %q says where a message ends and cannot be set", name)
	case len(values) == 0:
		return fmt.Errorf("global_headers: %q must have a value", name)
	}
	for _, value := range values {
		if !httpguts.ValidHeaderFieldValue(value) {
			return fmt.Errorf("global_headers: %q must have a value without line breaks and control characters, not %q", name, value)
		}
	}
	return nil
}

func parseGlobalHeader(name string, values []string) (globalHeader, error) {
	h := globalHeader{name: http.CanonicalHeaderKey(name)}
	if err := CheckGlobalHeader(name, values...); err != nil {
		return h, err
	}
	repl := caddy.NewReplacer()
	for _, value := range values {
		value, err := repl.ReplaceOrErr(value, true, false)
		if err != nil {
			return h, fmt.Errorf("global_headers: %q: %w", name, err)
		}
		h.values = append(h.values, value)
		h.dynamic = h.dynamic || strings.Contains(value, "{")
	}
	return h, nil
}

// add sets those that nobody has set.
func (g GlobalHeaders) add(header http.Header, r *http.Request) {
	for _, h := range g {
		if _, there := header[h.name]; there {
			continue
		}
		if !h.dynamic {
			header[h.name] = slices.Clone(h.values) // others may append
			continue
		}
		repl, _ := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
		for _, value := range h.values {
			if repl != nil {
				value = repl.ReplaceAll(value, "")
			}
			header[h.name] = append(header[h.name], value)
		}
	}
}
