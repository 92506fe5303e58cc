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
	// GlobalHeaderList has the headers that all answers have.
	GlobalHeaderList() GlobalHeaders
	// RequireStore says, while the configuration is provisioned, that resources are to be served.
	RequireStore() error
	// Site compiles modules that run without a route. Limits that are not set are those of the app.
	Site(ctx context.Context, modules []*resource.Module, namespace string, limits *Limits) (*gateway.Site, error)
}

// Gateway routes each request through the resources of the dgate app: the domain of its host says
// in which namespace, a route is found there by method and path, its modules run, and its service
// is proxied to. Requests that no route takes are answered 404, or 405 if only the method is wrong,
// and those for hosts that allowed_domains does not list 403. Over TLS, requests for a host that had a
// certificate because of a domain that is gone are answered 421.
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
	// The namespace whose routes are used, whatever the host; allowed_domains does not apply then.
	// Default: that of the domain with the highest priority that matches the host. For hosts without
	// a domain it is `default`, if that has no domain of its own and default_namespace is not off; or
	// the only namespace there is, if there are no domains.
	Namespace string `json:"namespace,omitempty"`

	// Hand requests to the next handler when there is no namespace or no route for them, or their
	// host is not one of allowed_domains. Wrong methods and failures are answered all the same. Default: false.
	Fallthrough bool `json:"fallthrough,omitempty"`

	app     App
	headers GlobalHeaders
	debug   bool
}

// readyTimeout is how long a request that comes before the store is open is made to wait.
const readyTimeout = 10 * time.Second

// CaddyModule implements [caddy.Module].
func (*Gateway) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.dgate", New: func() caddy.Module { return new(Gateway) }}
}

// Provision implements [caddy.Provisioner].
func (h *Gateway) Provision(ctx caddy.Context) error {
	if err := checkNamespace(h.Namespace); err != nil {
		return err
	}
	app, err := ctx.App("dgate")
	if err != nil {
		return fmt.Errorf("dgate app: %w", err)
	}
	h.app, h.debug = app.(App), debugs(ctx.Logger())
	h.headers = h.app.GlobalHeaderList()
	watchHandshakes(ctx)
	return h.app.RequireStore()
}

// checkNamespace refuses what cannot be the name of a namespace. None at all is right.
func checkNamespace(name string) error {
	if name == "" {
		return nil
	}
	if err := (&resource.Namespace{Name: name}).Validate(); err != nil {
		return fmt.Errorf("namespace %q: %w", name, err)
	}
	return nil
}

// ServeHTTP implements [caddyhttp.MiddlewareHandler].
func (h *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) (err error) {
	began := time.Now()
	gw := h.app.Gateway()
	a := &answer{ResponseWriterWrapper: caddyhttp.ResponseWriterWrapper{ResponseWriter: w}, headers: h.headers, r: r}
	if gw.Table() == nil {
		ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
		defer cancel()
		if err := h.app.Wait(ctx); err != nil {
			gw.CountUnmatched(http.StatusServiceUnavailable, time.Since(began))
			return h.fail(a, &gateway.StatusError{Status: http.StatusServiceUnavailable, RetryAfter: 2 * time.Second, Err: err})
		}
	}
	tr := traceOf(r.Context())
	match, err := gw.Match(h.Namespace, r)
	if err != nil {
		var se *gateway.StatusError
		if h.Fallthrough && errors.As(err, &se) && (se.Status == http.StatusNotFound || se.Status == http.StatusForbidden) {
			return next.ServeHTTP(w, r)
		}
		gw.CountUnmatched(statusOf(err), time.Since(began))
		return h.fail(a, err)
	}
	defer func() { match.Count(a.finalStatus(err), time.Since(began)) }()
	if h.debug && match.Module() != "" {
		w.Header().Set(moduleHeader, match.Module())
	}
	client, _ := caddyhttp.GetVar(r.Context(), caddyhttp.ClientIPVarKey).(string)
	if err := gw.Serve(a, r, match, client, &tr.Trace, h.app.Proxy()); err != nil {
		return h.fail(a, err)
	}
	a.whole = true
	return nil
}

func (h *Gateway) fail(a *answer, err error) error {
	a.headers.add(a.Header(), a.r)
	return respondError(a, err, h.debug)
}

var (
	_ caddy.Provisioner           = (*Gateway)(nil)
	_ caddyhttp.MiddlewareHandler = (*Gateway)(nil)
)
