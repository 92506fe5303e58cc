package gateway

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/dgate-io/caddy-dgate/internal/hook"
	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// Target is one upstream, ready to be dialled.
type Target struct {
	// Dial is host:port.
	Dial string
	// Scheme is http or https.
	Scheme string
	// Host is what the Host header says unless the route preserves the client's.
	Host string
	// Transport says how to talk to it.
	Transport TransportKey

	path, query string // escaped; appended to, and merged with, the request's
}

// TransportKey tells connections apart that must not be shared.
type TransportKey struct {
	// TLS connects by TLS.
	TLS bool
	// SkipVerify accepts any certificate.
	SkipVerify bool
	// HTTP2 speaks HTTP/2 and nothing else; without TLS that is h2c.
	HTTP2 bool
	// ConnectTimeout bounds dialling; 0 means the proxy's default.
	ConnectTimeout time.Duration
	// Scripted targets were chosen by a script and not by the service: they are under the rules of fetch.
	Scripted bool
}

// service is a service as routes use it.
type service struct {
	res     *resource.Service
	targets []*Target
	turn    *atomic.Uint32 // whose turn it is; kept when the service is compiled again
	view    *hook.Service
	proxied *Proxied // nil: it needs no proxy of its own
	stats   *ServiceStats
}

// compileService readies a service. prev is the service as it was, or nil.
func compileService(res *resource.Service, prev *service) (*service, error) {
	s := &service{res: res, turn: new(atomic.Uint32), view: serviceView(res), stats: new(ServiceStats)}
	if prev != nil {
		s.turn, s.stats = prev.turn, prev.stats
	}
	for i, raw := range res.URLs {
		u, err := url.Parse(raw)
		if err != nil {
			return nil, fmt.Errorf("service %s: urls[%d]: %w", res.Name, i, err)
		}
		t, err := s.target(u)
		if err != nil {
			return nil, fmt.Errorf("service %s: urls[%d]: %w", res.Name, i, err)
		}
		s.targets = append(s.targets, t)
	}
	var err error
	s.proxied, err = newProxied(s)
	return s, err
}

// target turns a URL into a Target with the settings of s.
func (s *service) target(u *url.URL) (*Target, error) {
	t := &Target{
		Host: u.Host, path: u.EscapedPath(), query: u.RawQuery,
		Transport: TransportKey{HTTP2: s.res.HTTP2Only, ConnectTimeout: time.Duration(s.res.ConnectTimeout)},
	}
	if t.path != "" {
		t.path = cleanPath("/" + strings.TrimPrefix(t.path, "/"))
	}
	port := "80"
	switch strings.ToLower(u.Scheme) {
	case "http", "ws":
	case "h2c":
		t.Transport.HTTP2 = true
	case "https", "wss":
		t.Transport.TLS, t.Transport.SkipVerify, port = true, s.res.TLSSkipVerify, "443"
	default:
		return nil, fmt.Errorf("scheme %q is not http, https, h2c, ws or wss", u.Scheme)
	}
	t.Scheme = "http"
	if t.Transport.TLS {
		t.Scheme = "https"
	}
	host := u.Hostname()
	if host == "" || strings.ContainsAny(u.Host, "{}/ ") {
		return nil, fmt.Errorf("host %q is not a host", u.Host)
	}
	if p := u.Port(); p != "" {
		port = p
	}
	t.Dial = net.JoinHostPort(host, port)
	return t, nil
}

// owns tells whether a target is one of the service's own.
func (s *service) owns(t *Target) bool {
	return slices.ContainsFunc(s.targets, func(own *Target) bool { return own.Dial == t.Dial && own.Scheme == t.Scheme })
}

// first picks where the next request begins.
func (s *service) first() int {
	if len(s.targets) == 1 {
		return 0
	}
	return int((s.turn.Add(1) - 1) % uint32(len(s.targets))) //nolint:gosec // at most resource.MaxURLs
}

// retryable tells whether a request may be sent again after the upstream may have seen it.
func retryable(r *http.Request) bool {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodPut, http.MethodDelete:
		return r.Body == nil || r.Body == http.NoBody
	}
	return false
}

func serviceView(res *resource.Service) *hook.Service {
	return &hook.Service{
		Name: res.Name, Namespace: res.Namespace, URLs: res.URLs, Tags: res.Tags, Retries: res.Retries,
		RetryTimeout: time.Duration(res.RetryTimeout), ConnectTimeout: time.Duration(res.ConnectTimeout),
		RequestTimeout: time.Duration(res.RequestTimeout), TLSSkipVerify: res.TLSSkipVerify,
		HTTP2Only: res.HTTP2Only, HideDGateHeaders: res.HideDGateHeaders, DisableQuery: res.DisableQueryParams,
	}
}
