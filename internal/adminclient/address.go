package adminclient

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"strings"
)

// DefaultAddress is where Caddy's admin endpoint listens by default.
const DefaultAddress = "http://localhost:2019"

// defaultPath is where the admin API is below an address without a path.
const defaultPath = "/dgate"

// address is where requests go.
type address struct {
	base   url.URL // without a trailing slash, and without credentials
	user   *url.Userinfo
	socket string // path of a unix socket, or empty
}

// parseAddress reads what people write: a URL, with or without scheme and path, or unix//path. An
// address without a path gets the given one.
func parseAddress(raw, defaultPath string) (address, error) {
	raw = strings.TrimSpace(raw)
	if path, ok := unixPath(raw); ok {
		if path == "" {
			return address{}, errors.New("unix// must be followed by the path of a socket")
		}
		// Caddy does not check the host of requests that come over a socket, but it must be one.
		return address{base: url.URL{Scheme: "http", Host: "127.0.0.1", Path: defaultPath}, socket: path}, nil
	}
	if !strings.Contains(raw, "://") {
		raw = "http://" + raw
	}
	u, err := url.Parse(raw)
	if err != nil {
		if reason, ok := errors.AsType[*url.Error](err); ok { // its text repeats the URL, which may have a password
			err = reason.Err
		}
		return address{}, fmt.Errorf("admin address: %w", err)
	}
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return address{}, fmt.Errorf("admin address: the scheme must be http or https, not %q", u.Scheme)
	case u.Host == "" || u.Hostname() == "":
		return address{}, errors.New("host is empty")
	case u.Fragment != "":
		return address{}, errors.New("admin address: it must not have a fragment")
	}
	u.Path = strings.TrimRight(u.Path, "/")
	u.RawPath = ""
	if u.Path == "" {
		u.Path = defaultPath
	}
	user := u.User
	u.User = nil // it must not end up in messages
	return address{base: *u, user: user}, nil
}

// unixPath recognises unix//path as in Caddy's configuration, also with |mode, and unix:///path.
func unixPath(raw string) (string, bool) {
	path, ok := strings.CutPrefix(raw, "unix://")
	if !ok {
		path, ok = strings.CutPrefix(raw, "unix/")
	}
	path, _, _ = strings.Cut(path, "|")
	return path, ok
}

// url joins the segments, escaped, and the query to the base.
func (a address) url(segments []string, query url.Values) string {
	u := a.base
	var path, escaped strings.Builder
	path.WriteString(u.Path)
	escaped.WriteString(u.EscapedPath())
	for _, s := range segments {
		path.WriteString("/" + s)
		escaped.WriteString("/" + escapeSegment(s))
	}
	u.Path, u.RawPath = path.String(), escaped.String()
	all := u.Query()
	maps.Copy(all, query)
	u.RawQuery = all.Encode()
	return u.String()
}

// escapeSegment keeps one name one segment, whatever it is made of.
func escapeSegment(s string) string {
	if s == "." || s == ".." {
		return strings.ReplaceAll(s, ".", "%2E")
	}
	return url.PathEscape(s)
}
