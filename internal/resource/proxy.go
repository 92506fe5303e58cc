package resource

import (
	"bytes"
	"encoding/json"
	"math"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
)

// MaxProxySize bounds the object `proxy` of a service, in bytes of its JSON.
const MaxProxySize = 64 << 10

// maxBuffer bounds what a proxy may hold back of one request or one answer, in bytes.
const maxBuffer = 64 << 20

// minInterval bounds how often upstreams can be asked for their health.
const minInterval = 100 * time.Millisecond

// checkProxy brings the object `proxy` into canonical form and says what is wrong with it, as far
// as that can be said without Caddy. An empty one is as good as none.
func (s *Service) checkProxy() []error {
	if len(s.Proxy) == 0 || string(s.Proxy) == "null" {
		s.Proxy = nil
		return nil
	}
	compact, err := checkJSON("proxy", s.Proxy, MaxProxySize)
	if err != nil {
		return []error{err}
	}
	s.Proxy = compact
	dec := json.NewDecoder(bytes.NewReader(compact))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return one("proxy", "must be JSON: %s", err)
	}
	if errs := proxyShape("proxy", v); len(errs) > 0 {
		return errs
	}
	m, _ := v.(map[string]any)
	if len(m) == 0 {
		s.Proxy = nil
	}
	return s.checkTogether(m)
}

// checkTogether looks for members of an object `proxy` that would silently do nothing.
func (s *Service) checkTogether(proxy map[string]any) (errs []error) {
	at := func(path ...string) (v any) {
		v = proxy
		for _, name := range path {
			m, _ := v.(map[string]any)
			v = m[name]
		}
		return v
	}
	if active, ok := at("health_checks", "active").(map[string]any); ok && active["uri"] == nil && active["port"] == nil {
		errs = append(errs, Invalid("proxy.health_checks.active", "", "must have uri or port: nothing is checked otherwise"))
	}
	if passive, ok := at("health_checks", "passive").(map[string]any); ok && passive["fail_duration"] == nil && passive["unhealthy_request_count"] == nil {
		errs = append(errs, Invalid("proxy.health_checks.passive", "", "must have fail_duration or unhealthy_request_count: no failure is remembered otherwise"))
	}
	if weights, ok := at("load_balancing", "selection_policy", "weights").([]any); ok && len(weights) != len(s.URLs) {
		errs = append(errs, Invalid("proxy.load_balancing.selection_policy.weights", "", "must be as many as urls: %d, not %d", len(s.URLs), len(weights)))
	}
	if at("transport", "tls") != nil && !slices.ContainsFunc(s.URLs, overTLS) {
		errs = append(errs, Invalid("proxy.transport.tls", "", "has no use: none of urls begins with https or wss"))
	}
	return errs
}

func overTLS(raw string) bool {
	scheme, _, _ := strings.Cut(strings.ToLower(raw), ":")
	return scheme == "https" || scheme == "wss"
}

// proxyShape is the part of the JSON of Caddy's reverse_proxy that services may have. What is left
// out reads files of the node, leads to other places than urls, or runs other handlers.
//
//nolint:gochecknoglobals // a table
var proxyShape = object(map[string]shape{
	"load_balancing": object(map[string]shape{
		"selection_policy": policy,
		"retries":          whole(0, MaxRetries),
		"try_duration":     span(0),
		"try_interval":     span(time.Millisecond),
	}),
	"health_checks": object(map[string]shape{
		"active": object(map[string]shape{
			"uri":              text(requestURI),
			"port":             whole(1, math.MaxUint16),
			"method":           text(token),
			"headers":          headerValues,
			"body":             text(plain),
			"follow_redirects": truth,
			"interval":         span(minInterval),
			"timeout":          span(0),
			"passes":           whole(0, math.MaxInt32),
			"fails":            whole(0, math.MaxInt32),
			"max_size":         whole(0, maxBuffer),
			"expect_status":    statusCode,
			"expect_body":      text(expression),
		}),
		"passive": object(map[string]shape{
			"fail_duration":           span(0),
			"max_fails":               whole(0, math.MaxInt32),
			"unhealthy_request_count": whole(0, math.MaxInt32),
			"unhealthy_status":        list(statusCode),
			"unhealthy_latency":       span(0),
		}),
	}),
	"transport": kindOf("protocol", map[string]shape{"http": object(map[string]shape{
		"tls": object(map[string]shape{
			"ca": kindOf("provider", map[string]shape{"inline": object(map[string]shape{
				"trusted_ca_certs": list(text(plain)),
			})}),
			"insecure_skip_verify": truth,
			"handshake_timeout":    span(0),
			"server_name":          text(plain),
			"renegotiation":        word("never", "once", "freely"),
			"curves":               list(text(plain)),
		}),
		"keep_alive": object(map[string]shape{
			"enabled":                 truth,
			"probe_interval":          span(math.MinInt64),
			"max_idle_conns":          whole(0, math.MaxInt32),
			"max_idle_conns_per_host": whole(-1, math.MaxInt32),
			"idle_timeout":            span(0),
		}),
		"compression":              truth,
		"max_conns_per_host":       whole(0, math.MaxInt32),
		"dial_timeout":             span(0),
		"dial_fallback_delay":      span(math.MinInt64),
		"response_header_timeout":  span(0),
		"expect_continue_timeout":  span(0),
		"max_response_header_size": whole(0, maxBuffer),
		"write_buffer_size":        whole(0, 1<<20),
		"read_buffer_size":         whole(0, 1<<20),
		"read_timeout":             span(0),
		"write_timeout":            span(0),
		"versions":                 list(word("1.1", "2", "h2c")),
		"resolver":                 object(map[string]shape{"addresses": list(text(ipAddress))}),
	})}),
	"headers": object(map[string]shape{
		"request": object(map[string]shape{
			"add": headerValues, "set": headerValues, "delete": list(text(token)), "replace": headerReplacements,
		}),
		"response": object(map[string]shape{
			"add": headerValues, "set": headerValues, "delete": list(text(token)), "replace": headerReplacements,
			"deferred": truth,
			"require":  object(map[string]shape{"status_code": list(statusCode), "headers": headerValues}),
		}),
	}),
	"flush_interval":     span(math.MinInt64),
	"request_buffers":    whole(0, maxBuffer),
	"response_buffers":   whole(0, maxBuffer),
	"stream_timeout":     span(0),
	"stream_buffer_size": whole(0, 1<<20),
	"stream_close_delay": span(0),
})

// policy is a selection policy, perhaps with one that stands in for it. It has no secret for the
// cookie: services are stored and answered in clear.
func policy(at string, v any) []error {
	none := object(nil)
	return kindOf("policy", map[string]shape{
		"random": none, "least_conn": none, "round_robin": none, "first": none,
		"ip_hash": none, "client_ip_hash": none, "uri_hash": none,
		"random_choose":        object(map[string]shape{"choose": whole(2, MaxURLs)}),
		"weighted_round_robin": object(map[string]shape{"weights": list(whole(0, math.MaxInt16))}),
		"query":                object(map[string]shape{"key": text(plain), "fallback": policy}),
		"header":               object(map[string]shape{"field": text(token), "fallback": policy}),
		"cookie":               object(map[string]shape{"name": text(token), "max_age": span(0), "fallback": policy}),
	})(at, v)
}

//nolint:gochecknoglobals // tables
var (
	statusCode   = whole(1, 599) // 1 to 5 stand for whole classes
	headerValues = byName(token, list(text(plain)))

	headerReplacements = byName(token, list(object(map[string]shape{
		"search":        text(plain),
		"search_regexp": text(func(s string) string { return firstProblem(plain(s), expression(s)) }),
		"replace":       text(plain),
	})))
)

func firstProblem(problems ...string) string {
	for _, p := range problems {
		if p != "" {
			return p
		}
	}
	return ""
}

// plain is text that Caddy takes as it is. Its placeholders would give away the environment and
// the files of the node.
func plain(s string) string {
	switch {
	case strings.ContainsAny(s, "{}"):
		return "must not have placeholders, nor braces, which they are made of"
	case strings.ContainsFunc(s, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }):
		return "must not have control characters"
	}
	return ""
}

// token is the name of a header, where it can have stars, or a method.
func token(s string) string {
	for i := range len(s) {
		if c := s[i]; !letterOrDigit(c) && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return "must have only letters, digits and hyphens"
		}
	}
	if s == "" {
		return "must not be empty"
	}
	return ""
}

// requestURI is a path, perhaps with a query.
func requestURI(s string) string {
	if !strings.HasPrefix(s, "/") || strings.HasPrefix(s, "//") || strings.Contains(s, "#") { // // would be followed by a host
		return "must begin with one slash: it is a path on the upstream, perhaps with a query"
	}
	if _, err := url.Parse(s); err != nil {
		return "must be a path, perhaps with a query"
	}
	return plain(s)
}

// ipAddress is where a name server is.
func ipAddress(s string) string {
	_, bare := netip.ParseAddr(s)
	_, withPort := netip.ParseAddrPort(s)
	if bare != nil && withPort != nil {
		return "must be an IP address, with a port if that is not 53"
	}
	return ""
}

// expression is a regular expression.
func expression(s string) string {
	if _, err := compileRegexp(s); err != nil {
		return "must be a regular expression: " + err.Error()
	}
	return ""
}
