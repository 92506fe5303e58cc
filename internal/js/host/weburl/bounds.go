package weburl

import (
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/nlnwa/whatwg-url/url"
)

// The parser takes time that grows with the square of the length of the authority,
// and of the number of segments of the path, and nothing interrupts it. Strangers
// send URLs, so these are bounded.
const (
	maxURL       = 1 << 20 // bytes
	maxAuthority = 2 << 10 // bytes: credentials, host and port
	maxSegments  = 2000    // of the path
)

// parser is the library's, with the one character that the standard has added since.
var parser = sync.OnceValue(func() url.Parser {
	return url.NewParser(url.WithPathPercentEncodeSet(url.PathPercentEncodeSet.Set('^')))
})

// parseURL parses a URL, which may refer to a base if there is one.
func parseURL(text, base string, hasBase bool) (*url.Url, error) {
	if err := bounded(text); err != nil {
		return nil, err
	}
	if !hasBase {
		return parser().Parse(text)
	}
	if base == "" {
		return nil, errors.New("the base is empty")
	}
	if err := bounded(base); err != nil {
		return nil, err
	}
	return parser().ParseRef(base, text)
}

var special = map[string]bool{"http": true, "https": true, "ws": true, "wss": true, "ftp": true, "file": true}

// dropped are characters that the parser ignores, wherever they are.
var dropped = strings.NewReplacer("\t", "", "\n", "", "\r", "")

// bounded tells whether a URL is within bounds.
func bounded(text string) error {
	if len(text) > maxURL {
		return fmt.Errorf("it is longer than %d bytes", maxURL)
	}
	if len(text) < maxSegments { // as nearly all are
		return nil
	}
	text = dropped.Replace(text)
	if i := strings.IndexAny(text, "?#"); i >= 0 {
		text = text[:i]
	}
	scheme, rest, ok := strings.Cut(text, ":")
	scheme = strings.ToLower(strings.TrimLeft(scheme, "\x00\x01\x02\x03\x04\x05\x06\x07\x08\v\f\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f "))
	switch {
	case !ok || !isScheme(scheme):
		rest = text
	case !special[scheme] && !strings.HasPrefix(rest, "/"):
		return nil // what follows is opaque
	}
	rest = strings.TrimLeft(rest, `/\`)
	if n := strings.IndexAny(rest+"/", `/\`); n > maxAuthority {
		return fmt.Errorf("its authority is longer than %d bytes", maxAuthority)
	}
	return segments(text)
}

// segments bounds a path.
func segments(path string) error {
	if strings.Count(path, "/")+strings.Count(path, `\`) > maxSegments {
		return fmt.Errorf("its path has more than %d segments", maxSegments)
	}
	return nil
}

func isScheme(s string) bool {
	for i, r := range s {
		if (r < 'a' || r > 'z') && (i == 0 || !strings.ContainsRune("0123456789+-.", r)) {
			return false
		}
	}
	return s != ""
}
