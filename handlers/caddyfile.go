package handlers

import (
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

func init() {
	httpcaddyfile.RegisterHandlerDirective("dgate", parseGateway)
	httpcaddyfile.RegisterDirectiveOrder("dgate", httpcaddyfile.Before, "reverse_proxy")
	httpcaddyfile.RegisterDirective("dgate_js", parseScript)
	httpcaddyfile.RegisterDirectiveOrder("dgate_js", httpcaddyfile.After, "templates")
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
	var once Once
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		if err := once.Check(d); err != nil {
			return err
		}
		switch d.Val() {
		case "namespace":
			if !d.AllArgs(&h.Namespace) {
				return d.ArgErr()
			}
			if err := checkNamespace(h.Namespace); err != nil {
				return d.WrapErr(err)
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

// parseScript reads the directive dgate_js. A matcher that is probably meant to be a file is an error.
func parseScript(h httpcaddyfile.Helper) ([]httpcaddyfile.ConfigValue, error) {
	h.Next()
	if h.NextArg() && script(h.Val()) && (h.Val()[0] == '/' || h.Val()[0] == '@') {
		return nil, h.Errf("%s is read as a matcher; for the file of that name write: dgate_js * %[1]s", h.Val())
	}
	h.Reset()
	h.Next()
	matchers, err := h.ExtractMatcherSet()
	if err != nil {
		return nil, err
	}
	s := new(Script)
	if err := s.UnmarshalCaddyfile(h.Dispenser); err != nil {
		return nil, err
	}
	return h.NewRoute(matchers, s), nil
}

// UnmarshalCaddyfile sets up the handler from Caddyfile tokens. Syntax:
//
//	dgate_js [<matcher>] <file...> {
//	    namespace <name>
//	    limits {
//	        cpu     <duration>
//	        timeout <duration>
//	        heap    <size>
//	        vms     <count>
//	        body    <size>
//	    }
//	    watch
//	}
//
// The first file has the hooks, the others can be imported. Paths are relative to the Caddyfile.
func (h *Script) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	for _, file := range d.RemainingArgs() {
		h.Files = append(h.Files, Beside(d, file))
	}
	if len(h.Files) == 0 {
		return d.Err("dgate_js needs a file with a module: dgate_js [<matcher>] <file...>")
	}
	var once Once
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		if err := once.Check(d); err != nil {
			return err
		}
		switch d.Val() {
		case "namespace":
			if !d.AllArgs(&h.Namespace) {
				return d.ArgErr()
			}
			if err := checkNamespace(h.Namespace); err != nil {
				return d.WrapErr(err)
			}
		case "limits":
			if d.NextArg() {
				return d.ArgErr()
			}
			h.Limits = new(Limits)
			if err := EachLimit(d, h.Limits.Set, "cpu, timeout, heap, vms and body; fetch is limited for all scripts together, in the global block dgate"); err != nil {
				return err
			}
		case "watch":
			if d.NextArg() {
				return d.ArgErr()
			}
			h.Watch = true
		default:
			return d.Errf("unrecognized dgate_js option %q; there are namespace, limits and watch", d.Val())
		}
	}
	modules, err := readScript(h.Files)
	if err != nil {
		return d.WrapErr(err)
	}
	if !h.Watch {
		h.Modules, h.Files = modules, nil
	}
	return nil
}

var (
	_ caddyfile.Unmarshaler = (*Gateway)(nil)
	_ caddyfile.Unmarshaler = (*Script)(nil)
)
