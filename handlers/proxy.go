package handlers

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"sync"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
	"go.uber.org/zap"

	"github.com/dgate-io/caddy-dgate/internal/gateway"
	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// Proxy sends requests to the upstreams of services with Caddy's own reverse proxy. One handler
// serves all services: which upstream a request goes to, how often it is tried again and what it
// looks like there is decided per request by its [gateway.Exchange]. Only services with an object
// `proxy` have a handler of their own.
//
// It is made once per configuration. Requests and WebSockets that began under an earlier one
// finish on the proxy that they began with.
type Proxy struct {
	ctx        caddy.Context
	handler    *reverseproxy.Handler
	transports *transports

	mu       sync.Mutex
	services map[[sha256.Size]byte]*serviceProxy // that have a proxy of their own
	closed   bool
}

// Guard knows where connections must not lead. An error says why.
type Guard interface {
	// Forbidden is asked about every upstream.
	Forbidden(netip.AddrPort) error
	// Allowed is asked about upstreams that a script has chosen.
	Allowed(netip.AddrPort) error
}

// NewProxy makes a proxy whose background work ends with ctx.
func NewProxy(ctx caddy.Context, guard Guard) (*Proxy, error) {
	p := &Proxy{ctx: ctx, services: map[[sha256.Size]byte]*serviceProxy{}, transports: &transports{ctx: ctx, guard: guard, byKey: map[gateway.TransportKey]*reverseproxy.HTTPTransport{}}}
	p.handler = &reverseproxy.Handler{
		Transport:        p.transports,
		DynamicUpstreams: upstreams{},
		LoadBalancing: &reverseproxy.LoadBalancing{
			SelectionPolicy: only{},
			// The exchange decides; this is only above everything that it may allow.
			Retries: resource.MaxURLs + resource.MaxRetries + 1,
		},
	}
	if err := provision(ctx, p.handler); err != nil {
		return nil, fmt.Errorf("reverse proxy: %w", err)
	}
	// Caddy tries GET again on any error, unless there is a matcher that says no.
	p.handler.LoadBalancing.RetryMatch = caddyhttp.MatcherSets{{never{}}}
	return p, nil
}

// Forward implements [gateway.Forwarder].
func (p *Proxy) Forward(w http.ResponseWriter, r *http.Request) error {
	service := gateway.ExchangeFrom(r.Context()).Proxied()
	if service == nil {
		return p.handler.ServeHTTP(w, r, nil)
	}
	p.mu.Lock()
	s := p.services[service.Key]
	p.mu.Unlock()
	if s == nil { // the table that the request was routed by is not in use any more
		var err error
		if s, err = newServiceProxy(p.ctx, p.transports.guard, service); err != nil {
			return fmt.Errorf("%s: %w", service.Service.Key(), err)
		}
		defer s.drop()
	}
	return s.serve(w, r)
}

// Close lets idle connections go, and the proxies of services when no request uses them any more.
// Connections in use are left alone: the reverse proxy's own Cleanup would cut open WebSockets.
func (p *Proxy) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	p.keep(nil)
	p.transports.close()
}

// Keep implements [gateway.Proxies]. A configuration that has ended, perhaps because it could not
// start, keeps nothing any more.
func (p *Proxy) Keep(services []*gateway.Proxied) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		p.keep(services)
	}
}

// keep makes the proxies that are missing and drops those that are too many. mu is held.
func (p *Proxy) keep(services []*gateway.Proxied) {
	keep := make(map[[sha256.Size]byte]bool, len(services))
	for _, service := range services {
		keep[service.Key] = true
		if p.services[service.Key] != nil {
			continue
		}
		s, err := newServiceProxy(p.ctx, p.transports.guard, service)
		if err != nil { // it was tried before it was stored, but perhaps by another version of Caddy
			p.ctx.Logger().Error("a service has no proxy", zap.Stringer("service", service.Service.Key()), zap.Error(err))
			continue
		}
		p.services[service.Key] = s
	}
	for key, s := range p.services {
		if !keep[key] {
			delete(p.services, key)
			s.drop()
		}
	}
}

// Try implements [gateway.Proxies]. It connects to nobody.
func (p *Proxy) Try(service *gateway.Proxied) error {
	for _, target := range service.Targets {
		var base struct {
			Transport json.RawMessage `json:"transport"`
		}
		if err := json.Unmarshal(service.Service.Proxy, &base); err != nil {
			return resource.Invalid("proxy", "", "is not accepted: %s", err)
		}
		ctx, cancel := caddy.NewContext(p.ctx)
		_, err := newTransport(ctx, base.Transport, target.Transport, p.transports.guard)
		cancel()
		if err != nil {
			return resource.Invalid("proxy.transport", "", "is not accepted: %s", err)
		}
	}
	s, err := newServiceProxy(p.ctx, p.transports.guard, &gateway.Proxied{Service: service.Service})
	if err != nil {
		return resource.Invalid("proxy", "", "is not accepted: %s", err)
	}
	defer s.drop()
	if ops := s.handler.Headers; ops != nil {
		if err := ops.Validate(); err != nil { // the reverse proxy does not
			return resource.Invalid("proxy.headers", "", "is not accepted: %s", err)
		}
	}
	return nil
}

// Health implements [gateway.Proxies].
func (p *Proxy) Health(service *gateway.Proxied) (gateway.Health, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.services[service.Key]
	if s == nil {
		return gateway.Health{}, fmt.Errorf("%s has no proxy", service.Service.Key())
	}
	return s.health(service), nil
}

// upstreams gives Caddy the one upstream that the exchange has chosen for the attempt.
type upstreams struct{}

// GetUpstreams implements [reverseproxy.UpstreamSource].
func (upstreams) GetUpstreams(r *http.Request) ([]*reverseproxy.Upstream, error) {
	t := gateway.ExchangeFrom(r.Context()).Next(r.Context())
	return []*reverseproxy.Upstream{{Dial: t.Dial}}, nil
}

// only selects the one upstream that there is.
type only struct{}

// Select implements [reverseproxy.Selector].
func (only) Select(pool reverseproxy.UpstreamPool, _ *http.Request, _ http.ResponseWriter) *reverseproxy.Upstream {
	return pool[0]
}

// never matches no request.
type never struct{}

// MatchWithError implements [caddyhttp.RequestMatcherWithError].
func (never) MatchWithError(*http.Request) (bool, error) { return false, nil }

var (
	_ gateway.Forwarder                 = (*Proxy)(nil)
	_ gateway.Proxies                   = (*Proxy)(nil)
	_ reverseproxy.UpstreamSource       = upstreams{}
	_ reverseproxy.Selector             = only{}
	_ caddyhttp.RequestMatcherWithError = never{}
)
