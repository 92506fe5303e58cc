package handlers

import (
	"fmt"
	"net/http"
	"net/netip"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"

	"github.com/dgate-io/caddy-dgate/internal/gateway"
	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// Proxy sends requests to the upstreams of services with Caddy's own reverse proxy. One handler
// serves all services: which upstream a request goes to, how often it is tried again and what it
// looks like there is decided per request by its [gateway.Exchange].
//
// It is made once per configuration. Requests and WebSockets that began under an earlier one
// finish on the proxy that they began with.
type Proxy struct {
	handler    *reverseproxy.Handler
	transports *transports
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
	p := &Proxy{transports: &transports{ctx: ctx, guard: guard, byKey: map[gateway.TransportKey]*reverseproxy.HTTPTransport{}}}
	p.handler = &reverseproxy.Handler{
		Transport:        p.transports,
		DynamicUpstreams: upstreams{},
		LoadBalancing: &reverseproxy.LoadBalancing{
			SelectionPolicy: only{},
			// The exchange decides; this is only above everything that it may allow.
			Retries: resource.MaxURLs + resource.MaxRetries + 1,
		},
	}
	if err := p.handler.Provision(ctx); err != nil {
		return nil, fmt.Errorf("reverse proxy: %w", err)
	}
	// Caddy tries GET again on any error, unless there is a matcher that says no.
	p.handler.LoadBalancing.RetryMatch = caddyhttp.MatcherSets{{never{}}}
	return p, nil
}

// Forward implements [gateway.Forwarder].
func (p *Proxy) Forward(w http.ResponseWriter, r *http.Request) error {
	return p.handler.ServeHTTP(w, r, nil)
}

// Close lets idle connections go. Those in use are left alone: the reverse proxy's own Cleanup
// would cut open WebSockets.
func (p *Proxy) Close() { p.transports.close() }

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
	_ reverseproxy.UpstreamSource       = upstreams{}
	_ reverseproxy.Selector             = only{}
	_ caddyhttp.RequestMatcherWithError = never{}
)
