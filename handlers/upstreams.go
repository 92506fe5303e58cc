package handlers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
	"go.uber.org/zap"

	"github.com/dgate-io/caddy-dgate/internal/resource"
)

func init() { caddy.RegisterModule(new(Upstreams)) }

// Upstreams are those of a service, for any reverse proxy of Caddy. They are looked up for each
// request, so that a change of the service takes effect on the next one.
//
// Only the addresses of the upstreams are used: balancing, health checks and retries are those of
// the reverse proxy. A service that needs more than addresses (TLS, HTTP/2 without TLS, a path,
// timeouts, an object `proxy`) is refused, unless the reverse proxy has a transport of its own. The
// directive `dgate` serves such services as they are. Upstreams that are Caddy's own admin endpoint
// are refused as they are there.
type Upstreams struct {
	// The name of the service. Without one that exists there is no upstream, and requests get 503.
	Service string `json:"service"`

	// The namespace of the service. Default: `default`.
	Namespace string `json:"namespace,omitempty"`

	app   App
	able  bool  // the reverse proxy has a transport of its own
	guard Guard // if the transport cannot ask it when it dials, or nil
}

// CaddyModule implements [caddy.Module].
func (*Upstreams) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.reverse_proxy.upstreams.dgate", New: func() caddy.Module { return new(Upstreams) }}
}

// UnmarshalCaddyfile sets up the upstreams from Caddyfile tokens. Syntax:
//
//	dynamic dgate [<namespace>/]<service>
func (u *Upstreams) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	if !d.AllArgs(&u.Service) {
		return d.Err("dynamic dgate takes the name of a service: dynamic dgate [<namespace>/]<service>")
	}
	if namespace, name, ok := strings.Cut(u.Service, "/"); ok {
		u.Namespace, u.Service = namespace, name
	}
	if d.NextBlock(d.Nesting()) {
		return d.Errf("dynamic dgate has no options, such as %q", d.Val())
	}
	return nil
}

// Provision implements [caddy.Provisioner].
func (u *Upstreams) Provision(ctx caddy.Context) error {
	if u.Namespace == "" {
		u.Namespace = resource.DefaultNamespace
	}
	key := resource.Key{Kind: "service", Namespace: u.Namespace, Name: u.Service}
	if err := resource.MustKind(key.Kind).CheckKey(key); err != nil {
		return fmt.Errorf("upstreams of a service: %w", err)
	}
	app, err := ctx.App("dgate")
	if err != nil {
		return fmt.Errorf("dgate app: %w", err)
	}
	u.app = app.(App)
	watchHandshakes(ctx)
	for _, m := range ctx.Modules() {
		if h, ok := m.(*reverseproxy.Handler); ok {
			u.able = h.Transport != nil // the default one would be made later
			if err := u.protect(ctx, h); err != nil {
				return err
			}
		}
	}
	if table := u.app.Gateway().Table(); table != nil {
		_, err := u.dials()
		if err != nil {
			ctx.Logger().Warn("requests will get 503", zap.Error(err))
		}
	}
	return u.app.RequireStore()
}

// protect makes the reverse proxy ask the guard about every connection.
func (u *Upstreams) protect(ctx caddy.Context, h *reverseproxy.Handler) error {
	guard := u.app.Proxy().transports.guard
	if h.Transport == nil {
		rt := new(reverseproxy.HTTPTransport)
		if err := rt.Provision(ctx); err != nil {
			return fmt.Errorf("transport: %w", err)
		}
		h.Transport = rt
	}
	if rt, ok := h.Transport.(*reverseproxy.HTTPTransport); ok {
		rt.Transport.DialContext = guarded(rt.Transport.DialContext, guard, false)
		return nil
	}
	u.guard = guard
	return nil
}

// checked resolves an address and asks the guard about it. Only what was asked about is given on:
// a name could lead elsewhere when it is dialled.
func checked(ctx context.Context, guard Guard, dial string) (string, error) {
	host, port, err := net.SplitHostPort(dial)
	if err != nil {
		return "", fmt.Errorf("upstream: %w", err)
	}
	number, err := net.DefaultResolver.LookupPort(ctx, "tcp", port)
	if err != nil {
		return "", fmt.Errorf("upstream: %w", err)
	}
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host) // which takes IP addresses, too
	if err != nil {
		return "", fmt.Errorf("upstream: %w", err)
	}
	for _, ip := range ips {
		if err := guard.Forbidden(netip.AddrPortFrom(ip, uint16(number))); err != nil { //nolint:gosec // a port
			return "", err
		}
	}
	return net.JoinHostPort(ips[0].Unmap().String(), port), nil
}

// dials are the addresses of the upstreams now.
func (u *Upstreams) dials() ([]string, error) {
	dials, beyond, err := u.app.Gateway().Table().Dials(u.Namespace, u.Service)
	if err == nil && beyond != nil && !u.able {
		err = fmt.Errorf("%w, and dynamic upstreams have only addresses: give the reverse_proxy a transport, or use the directive dgate", beyond)
	}
	return dials, err
}

// GetUpstreams implements [reverseproxy.UpstreamSource].
func (u *Upstreams) GetUpstreams(r *http.Request) ([]*reverseproxy.Upstream, error) {
	if u.app.Gateway().Table() == nil {
		ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
		defer cancel()
		if err := u.app.Wait(ctx); err != nil {
			return nil, errors.Join(fmt.Errorf("service %s/%s", u.Namespace, u.Service), err)
		}
	}
	dials, err := u.dials()
	if err != nil {
		return nil, err
	}
	upstreams := make([]*reverseproxy.Upstream, len(dials))
	for i, dial := range dials {
		if u.guard != nil {
			if dial, err = checked(r.Context(), u.guard, dial); err != nil {
				return nil, err
			}
		}
		upstreams[i] = &reverseproxy.Upstream{Dial: dial}
	}
	return upstreams, nil
}

var (
	_ caddy.Provisioner           = (*Upstreams)(nil)
	_ caddyfile.Unmarshaler       = (*Upstreams)(nil)
	_ reverseproxy.UpstreamSource = (*Upstreams)(nil)
)
