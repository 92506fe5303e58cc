package resource

import (
	"encoding/json"
	"errors"
	"net/url"
	"strconv"
	"strings"
)

var serviceKind = Kind{
	Name: "service", Plural: "services", Aliases: []string{"svc"}, Scope: InNamespace, Routed: true, MaxBody: smallBody,
	Help: "One or more upstream URLs that routes proxy to.",
	New:  func() Object { return &Service{Retries: 3} },
}

// MaxURLs is how many upstreams one service may have.
const MaxURLs = 256

// MaxRetries is how often a service may try a request again.
const MaxRetries = 100

// Service is a group of upstream URLs that routes proxy to. Its fields are described by their help tags.
type Service struct {
	Name               string          `json:"name" dgate:"required" help:"Name of the service."`
	URLs               []string        `json:"urls" dgate:"required" help:"Upstreams, absolute URLs with scheme http, https, h2c, ws or wss. Several are used round robin."`
	Namespace          string          `json:"namespace" dgate:"default=default" help:"Namespace of the service."`
	Retries            int             `json:"retries" dgate:"default=3" help:"Further attempts after the first. Connect errors try each URL at most once; other errors are retried for GET, HEAD and OPTIONS, and for PUT and DELETE without a body."`
	RetryTimeout       Duration        `json:"retryTimeout" help:"Pause between two attempts."`
	ConnectTimeout     Duration        `json:"connectTimeout" help:"How long connecting to an upstream may take; 0 means 3s."`
	RequestTimeout     Duration        `json:"requestTimeout" help:"How long an attempt may take until the response headers are there; 0 means no limit."`
	TLSSkipVerify      bool            `json:"tlsSkipVerify" help:"Do not verify the certificates of https upstreams."`
	HTTP2Only          bool            `json:"http2Only" help:"Speak only HTTP/2 to the upstreams: h2 over TLS, h2c without."`
	HideDGateHeaders   bool            `json:"hideDGateHeaders,omitempty" help:"Do not send X-DGate-* headers upstream."`
	DisableQueryParams bool            `json:"disableQueryParams,omitempty" help:"Drop the client's query parameters."`
	Tags               []string        `json:"tags,omitempty" help:"Free words for people and modules."`
	Proxy              json.RawMessage `json:"proxy,omitempty" dgate:"quiet" help:"Part of the JSON of Caddy's reverse_proxy: load_balancing, health_checks, transport, headers, flush_interval, request_buffers, response_buffers, stream_timeout, stream_buffer_size, stream_close_delay. It wins over the fields."`
	Meta               `json:"-"`
}

// Key implements [Object].
func (s *Service) Key() Key { return Key{Kind: "service", Namespace: s.Namespace, Name: s.Name} }

// SetKey implements [Object].
func (s *Service) SetKey(k Key) { s.Namespace, s.Name = k.Namespace, k.Name }

// Validate implements [Object].
func (s *Service) Validate() error {
	s.URLs, s.Tags = unique(s.URLs), unique(s.Tags)
	errs := checkScoped(s.Name, s.Namespace, s.Tags)
	switch {
	case len(s.URLs) == 0:
		errs = append(errs, Invalid("urls", "", "are required"))
	case len(s.URLs) > MaxURLs:
		errs = append(errs, Invalid("urls", "", "must not be more than %d", MaxURLs))
	}
	for i, raw := range s.URLs {
		if problem := checkURL(raw); problem != "" {
			errs = append(errs, Invalid(index("urls", i), raw, "%s", problem))
		}
	}
	if s.Retries < 0 || s.Retries > MaxRetries {
		errs = append(errs, Invalid("retries", "", "must be from 0 to %d", MaxRetries))
	}
	for _, f := range []struct {
		name string
		span Duration
	}{{"retryTimeout", s.RetryTimeout}, {"connectTimeout", s.ConnectTimeout}, {"requestTimeout", s.RequestTimeout}} {
		if f.span < 0 {
			errs = append(errs, Invalid(f.name, f.span.String(), "must not be negative"))
		}
	}
	return errors.Join(append(errs, s.checkProxy()...)...)
}

// References implements [Object].
func (s *Service) References() []Reference { return []Reference{namespaceRef(s.Namespace)} }

// Claims implements [Object]: a service claims nothing.
func (s *Service) Claims() []Claim { return nil }

// checkURL says what is wrong with an upstream URL, or nothing.
func checkURL(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return "must be an absolute URL such as http://10.0.0.1:8080"
	}
	switch strings.ToLower(u.Scheme) {
	case "http", "https", "h2c", "ws", "wss":
	case "":
		return "must begin with a scheme: http, https, h2c, ws or wss"
	default:
		return "must have the scheme http, https, h2c, ws or wss"
	}
	switch {
	case u.Hostname() == "":
		return "must name a host"
	case strings.ContainsAny(u.Host, "{}"):
		return "must not have placeholders"
	case !validPort(u.Port()):
		return "must have a port from 1 to 65535"
	case u.User != nil:
		return "must not have a user or password"
	case u.Fragment != "":
		return "must not have a fragment"
	}
	return ""
}

func validPort(port string) bool {
	n, err := strconv.ParseUint(port, 10, 16)
	return port == "" || err == nil && n > 0
}
