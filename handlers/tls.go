package handlers

import (
	"encoding/json"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// watchHandshakes adds the module tls.handshake_match.dgate to each TLS connection policy of the server
// that a handler belongs to. It matches everything. The configuration of the user stays as it is.
func watchHandshakes(ctx caddy.Context) {
	server, ok := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	if !ok {
		return
	}
	for _, policy := range server.TLSConnPolicies {
		if policy.MatchersRaw == nil {
			policy.MatchersRaw = caddy.ModuleMap{}
		}
		policy.MatchersRaw["dgate"] = json.RawMessage("{}")
	}
}
