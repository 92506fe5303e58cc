package gateway

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// traced tells whether the trace of a request is recorded. Finding out costs more than all else
// that is done about traces for one that is not, so it is asked once per request.
func traced(ctx context.Context) bool { return trace.SpanFromContext(ctx).IsRecording() }

// startSpan begins a span below that of ctx, which is [traced]. Attributes are names of resources
// only, like the labels of metrics: never what a client or a script has sent.
func startSpan(ctx context.Context, name string, kind trace.SpanKind, attributes ...attribute.KeyValue) (context.Context, trace.Span) {
	tracer := trace.SpanFromContext(ctx).TracerProvider().Tracer("github.com/dgate-io/caddy-dgate")
	return tracer.Start(ctx, name, trace.WithSpanKind(kind), trace.WithAttributes(attributes...))
}

// endSpan ends a span, which may be nil. What has failed is in the log, where it is not sent to others.
func endSpan(span trace.Span, err error) {
	if span == nil {
		return
	}
	if err != nil {
		span.SetStatus(codes.Error, "")
	}
	span.End()
}

// attributes are the names that there are.
func (n Names) attributes() []attribute.KeyValue {
	var out []attribute.KeyValue
	for _, a := range [...]struct{ key, value string }{
		{"dgate.namespace", n.Namespace}, {"dgate.route", n.Route}, {"dgate.service", n.Service}, {"dgate.module", n.Module},
	} {
		if a.value != "" {
			out = append(out, attribute.String(a.key, a.value))
		}
	}
	return out
}
