package gateway

import (
	"crypto/sha256"
	"fmt"
	"slices"

	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// Proxies makes the proxies of services that have an object `proxy`, and keeps them while the
// table has their services. All others are served by the [Forwarder] as it is.
type Proxies interface {
	// Try says what is wrong with the object `proxy` of a service that is valid otherwise.
	// A mistake is a *resource.FieldError.
	Try(*Proxied) error
	// Keep readies the proxies of some services and lets those of all others go. Requests that use
	// one that goes finish on it. Calls do not overlap.
	Keep([]*Proxied)
	// Health tells how the upstreams of a service are, in the order of its URLs.
	Health(*Proxied) (Health, error)
}

// Proxied is a service with an object `proxy`, compiled.
type Proxied struct {
	// Key is that of all services that are the same.
	Key [sha256.Size]byte
	// Service is the resource.
	Service *resource.Service
	// Targets are its upstreams, in the order of its URLs.
	Targets []*Target
}

// Health is what is known of the upstreams of a service.
type Health struct {
	// Checks are the kinds of health checks that the service has: active, passive, both or none.
	Checks []string
	// Upstreams are in the order of the service's URLs.
	Upstreams []UpstreamHealth
}

// UpstreamHealth is what is known of one upstream.
type UpstreamHealth struct {
	// URL is that of the service.
	URL string
	// Address is what is dialled, host:port.
	Address string
	// Healthy upstreams get requests. All are as long as nothing checks them.
	Healthy bool
	// Requests are those that the upstream is answering now.
	Requests int
	// Fails counts the recent failures that passive checks remember.
	Fails int
}

// Overrides are what an object `proxy` says in place of the fields of its service.
type Overrides struct {
	// Retries: whether to try again is not up to the exchange.
	Retries bool
	// Timeout: how long to wait for response headers is not up to the exchange.
	Timeout bool
	// Host: the header is as the proxy has set it.
	Host bool
}

// newProxied gives the part of a service that a proxy of its own is made from, or nil if it needs none.
func newProxied(s *service) (*Proxied, error) {
	if s.res.Proxy == nil {
		return nil, nil
	}
	data, err := resource.Encode(s.res)
	if err != nil {
		return nil, fmt.Errorf("service %s: %w", s.res.Name, err)
	}
	return &Proxied{Key: sha256.Sum256(data), Service: s.res, Targets: s.targets}, nil
}

// proxied lists the services that have a proxy of their own.
func (t *Table) proxied() (all []*Proxied) {
	if t == nil {
		return nil
	}
	for _, n := range t.namespaces {
		for _, s := range n.services {
			if s.proxied != nil {
				all = append(all, s.proxied)
			}
		}
	}
	return all
}

// swap puts a table in use. The proxies that it needs are there before, and those that only the
// table before needed go afterwards.
func (g *Gateway) swap(next *Table) {
	g.swapping.Lock()
	defer g.swapping.Unlock()
	before, after := g.table.Load().proxied(), next.proxied()
	proxies := g.options.Load().Proxies
	if proxies == nil || len(before)+len(after) == 0 {
		g.table.Store(next)
		return
	}
	proxies.Keep(append(before, after...))
	g.table.Store(next)
	proxies.Keep(after)
}

// use puts settings in use, with proxies that fit the table.
func (g *Gateway) use(options *Options) {
	g.swapping.Lock()
	defer g.swapping.Unlock()
	if options.Proxies != nil {
		options.Proxies.Keep(g.table.Load().proxied())
	}
	g.options.Store(options)
}

// service finds a service by the names of its namespace and its own.
func (t *Table) service(namespace, name string) (*service, error) {
	if t != nil && t.namespaces[namespace] != nil {
		if s := t.namespaces[namespace].services[name]; s != nil {
			return s, nil
		}
	}
	return nil, resource.Errorf(resource.NotFound, "service not found: %s/%s", namespace, name)
}

// Health tells how the upstreams of a service are, as far as this node knows.
func (g *Gateway) Health(namespace, name string) (Health, error) {
	s, err := g.table.Load().service(namespace, name)
	if err != nil {
		return Health{}, err
	}
	if proxies := g.options.Load().Proxies; s.proxied != nil && proxies != nil {
		return proxies.Health(s.proxied)
	}
	var h Health
	for i, t := range s.targets {
		h.Upstreams = append(h.Upstreams, UpstreamHealth{URL: s.res.URLs[i], Address: t.Dial, Healthy: true})
	}
	return h, nil
}

// Dials are the addresses, host:port, of the upstreams of a service. If the service needs more than
// its addresses, beyond says what. err says that there is no such service.
func (t *Table) Dials(namespace, name string) (dials []string, beyond, err error) {
	s, err := t.service(namespace, name)
	if err != nil {
		return nil, nil, err
	}
	for _, target := range s.targets {
		if !slices.Contains(dials, target.Dial) {
			dials = append(dials, target.Dial)
		}
		if beyond == nil {
			beyond = s.beyond(target)
		}
	}
	return dials, beyond, nil
}

// beyond says what a target needs beyond its address.
func (s *service) beyond(t *Target) error {
	var need string
	switch {
	case t.Transport.TLS:
		need = "TLS"
	case t.Transport.HTTP2:
		need = "HTTP/2 without TLS"
	case t.path != "" && t.path != "/" || t.query != "":
		need = "the path or query of its URL"
	case s.res.ConnectTimeout != 0 || s.res.RequestTimeout != 0:
		need = "its timeouts"
	case s.res.Proxy != nil:
		need = "its object proxy"
	default:
		return nil
	}
	return fmt.Errorf("service %s/%s needs %s", s.res.Namespace, s.res.Name, need)
}

// Proxied is the service of the request if it has a proxy of its own, or nil.
func (x *Exchange) Proxied() *Proxied { return x.plan.service.proxied }

// Override takes decisions from the exchange that a proxy makes.
func (x *Exchange) Override(o Overrides) { x.over = o }

// Fixed is the target that a script has chosen, or nil.
func (x *Exchange) Fixed() *Target {
	if !x.scripted {
		return nil
	}
	return x.targets[0]
}

// Dead tells whether an address could not be connected to.
func (x *Exchange) Dead(dial string) bool { return slices.Contains(x.dead, dial) }

// Failed tells whether the responseModifier has failed: that is not the fault of the upstream.
func (x *Exchange) Failed() bool { return x.hookErr != nil }
