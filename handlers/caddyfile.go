package handlers

import (
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

func init() {
	httpcaddyfile.RegisterHandlerDirective("dgate", parseGateway)
	httpcaddyfile.RegisterDirectiveOrder("dgate", httpcaddyfile.Before, "reverse_proxy")
}

func parseGateway(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	g := new(Gateway)
	return g, g.UnmarshalCaddyfile(h.Dispenser)
}

// UnmarshalCaddyfile sets up the handler from Caddyfile tokens. Syntax:
//
//	dgate [<matcher>] {
//	    namespace   <name>
//	    fallthrough
//	}
func (h *Gateway) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	if d.NextArg() {
		return d.Errf("dgate takes a matcher and a block, not %q", d.Val())
	}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		switch d.Val() {
		case "namespace":
			if !d.AllArgs(&h.Namespace) {
				return d.ArgErr()
			}
		case "fallthrough":
			if d.NextArg() {
				return d.ArgErr()
			}
			h.Fallthrough = true
		default:
			return d.Errf("unrecognized dgate option %q; it has namespace and fallthrough", d.Val())
		}
	}
	return nil
}

var _ caddyfile.Unmarshaler = (*Gateway)(nil)
