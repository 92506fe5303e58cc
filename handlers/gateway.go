// Package handlers has the HTTP handlers that DGate adds to Caddy.
package handlers

import (
	"errors"
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

func init() {
	caddy.RegisterModule(new(Gateway))
	httpcaddyfile.RegisterHandlerDirective("dgate", parseGateway)
	httpcaddyfile.RegisterDirectiveOrder("dgate", httpcaddyfile.Before, "reverse_proxy")
}

// Gateway routes each request through the resources of the dgate app.
type Gateway struct{}

// CaddyModule implements [caddy.Module].
func (*Gateway) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.dgate", New: func() caddy.Module { return new(Gateway) }}
}

// ServeHTTP implements [caddyhttp.MiddlewareHandler].
func (*Gateway) ServeHTTP(http.ResponseWriter, *http.Request, caddyhttp.Handler) error {
	return caddyhttp.Error(http.StatusNotFound, errors.New("no route"))
}

// parseGateway sets up the handler from Caddyfile tokens. Syntax:
//
//	dgate [<matcher>]
func parseGateway(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	h.Next()
	if h.NextArg() {
		return nil, h.ArgErr()
	}
	return new(Gateway), nil
}

var _ caddyhttp.MiddlewareHandler = (*Gateway)(nil)
