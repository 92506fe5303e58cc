// Package handlers has the HTTP handlers that DGate adds to Caddy, and what they need of Caddy:
// its reverse proxy, its errors, its placeholders. Routing and scripts are in internal/gateway.
package handlers

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/dgate-io/caddy-dgate/internal/gateway"
	"github.com/dgate-io/caddy-dgate/internal/resource"
)

func init() { caddy.RegisterModule(new(Gateway)) }

// App is the part of the dgate app that the handlers need.
type App interface {
	// Gateway is what routes requests.
	Gateway() *gateway.Gateway
	// Wait blocks until the stored resources can be served, or ctx is done.
	Wait(ctx context.Context) error
	// Proxy reaches the upstreams of services.
	Proxy() *Proxy
	// RequireStore says, while the configuration is provisioned, that resources are to be served.
	RequireStore() error
	// Site compiles modules that run without a route. Limits that are not set are those of the app.
	Site(ctx context.Context, modules []*resource.Module, namespace string, limits *Limits) (*gateway.Site, error)
}

// Gateway routes each request through the resources of the dgate app: a route is found by
// method and path, its modules run, and its service is proxied to. Requests that no route takes
// are answered 404, or 405 if only the method is wrong.
//
// Placeholders that later handlers and logs can use:
//
// Placeholder | Description
// ------------|------------
// `{http.dgate.namespace}` | Namespace of the route
// `{http.dgate.route}` | Name of the route
// `{http.dgate.service}` | Name of its service
// `{http.dgate.module}` | Name of its entry module
// `{http.dgate.upstream}` | Address of the upstream that answered, or was tried last
//
// The access log has the same in an object `dgate`.
type Gateway struct {
	// The namespace whose routes are used. Default: `default`, or the only namespace there is.
	Namespace string `json:"namespace,omitempty"`

	// Hand requests to the next handler when there is no namespace or no route for them.
	// Wrong methods and failures are answered all the same. Default: false.
	Fallthrough bool `json:"fallthrough,omitempty"`

	app   App
	debug bool
}

// readyTimeout is how long a request that comes before the store is open is made to wait.
const readyTimeout = 10 * time.Second

// CaddyModule implements [caddy.Module].
func (*Gateway) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.dgate", New: func() caddy.Module { return new(Gateway) }}
}

// Provision implements [caddy.Provisioner].
func (h *Gateway) Provision(ctx caddy.Context) error {
	app, err := ctx.App("dgate")
	if err != nil {
		return fmt.Errorf("dgate app: %w", err)
	}
	h.app, h.debug = app.(App), debugs(ctx.Logger())
	return h.app.RequireStore()
}

// ServeHTTP implements [caddyhttp.MiddlewareHandler].
func (h *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	gw := h.app.Gateway()
	table := gw.Table()
	if table == nil {
		ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
		defer cancel()
		if err := h.app.Wait(ctx); err != nil {
			return h.fail(w, &gateway.StatusError{Status: http.StatusServiceUnavailable, RetryAfter: 2 * time.Second, Err: err})
		}
		table = gw.Table()
	}
	tr := traceOf(r.Context())
	match, err := table.Match(h.Namespace, r)
	if err != nil {
		var se *gateway.StatusError
		if h.Fallthrough && errors.As(err, &se) && se.Status == http.StatusNotFound {
			return next.ServeHTTP(w, r)
		}
		return h.fail(w, err)
	}
	client, _ := caddyhttp.GetVar(r.Context(), caddyhttp.ClientIPVarKey).(string)
	if err := gw.Serve(w, r, match, client, &tr.Trace, h.app.Proxy()); err != nil {
		return h.fail(w, err)
	}
	return nil
}

func (h *Gateway) fail(w http.ResponseWriter, err error) error { return respondError(w, err, h.debug) }

var (
	_ caddy.Provisioner           = (*Gateway)(nil)
	_ caddyhttp.MiddlewareHandler = (*Gateway)(nil)
)
