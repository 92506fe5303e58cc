package handlers

import (
	"context"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/dgate-io/caddy-dgate/internal/gateway"
)

// trace says where a request went, to placeholders and the access log. It is empty as long as
// there is no route.
type trace struct{ gateway.Trace }

// traceKey is the variable of a request that holds its trace.
const traceKey = "dgate.trace"

// traceOf is the trace of a request, which all our handlers share. The first that asks makes it
// known to Caddy.
func traceOf(ctx context.Context) *trace {
	if t, ok := caddyhttp.GetVar(ctx, traceKey).(*trace); ok {
		return t
	}
	t := new(trace)
	caddyhttp.SetVar(ctx, traceKey, t)
	if repl, ok := ctx.Value(caddy.ReplacerCtxKey).(*caddy.Replacer); ok {
		repl.Map(t.placeholder)
	}
	if extra, ok := ctx.Value(caddyhttp.ExtraLogFieldsCtxKey).(*caddyhttp.ExtraLogFields); ok {
		extra.Add(zap.Object("dgate", t))
	}
	return t
}

// placeholder answers {http.dgate.*}.
func (t *trace) placeholder(key string) (any, bool) {
	switch key {
	case "http.dgate.namespace":
		return t.Namespace, true
	case "http.dgate.route":
		return t.Route, true
	case "http.dgate.service":
		return t.Service, true
	case "http.dgate.module":
		return t.Module, true
	case "http.dgate.upstream":
		return t.Upstream, true
	}
	return nil, false
}

// MarshalLogObject implements [zapcore.ObjectMarshaler].
func (t *trace) MarshalLogObject(enc zapcore.ObjectEncoder) error {
	for _, f := range [...]struct{ name, value string }{
		{"namespace", t.Namespace},
		{"route", t.Route},
		{"service", t.Service},
		{"module", t.Module},
		{"upstream", t.Upstream},
	} {
		if f.value != "" {
			enc.AddString(f.name, f.value)
		}
	}
	return nil
}

var _ zapcore.ObjectMarshaler = (*trace)(nil)
