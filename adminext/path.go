package adminext

import (
	"net/url"
	"slices"
	"strings"
)

// prefix is the first segment of every path.
const prefix = "dgate"

// splitPath takes a path apart as it was sent, and decodes each segment once. What decodes to a
// slash or to dots stays inside its segment and so is a name that does not exist. It is false
// for paths outside of the prefix and for those with an empty segment, such as a trailing slash.
func splitPath(u *url.URL) (segments []string, ok bool) {
	raw := strings.Split(u.EscapedPath(), "/")
	if len(raw) < 2 || raw[0] != "" || raw[1] != prefix {
		return nil, false
	}
	raw = raw[2:]
	if len(raw) == 0 || len(raw) == 1 && raw[0] == "" {
		return nil, true // the banner, with and without the slash
	}
	for _, r := range raw {
		s, err := url.PathUnescape(r)
		if err != nil || s == "" {
			return nil, false
		}
		segments = append(segments, s)
	}
	return segments, true
}

// has tells whether segments are exactly want.
func has(segments []string, want ...string) bool { return slices.Equal(segments, want) }
