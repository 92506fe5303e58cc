package handlers

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/headers"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"

	"github.com/dgate-io/caddy-dgate/internal/gateway"
)

// serviceProxy is Caddy's reverse proxy for one service with an object `proxy`. Which upstream an
// attempt goes to is up to the object; what the request looks like there to the exchange.
type serviceProxy struct {
	handler *reverseproxy.Handler
	policy  reverseproxy.Selector
	targets map[*reverseproxy.Upstream]*gateway.Target
	over    gateway.Overrides
	uses
}

// provisioning is held while a reverse proxy is provisioned: Caddy writes to variables of the
// package then.
//
//nolint:gochecknoglobals // it guards globals of Caddy
var provisioning sync.Mutex

// provision readies a reverse proxy.
func provision(ctx caddy.Context, h *reverseproxy.Handler) error {
	provisioning.Lock()
	defer provisioning.Unlock()
	return h.Provision(ctx)
}

// newServiceProxy makes a proxy for a service. It lives, and checks the health of the upstreams,
// until it is let go, whatever becomes of ctx: requests may outlive their configuration.
func newServiceProxy(ctx caddy.Context, guard Guard, p *gateway.Proxied) (*serviceProxy, error) {
	s := &serviceProxy{handler: new(reverseproxy.Handler), targets: map[*reverseproxy.Upstream]*gateway.Target{}}
	if err := s.decode(p.Service.Proxy); err != nil {
		return nil, err
	}
	ctx.Context = context.WithoutCancel(ctx.Context)
	ctx, cancel := caddy.NewContext(ctx)
	t := &transports{ctx: ctx, guard: guard, base: s.handler.TransportRaw, service: s, byKey: map[gateway.TransportKey]*reverseproxy.HTTPTransport{}}
	s.handler.TransportRaw, s.handler.Transport = nil, t
	for _, target := range p.Targets {
		up := &reverseproxy.Upstream{Dial: target.Dial}
		s.handler.Upstreams = append(s.handler.Upstreams, up)
		s.targets[up] = target
	}
	s.handler.HandleResponse = []caddyhttp.ResponseHandler{{
		Match:  &caddyhttp.ResponseMatcher{Headers: http.Header{hookFailed: {}}},
		Routes: caddyhttp.RouteList{{Handlers: []caddyhttp.MiddlewareHandler{abort{}}}},
	}}
	if err := provision(ctx, s.handler); err != nil {
		cancel()
		return nil, err
	}
	lb := s.handler.LoadBalancing
	s.policy, lb.SelectionPolicy = lb.SelectionPolicy, s
	if !s.over.Retries {
		lb.Retries = len(p.Targets) + p.Service.Retries + 1 // above all that the exchange may allow
		lb.RetryMatch = caddyhttp.MatcherSets{{never{}}}
	}
	closeStreams := s.handler.StreamCloseDelay > 0
	s.uses = uses{
		stop: cancel, early: closeStreams,
		close: func() { s.handler.Cleanup(); t.close() }, //nolint:errcheck // of closing connections
	}
	return s, nil
}

// decode reads an object `proxy`.
func (s *serviceProxy) decode(data json.RawMessage) error {
	if err := json.Unmarshal(data, s.handler); err != nil {
		return err
	}
	var given struct {
		LoadBalancing struct {
			Retries     *int            `json:"retries"`
			TryDuration json.RawMessage `json:"try_duration"`
		} `json:"load_balancing"`
		Transport struct {
			ResponseHeaderTimeout json.RawMessage `json:"response_header_timeout"`
		} `json:"transport"`
	}
	if err := json.Unmarshal(data, &given); err != nil {
		return err
	}
	if s.handler.LoadBalancing == nil {
		s.handler.LoadBalancing = new(reverseproxy.LoadBalancing)
	}
	if lb := s.handler.LoadBalancing; lb.SelectionPolicyRaw == nil {
		lb.SelectionPolicyRaw = json.RawMessage(`{"policy":"round_robin"}`)
	}
	s.over = gateway.Overrides{
		Retries: given.LoadBalancing.Retries != nil || given.LoadBalancing.TryDuration != nil,
		Timeout: given.Transport.ResponseHeaderTimeout != nil,
		Host:    s.handler.Headers != nil && touches(s.handler.Headers.Request, "Host"),
	}
	return nil
}

// touches tells whether operations are about a header.
func touches(ops *headers.HeaderOps, name string) bool {
	if ops == nil {
		return false
	}
	is := func(pattern string) bool {
		ok, err := path.Match(strings.ToLower(pattern), strings.ToLower(name))
		return ok && err == nil
	}
	for _, m := range []http.Header{ops.Add, ops.Set} {
		for field := range m {
			if is(field) {
				return true
			}
		}
	}
	for field := range ops.Replace {
		if field != "*" && is(field) {
			return true
		}
	}
	return false
}

// serve proxies a request. An error means that nothing was written to w.
func (s *serviceProxy) serve(w http.ResponseWriter, r *http.Request) error {
	use := s.enter()
	defer use.leave()
	gateway.ExchangeFrom(r.Context()).Override(s.over)
	err := s.handler.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), useKey{}, use)), nil)
	return withStatus(err)
}

// Select implements [reverseproxy.Selector]: the policy of the service decides among the upstreams
// that could be connected to so far, unless a script has chosen another.
func (s *serviceProxy) Select(pool reverseproxy.UpstreamPool, r *http.Request, w http.ResponseWriter) *reverseproxy.Upstream {
	x := gateway.ExchangeFrom(r.Context())
	if t := x.Fixed(); t != nil {
		x.Pause(r.Context())
		x.Take(t)
		return &reverseproxy.Upstream{Dial: t.Dial, Host: new(reverseproxy.Host)}
	}
	up := s.policy.Select(pool, r, w)
	if up != nil && x.Dead(up.Dial) { // the next best
		up = s.policy.Select(slices.DeleteFunc(slices.Clone(pool), func(u *reverseproxy.Upstream) bool { return x.Dead(u.Dial) }), r, w)
	}
	if up != nil {
		x.Pause(r.Context())
		x.Take(s.targets[up])
	}
	return up
}

// checked is the target that a request of a health check goes to. Another port of the same host
// is spoken to like the upstream itself.
func (s *serviceProxy) checked(di reverseproxy.DialInfo) *gateway.Target {
	if t := s.targets[di.Upstream]; t != nil {
		return t
	}
	for _, t := range s.targets {
		if host, _, err := net.SplitHostPort(t.Dial); err == nil && host == di.Host {
			return t
		}
	}
	return nil
}

// health tells how the upstreams are.
func (s *serviceProxy) health(p *gateway.Proxied) gateway.Health {
	var h gateway.Health
	if checks := s.handler.HealthChecks; checks != nil {
		if checks.Active != nil {
			h.Checks = append(h.Checks, "active")
		}
		if checks.Passive != nil {
			h.Checks = append(h.Checks, "passive")
		}
	}
	for i, up := range s.handler.Upstreams {
		h.Upstreams = append(h.Upstreams, gateway.UpstreamHealth{
			URL: p.Service.URLs[i], Address: up.Dial, Healthy: up.Healthy(), Requests: up.NumRequests(), Fails: up.Fails(),
		})
	}
	return h
}

// hookFailed is a header that no upstream can send. It marks what stands in for an answer that a
// responseModifier has failed on: an error would count as one of the upstream, and be tried again.
const hookFailed = ":hook"

// failedHook is such an answer. It keeps the status, which passive health checks look at.
func failedHook(req *http.Request, status int) *http.Response {
	return &http.Response{
		StatusCode: status, Header: http.Header{hookFailed: {"failed"}}, Body: http.NoBody,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: req,
	}
}

// abort ends a request whose exchange knows why.
type abort struct{}

// ServeHTTP implements [caddyhttp.MiddlewareHandler].
func (abort) ServeHTTP(http.ResponseWriter, *http.Request, caddyhttp.Handler) error {
	return errors.New("responseModifier failed")
}

var (
	_ reverseproxy.Selector       = (*serviceProxy)(nil)
	_ caddyhttp.MiddlewareHandler = abort{}
)
