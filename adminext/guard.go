package adminext

import (
	"encoding/json"
	"net/netip"
	"slices"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/caddyauth"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
)

// guarded tells whether something that is known to authenticate comes before the handler that is
// being provisioned: client certificates, an authentication handler, or a reverse proxy that asks
// another server first. It does not know which requests they are for, nor what other
// handlers do, nor the order inside one route.
func guarded(ctx caddy.Context, server *caddyhttp.Server) bool {
	for _, policy := range server.TLSConnPolicies {
		if client := policy.ClientAuthentication; client != nil && slices.Contains([]string{"", "require", "require_and_verify"}, client.Mode) {
			return true
		}
	}
	lists := []caddyhttp.RouteList{server.Routes}
	for _, parent := range ctx.Modules() {
		if sub, ok := parent.(*caddyhttp.Subroute); ok {
			lists = append(lists, sub.Routes)
		}
	}
	return slices.ContainsFunc(lists, authenticates)
}

// authenticates tells whether the routes of a list authenticate, as far as the one that is being
// provisioned: the first whose handlers are still JSON.
func authenticates(routes caddyhttp.RouteList) bool {
	for _, route := range routes {
		if slices.ContainsFunc(route.Handlers, authenticator) || slices.ContainsFunc(route.HandlersRaw, rawAuthenticator) {
			return true
		}
		if len(route.HandlersRaw) > 0 {
			return false
		}
	}
	return false
}

func authenticator(handler caddyhttp.MiddlewareHandler) bool {
	switch h := handler.(type) {
	case *caddyauth.Authentication:
		return true
	case *reverseproxy.Handler:
		return len(h.HandleResponse) > 0
	}
	return false
}

func rawAuthenticator(raw json.RawMessage) bool {
	var h struct {
		Handler        string            `json:"handler"`
		HandleResponse []json.RawMessage `json:"handle_response"`
	}
	if json.Unmarshal(raw, &h) != nil {
		return false // which Caddy will report
	}
	return h.Handler == "authentication" || h.Handler == "reverse_proxy" && len(h.HandleResponse) > 0
}

// public are the addresses that others than this machine can reach.
func public(listen []string) []string {
	return slices.DeleteFunc(slices.Clone(listen), func(text string) bool {
		address, err := caddy.ParseNetworkAddress(text)
		if err != nil {
			return false
		}
		ip, err := netip.ParseAddr(address.Host)
		return address.IsUnixNetwork() || address.Host == "localhost" || err == nil && ip.IsLoopback()
	})
}
