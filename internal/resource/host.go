package resource

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"regexp/syntax"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/http/httpguts"
	"golang.org/x/net/idna"
)

// MaxHost bounds a host name in a pattern, in bytes. Longer ones cannot be in the DNS.
const MaxHost = 255

// maxUnicodeHost bounds what is turned into punycode, which takes time by the square of its length.
const maxUnicodeHost = 4 * MaxHost

// HostForm says how a [HostPattern] is compared with a host.
type HostForm uint8

// The forms of patterns.
const (
	// HostExact is a name, as in "example.com".
	HostExact HostForm = iota
	// HostSuffix is the end of a name, as in "*.example.com".
	HostSuffix
	// HostPrefix is the beginning of a name, as in "api.*".
	HostPrefix
	// HostInfix is a part of a name, as in "*shop*".
	HostInfix
	// HostAny is "*".
	HostAny
	// HostRegexp is a regular expression, as in "/^api[0-9]+\.example\.com$/".
	HostRegexp
)

// HostPattern is what hosts are compared with. Case does not count.
type HostPattern struct {
	// Form says how.
	Form HostForm
	// Text is what is fixed: without stars and slashes; lower-case ASCII unless Form is HostRegexp.
	Text string

	expr *regexp.Regexp
}

// ParseHostPattern reads a pattern. The error completes a sentence that begins with what the
// pattern is of.
func ParseHostPattern(pattern string) (HostPattern, error) {
	if len(pattern) > 1 && pattern[0] == '/' && pattern[len(pattern)-1] == '/' {
		return parseHostRegexp(pattern[1 : len(pattern)-1])
	}
	rest := strings.TrimLeft(pattern, "*")
	text := strings.TrimRight(rest, "*")
	p := HostPattern{Form: HostExact, Text: text}
	switch first, last := len(rest) < len(pattern), len(text) < len(rest); {
	case pattern == "":
		return p, errors.New("must not be empty")
	case text == "":
		return HostPattern{Form: HostAny}, nil
	case first && last:
		p.Form = HostInfix
	case first:
		p.Form = HostSuffix
	case last:
		p.Form = HostPrefix
	}
	if len(text) <= maxUnicodeHost {
		if err := p.toASCII(); err != nil {
			return p, err
		}
	}
	switch {
	case len(p.Text) > MaxHost:
		return p, fmt.Errorf("must not be longer than %d bytes", MaxHost)
	case !httpguts.ValidHostHeader(p.Text):
		return p, errors.New("must be a host name such as example.com, *.example.com, api.* or *shop*, or a regular expression between slashes")
	}
	switch p.Form {
	case HostExact:
		p.Text = canonicalHost(p.Text)
	case HostSuffix:
		p.Text = strings.ToLower(strings.TrimRight(p.Text, "."))
	default:
		p.Text = strings.ToLower(p.Text)
	}
	switch {
	case p.Text == "":
		return p, errors.New("must be more than a dot")
	case p.Form == HostExact && strings.ContainsAny(p.Text, "[]"):
		return p, errors.New("may have brackets only around an IPv6 address, with nothing behind them")
	}
	return p, nil
}

// hostNames turns Unicode into what browsers send of it. Underscores are for hosts inside.
//
//nolint:gochecknoglobals // it never changes
var hostNames = idna.New(idna.MapForLookup(), idna.BidiRule(), idna.StrictDomainName(false))

// toASCII writes labels that are not ASCII as they are sent. A part of a label cannot be.
func (p *HostPattern) toASCII() error {
	if ascii(p.Text) {
		return nil
	}
	labels := strings.Split(p.Text, ".")
	if p.Form == HostSuffix || p.Form == HostInfix {
		if !ascii(labels[0]) {
			return errors.New("must have a dot or ASCII next to the *, since hosts are sent in punycode")
		}
	}
	if p.Form == HostPrefix || p.Form == HostInfix {
		if !ascii(labels[len(labels)-1]) {
			return errors.New("must have a dot or ASCII next to the *, since hosts are sent in punycode")
		}
	}
	text, err := hostNames.ToASCII(p.Text)
	if err != nil || !utf8.ValidString(p.Text) {
		return errors.New("must be a host name that can be written in punycode")
	}
	p.Text = text
	return nil
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// parseHostRegexp reads what is between the slashes. What a match costs is bounded by the size of
// the program and of the host.
func parseHostRegexp(expr string) (HostPattern, error) {
	p := HostPattern{Form: HostRegexp, Text: expr}
	switch {
	case expr == "":
		return p, errors.New("must have a regular expression between the slashes")
	case !ascii(expr):
		return p, errors.New("must have its regular expression in ASCII, since hosts are sent in punycode")
	}
	_, err := compileRegexp(expr)
	if err == nil {
		p.expr, err = regexp.Compile("(?i:" + expr + ")")
	}
	if err != nil {
		if wrong, ok := errors.AsType[*syntax.Error](err); ok {
			return p, fmt.Errorf("must be a regular expression between slashes: %s", wrong.Code)
		}
		return p, fmt.Errorf("must be a regular expression between slashes, but %w", err)
	}
	return p, nil
}

// Match tells whether a host, as [CanonicalHost] gives it, fits the pattern.
func (p HostPattern) Match(host string) bool {
	switch p.Form {
	case HostSuffix:
		return strings.HasSuffix(host, p.Text)
	case HostPrefix:
		return strings.HasPrefix(host, p.Text)
	case HostInfix:
		return strings.Contains(host, p.Text)
	case HostAny:
		return true
	case HostRegexp:
		return len(host) <= MaxHost && p.expr.MatchString(host)
	}
	return host == p.Text
}

// HasPort tells that the pattern is a name with a port, which no host is: they are compared
// without.
func (p HostPattern) HasPort() bool {
	return p.Form == HostExact && strings.Contains(p.Text, ":") && CanonicalHost(p.Text) != p.Text
}

// CanonicalHost is the host of a Host header as patterns are compared with it: without a port,
// brackets and trailing dots, in lower case, and IPv6 addresses in their shortest form.
func CanonicalHost(header string) string {
	host := header
	if host != "" && host[0] == '[' {
		if end := strings.IndexByte(host, ']'); end > 0 {
			host = host[:end+1]
		}
	} else if colon := strings.IndexByte(host, ':'); colon >= 0 && colon == strings.LastIndexByte(host, ':') {
		host = host[:colon]
	}
	return canonicalHost(host)
}

// canonicalHost is [CanonicalHost] for what has no port.
func canonicalHost(host string) string {
	if strings.IndexByte(host, ':') >= 0 {
		text := host
		if text[0] == '[' && text[len(text)-1] == ']' {
			text = text[1 : len(text)-1]
		}
		if addr, err := netip.ParseAddr(text); err == nil {
			return addr.WithZone("").String()
		}
	}
	return strings.ToLower(strings.TrimRight(host, "."))
}
