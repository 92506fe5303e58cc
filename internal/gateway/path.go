package gateway

import (
	"net/url"
	"strings"
)

// hasDots tells whether an escaped path has a segment that is "." or "..".
func hasDots(path string) bool {
	for rest := path; rest != ""; {
		i := strings.IndexByte(rest, '/')
		if i < 0 {
			return dots(rest) > 0
		}
		if dots(rest[:i]) > 0 {
			return true
		}
		rest = rest[i+1:]
	}
	return false
}

// dots counts the dots of a segment that has nothing else: 1 for ".", 2 for "..", else 0.
// "%2e" is a dot too: upstreams may read it as one.
func dots(segment string) int {
	n := 0
	for segment != "" {
		switch {
		case segment[0] == '.':
			segment = segment[1:]
		case len(segment) >= 3 && segment[0] == '%' && segment[1] == '2' && segment[2]|0x20 == 'e':
			segment = segment[3:]
		default:
			return 0
		}
		if n++; n > 2 {
			return 0
		}
	}
	return n
}

// cleanPath resolves dot segments and joins runs of slashes in an escaped path that begins with
// a slash. Escapes and a trailing slash stay.
func cleanPath(path string) string {
	if !strings.Contains(path, "//") && !hasDots(path) {
		return path
	}
	var out []string
	slash := false // whether the cleaned path ends in a slash
	for segment := range strings.SplitSeq(path[1:], "/") {
		n := dots(segment)
		slash = segment == "" || n > 0
		switch {
		case segment == "" || n == 1:
		case n == 2:
			out = out[:max(0, len(out)-1)]
		default:
			out = append(out, segment)
		}
	}
	clean := "/" + strings.Join(out, "/")
	if slash && len(out) > 0 {
		clean += "/"
	}
	return clean
}

// joinPath appends a request's path, or what is left of it, to the path of a service URL. Both
// are escaped and so is the result, which always begins with a slash. A service without a
// trailing slash gets none unless the request has one.
func joinPath(service, request string) string {
	request = strings.TrimPrefix(request, "/")
	if request == "" {
		if service == "" {
			return "/"
		}
		return service
	}
	return strings.TrimSuffix(service, "/") + "/" + request
}

// setPath gives u an escaped path.
func setPath(u *url.URL, escaped string) {
	path, err := url.PathUnescape(escaped)
	if err != nil { // not from a parsed URL: a script made it up; send it as it is
		path, escaped = escaped, ""
	}
	u.Path, u.RawPath = path, escaped
	if escaped == path {
		u.RawPath = ""
	}
}

// escapePath escapes a decoded path, or a part of one.
func escapePath(path string) string { return (&url.URL{Path: path}).EscapedPath() }

// joinQuery merges the query of a service URL with the client's.
func joinQuery(service, client string) string {
	switch {
	case service == "":
		return client
	case client == "":
		return service
	}
	return service + "&" + client
}
