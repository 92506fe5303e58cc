package handlers

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"

	"github.com/dgate-io/caddy-dgate/internal/gateway"
)

// transports is the RoundTripper of the proxy: it readies each attempt, sends it over the
// connections that suit its target, and hands the answer to the route's responseModifier.
type transports struct {
	ctx     caddy.Context
	guard   Guard
	base    json.RawMessage // what connections have in common, as JSON of Caddy; or nil
	service *serviceProxy   // the only service that they are for, or nil

	mu    sync.RWMutex
	byKey map[gateway.TransportKey]*reverseproxy.HTTPTransport
}

// RoundTrip implements [http.RoundTripper].
func (t *transports) RoundTrip(req *http.Request) (*http.Response, error) {
	x := gateway.ExchangeFrom(req.Context())
	if x == nil {
		return t.check(req)
	}
	rt, err := t.get(x.Target().Transport)
	if err != nil {
		return nil, final{err}
	}
	res, err := rt.RoundTrip(x.Direct(req))
	again, err := x.Result(req, res, err, connecting(err))
	switch {
	case err == nil:
		answered(req.Context())
		return res, nil
	case t.service != nil && x.Failed():
		res.Body.Close() //nolint:errcheck // nobody reads it
		return failedHook(req, res.StatusCode), nil
	case again:
		return nil, reverseproxy.NewDialError(err) // what Caddy tries again whatever the method
	case res != nil:
		res.Body.Close() //nolint:errcheck // nobody reads it
	}
	return nil, final{err}
}

// check sends a request of a health check.
func (t *transports) check(req *http.Request) (*http.Response, error) {
	di, _ := reverseproxy.GetDialInfo(req.Context())
	target := t.service.checked(di)
	if target == nil {
		return nil, fmt.Errorf("%s is no upstream of the service", di.Address)
	}
	rt, err := t.get(target.Transport)
	if err != nil {
		return nil, err
	}
	out := req.Clone(req.Context())
	out.URL.Scheme = target.Scheme
	if req.Host == req.URL.Host { // nothing else is configured
		out.Host = target.Host
	}
	return rt.RoundTrip(out)
}

// connecting tells errors that came up before the request could be sent.
func connecting(err error) bool {
	if _, ok := errors.AsType[reverseproxy.DialError](err); ok {
		return true
	}
	_, certificate := errors.AsType[*tls.CertificateVerificationError](err)
	_, noTLS := errors.AsType[tls.RecordHeaderError](err)
	_, alert := errors.AsType[tls.AlertError](err)
	return certificate || noTLS || alert
}

// get finds or makes the connections for one kind of target.
func (t *transports) get(key gateway.TransportKey) (*reverseproxy.HTTPTransport, error) {
	t.mu.RLock()
	rt := t.byKey[key]
	t.mu.RUnlock()
	if rt != nil {
		return rt, nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if rt := t.byKey[key]; rt != nil {
		return rt, nil
	}
	rt, err := newTransport(t.ctx, t.base, key, t.guard)
	if err != nil {
		return nil, err
	}
	t.byKey[key] = rt
	return rt, nil
}

// newTransport makes the connections for one kind of target. What base says comes first.
func newTransport(ctx caddy.Context, base json.RawMessage, key gateway.TransportKey, guard Guard) (*reverseproxy.HTTPTransport, error) {
	off := false
	rt := &reverseproxy.HTTPTransport{
		DialTimeout: caddy.Duration(key.ConnectTimeout),
		Compression: &off, // what the client accepts is between it and the upstream
		TLS:         &reverseproxy.TLSConfig{InsecureSkipVerify: key.SkipVerify},
	}
	if base != nil {
		if err := json.Unmarshal(base, rt); err != nil {
			return nil, fmt.Errorf("transport: %w", err)
		}
	}
	if !key.TLS {
		rt.TLS = nil
	}
	http2 := key.HTTP2 && rt.Versions == nil
	if http2 && !key.TLS {
		rt.Versions = []string{"h2c"}
	}
	if err := rt.Provision(ctx); err != nil {
		return nil, fmt.Errorf("transport: %w", err)
	}
	rt.Transport.DialContext = guarded(rt.Transport.DialContext, guard, key.Scripted)
	if http2 && key.TLS {
		rt.Transport.Protocols = new(http.Protocols)
		rt.Transport.Protocols.SetHTTP2(true)
		if rt.Transport.TLSClientConfig == nil {
			rt.Transport.TLSClientConfig = new(tls.Config)
		}
		rt.Transport.TLSClientConfig.NextProtos = []string{"h2"}
	}
	return rt, nil
}

type dialFunc = func(ctx context.Context, network, address string) (net.Conn, error)

// guarded asks the guard about every connection before anything is sent over it. The address is
// the one that was connected to, so names do not lead around the guard.
func guarded(dial dialFunc, guard Guard, scripted bool) dialFunc {
	check := guard.Forbidden
	if scripted {
		check = guard.Allowed
	}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		if remote, ok := conn.RemoteAddr().(*net.TCPAddr); ok {
			if err := check(remote.AddrPort()); err != nil {
				conn.Close() //nolint:errcheck // nothing was sent
				return nil, reverseproxy.NewDialError(err)
			}
		}
		return conn, nil
	}
}

// close lets idle connections go.
func (t *transports) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, rt := range t.byKey {
		rt.Transport.CloseIdleConnections()
	}
}

// final is an error that is not to be tried again. It keeps from Caddy whether it came up while
// connecting, but says whether it is a timeout, or a client that left.
type final struct{ err error }

func (f final) Error() string { return f.err.Error() }

// Timeout makes Caddy answer 504.
func (f final) Timeout() bool {
	ne, ok := errors.AsType[net.Error](f.err)
	return ok && ne.Timeout()
}

// Temporary completes [net.Error].
func (f final) Temporary() bool { return false }

// Is makes Caddy note 499 for a client that left.
func (f final) Is(target error) bool {
	return target == context.Canceled && errors.Is(f.err, context.Canceled) //nolint:errorlint // this is the Is of an error
}

var (
	_ http.RoundTripper = (*transports)(nil)
	_ net.Error         = final{}
)
