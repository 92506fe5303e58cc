package gateway

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	oteltrace "go.opentelemetry.io/otel/trace"
)

// Exchange is one request on its way to an upstream: which targets it may go to, what it looks
// like there, and what is done with the answer. A [Forwarder] drives it, on one goroutine.
type Exchange struct {
	plan  *Plan
	match Match
	trace *Trace
	tags  []string // of this node
	host  string   // Host header that a script has set, or ""

	targets []*Target
	first   int      // index of the target that was tried first
	dead    []string // dial addresses that could not be connected to
	now     *Target
	tries   int // attempts so far
	resent  int // attempts after the upstream may have seen the request

	rewritten bool // a script has set the path: there is no pattern to strip
	modify    func(*http.Response) error
	answer    http.Header // of the client's answer, with what scripts have set beforehand:
	preset    []string    // the names of that

	over     Overrides
	scripted bool // a script has chosen the only target

	ctx    context.Context // of the attempt that runs
	cancel context.CancelCauseFunc
	timer  *time.Timer
	began  time.Time
	traced bool
	span   oteltrace.Span

	err     error // of the last attempt
	hookErr error // of the responseModifier
}

// errTimeout is why an attempt was ended.
var errTimeout error = timeoutError{}

type timeoutError struct{}

func (timeoutError) Error() string   { return "no response headers within requestTimeout" }
func (timeoutError) Timeout() bool   { return true }
func (timeoutError) Temporary() bool { return true }

// Next chooses the target of the next attempt, and pauses before it if there was one already.
func (x *Exchange) Next(ctx context.Context) *Target {
	x.Pause(ctx)
	if t := x.peek(); t != nil {
		x.Take(t)
	} else {
		x.tries++
	}
	return x.now
}

// Pause waits as long as the service wants between two attempts. A client that leaves cuts it short.
func (x *Exchange) Pause(ctx context.Context) {
	pause := time.Duration(x.plan.service.res.RetryTimeout)
	if x.tries == 0 || pause <= 0 || x.over.Retries {
		return
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// Take makes the next attempt go to t.
func (x *Exchange) Take(t *Target) {
	x.now, x.trace.Upstream = t, t.Dial
	x.tries++
}

// Target is where the attempt that runs now goes.
func (x *Exchange) Target() *Target { return x.now }

// peek is the target that Next would choose, or nil if none is left.
func (x *Exchange) peek() *Target {
	for i := range x.targets {
		t := x.targets[(x.first+x.tries+i)%len(x.targets)]
		if !slices.Contains(x.dead, t.Dial) {
			return t
		}
	}
	return nil
}

// Direct makes req, a copy that belongs to this attempt, a request to the chosen target. The
// returned request is bounded by the service's requestTimeout.
func (x *Exchange) Direct(req *http.Request) *http.Request {
	svc, t := x.plan.service.res, x.now
	limit := time.Duration(svc.RequestTimeout)
	if x.over.Timeout {
		limit = 0
	}
	x.begin(req.Context(), limit)
	out := req.WithContext(x.ctx)
	out.URL = x.url(req.URL)
	switch {
	case x.over.Host: // it is as wanted
	case x.host != "":
		out.Host = x.host
	case !x.plan.route.PreserveHost:
		out.Host = t.Host
	}
	h := out.Header
	for _, name := range ownHeaders {
		delete(h, name)
	}
	if !svc.HideDGateHeaders {
		h["X-Dgate-Route"] = x.plan.headers.route
		h["X-Dgate-Service"] = x.plan.headers.service
		h["X-Dgate-Namespace"] = x.plan.headers.namespace
		if x.tags != nil {
			h["X-Dgate-Tags"] = x.tags
		}
	}
	if x.span != nil && h["Traceparent"] != nil { // Caddy has asked for it to be passed on
		propagation.TraceContext{}.Inject(x.ctx, propagation.HeaderCarrier(h))
	}
	if x.modify != nil {
		askReadable(h)
	}
	return out
}

// ownHeaders say where a request was routed. Those that a client sent are removed.
var ownHeaders = [...]string{"X-Dgate-Route", "X-Dgate-Service", "X-Dgate-Namespace", "X-Dgate-Tags"}

// url is where the request goes at the chosen target.
func (x *Exchange) url(in *url.URL) *url.URL {
	t := x.now
	out := &url.URL{Scheme: t.Scheme, Host: in.Host, RawQuery: in.RawQuery}
	if x.plan.service.res.DisableQueryParams {
		out.RawQuery = ""
	}
	out.RawQuery = joinQuery(t.query, out.RawQuery)
	path := x.match.path
	switch {
	case x.rewritten:
		path = cleanPath("/" + strings.TrimPrefix(in.EscapedPath(), "/"))
	case x.plan.route.StripPath && x.match.wildcard:
		path = x.match.rest
	case x.plan.route.StripPath:
		path = ""
	}
	setPath(out, joinPath(t.path, path))
	return out
}

// Result notes how the attempt ended: with an answer, or with an error that came up while
// connecting or later. An answer is handed to the route's responseModifier. If there is an error
// in the end, Result tells whether there is to be another attempt.
func (x *Exchange) Result(req *http.Request, res *http.Response, err error, connecting bool) (again bool, _ error) {
	if x.expired() {
		if res != nil {
			res.Body.Close() //nolint:errcheck // nobody reads it
		}
		err = fmt.Errorf("%s: %w", x.now.Dial, errTimeout)
	}
	x.ended(req.Context(), err)
	if err == nil {
		return false, x.received(res)
	}
	x.err = err
	x.cancelAttempt()
	if x.over.Retries {
		return connecting, err
	}
	if connecting {
		x.dead = append(x.dead, x.now.Dial)
		return x.peek() != nil, err
	}
	if req.Context().Err() != nil || x.resent >= x.plan.service.res.Retries || !retryable(req) {
		return false, err
	}
	x.resent++
	return x.peek() != nil, err
}

// received prepares the answer of the upstream for the client.
func (x *Exchange) received(res *http.Response) error {
	for _, name := range x.preset { // what a script has set wins
		delete(res.Header, name)
	}
	if x.modify == nil {
		return nil
	}
	x.hookErr = x.modify(res)
	for _, name := range x.preset { // and of two scripts, the later
		if _, again := res.Header[name]; again {
			delete(x.answer, name)
		}
	}
	return x.hookErr
}

// begin starts an attempt that must have response headers within limit, if there is one.
func (x *Exchange) begin(ctx context.Context, limit time.Duration) {
	x.began = time.Now()
	if x.traced {
		ctx, x.span = startSpan(ctx, "dgate.upstream", oteltrace.SpanKindClient,
			attribute.String("dgate.namespace", x.trace.Namespace), attribute.String("dgate.service", x.trace.Service))
	}
	x.ctx = ctx
	if limit <= 0 {
		return
	}
	cancel := context.CancelCauseFunc(nil)
	x.ctx, cancel = context.WithCancelCause(ctx)
	x.cancel = cancel
	x.timer = time.AfterFunc(limit, func() { cancel(errTimeout) })
}

// ended counts the attempt.
func (x *Exchange) ended(ctx context.Context, err error) {
	stats := x.plan.service.stats
	stats.Took.Observe(time.Since(x.began))
	if err != nil && ctx.Err() == nil {
		stats.Failures.Add(1)
	}
	endSpan(x.span, err)
	x.span = nil
}

// expired ends the wait for response headers and tells whether it was over before.
func (x *Exchange) expired() bool {
	if x.timer == nil {
		return false
	}
	stopped := x.timer.Stop()
	x.timer = nil
	return !stopped
}

// cancelAttempt releases what an attempt holds; its body, if it has one, ends.
func (x *Exchange) cancelAttempt() {
	if x.cancel != nil {
		x.cancel(context.Canceled)
		x.cancel = nil
	}
}

// askReadable asks for an answer in one of the encodings that responseModifier can read.
func askReadable(h http.Header) {
	if acceptsGzip(h) {
		h["Accept-Encoding"] = []string{"gzip"}
	} else {
		h["Accept-Encoding"] = []string{"identity"}
	}
}

// acceptsGzip tells whether the client's Accept-Encoding allows gzip.
func acceptsGzip(h http.Header) bool {
	for _, line := range h["Accept-Encoding"] {
		for item := range strings.SplitSeq(line, ",") {
			coding, weight, _ := strings.Cut(strings.ReplaceAll(item, " ", ""), ";")
			if strings.EqualFold(coding, "gzip") {
				q, err := strconv.ParseFloat(strings.TrimPrefix(weight, "q="), 64)
				return weight == "" || err == nil && q > 0
			}
		}
	}
	return false
}

type exchangeKey struct{}

// ExchangeFrom finds the exchange that a context was made for, or nil: health checks have none.
func ExchangeFrom(ctx context.Context) *Exchange {
	x, _ := ctx.Value(exchangeKey{}).(*Exchange)
	return x
}
