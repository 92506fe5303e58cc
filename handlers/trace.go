package handlers

import (
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/dgate-io/caddy-dgate/internal/gateway"
)

// trace says where a request went, to placeholders and the access log.
type trace struct {
	r     *http.Request
	names gateway.Names // empty as long as there is no route
}

// upstreamVar is the variable of a request that has the address of its upstream.
const upstreamVar = "dgate.upstream"

// attach makes the trace known to Caddy.
func (t *trace) attach() {
	ctx := t.r.Context()
	if repl, ok := ctx.Value(caddy.ReplacerCtxKey).(*caddy.Replacer); ok {
		repl.Map(t.placeholder)
	}
	if extra, ok := ctx.Value(caddyhttp.ExtraLogFieldsCtxKey).(*caddyhttp.ExtraLogFields); ok {
		extra.Add(zap.Object("dgate", t))
	}
}

func (t *trace) upstream() string {
	address, _ := caddyhttp.GetVar(t.r.Context(), upstreamVar).(string)
	return address
}

// placeholder answers {http.dgate.*}.
func (t *trace) placeholder(key string) (any, bool) {
	switch key {
	case "http.dgate.namespace":
		return t.names.Namespace, true
	case "http.dgate.route":
		return t.names.Route, true
	case "http.dgate.service":
		return t.names.Service, true
	case "http.dgate.module":
		return t.names.Module, true
	case "http.dgate.upstream":
		return t.upstream(), true
	}
	return nil, false
}

// MarshalLogObject implements [zapcore.ObjectMarshaler].
func (t *trace) MarshalLogObject(enc zapcore.ObjectEncoder) error {
	for _, f := range [...]struct{ name, value string }{
		{"namespace", t.names.Namespace}, {"route", t.names.Route}, {"service", t.names.Service},
		{"module", t.names.Module}, {"upstream", t.upstream()},
	} {
		if f.value != "" {
			enc.AddString(f.name, f.value)
		}
	}
	return nil
}

var _ zapcore.ObjectMarshaler = (*trace)(nil)
