package handlers

import (
	"encoding/json"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// watchHandshakes has Caddy load the module tls.context.dgate with each TLS connection policy of the
// server that a handler belongs to, unless another such module is there. The configuration of the
// user stays as it is.
func watchHandshakes(ctx caddy.Context) {
	server, ok := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	if !ok {
		return
	}
	for _, policy := range server.TLSConnPolicies {
		if len(policy.HandshakeContextRaw) == 0 {
			policy.HandshakeContextRaw = json.RawMessage(`{"module":"dgate"}`)
		}
	}
}
