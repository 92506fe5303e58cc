package resource

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/go-chi/chi/v5"
)

// maxPattern bounds a route pattern, in bytes.
const maxPattern = 1024

// checkPattern says what is wrong with a route pattern, or nothing. chi, which will match it,
// is asked itself: it reports a bad pattern by a panic with a text.
func checkPattern(pattern string) (problem string) {
	switch {
	case pattern == "":
		return "must not be empty"
	case len(pattern) > maxPattern:
		return fmt.Sprintf("must not be longer than %d bytes", maxPattern)
	case strings.ContainsFunc(pattern, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return "must not have control characters"
	case strings.ToValidUTF8(pattern, "") != pattern:
		return "must be valid UTF-8"
	}
	defer func() {
		if r := recover(); r != nil {
			problem = "is not a valid pattern: " + fmt.Sprint(r)
		}
	}()
	chi.NewRouter().Method(http.MethodGet, pattern, http.NotFoundHandler())
	return ""
}

// patternShape is the pattern without the names of its parameters: two patterns with equal
// shape match the same paths, and chi would let the second replace the first.
func patternShape(pattern string) string {
	var b strings.Builder
	depth := 0
	name := false
	for i := range len(pattern) {
		c := pattern[i]
		switch {
		case c == '{':
			if depth++; depth == 1 {
				b.WriteByte(c)
				name = true
				continue
			}
		case c == '}':
			if depth--; depth == 0 {
				name = false
			}
		case c == ':' && depth == 1:
			name = false
		}
		if !name {
			b.WriteByte(c)
		}
	}
	return b.String()
}
