package adminext

import (
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

func init() {
	httpcaddyfile.RegisterHandlerDirective("dgate_admin", parseSite)
	// Before all that answers or hands requests to routes of their own; after what authenticates,
	// which a script of dgate_js may do too.
	httpcaddyfile.RegisterDirectiveOrder("dgate_admin", httpcaddyfile.Before, "invoke")
}

func parseSite(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	s := new(Site)
	return s, s.UnmarshalCaddyfile(h.Dispenser)
}

// UnmarshalCaddyfile sets up the handler from Caddyfile tokens. Syntax:
//
//	dgate_admin [<matcher>] {
//	    token <token...>
//	}
func (s *Site) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	if d.NextArg() {
		return d.Errf("dgate_admin takes a matcher and a block, not %q", d.Val())
	}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		switch d.Val() {
		case "token":
			tokens := d.RemainingArgs()
			if len(tokens) == 0 {
				return d.ArgErr()
			}
			s.Tokens = append(s.Tokens, tokens...)
		default:
			return d.Errf("unrecognized dgate_admin option %q; there is token", d.Val())
		}
	}
	return nil
}

var _ caddyfile.Unmarshaler = (*Site)(nil)
