package peer

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
)

// client sends requests to other ports. It has one connection to each address.
type client struct {
	port *Port
	http *http.Transport // for its settings; connections are ours

	mu    sync.Mutex
	conns map[string]*link // by address
}

// link is a connection to one address, or the attempt to get one.
type link struct {
	ready chan struct{} // closed when the rest is set
	conn  *http.ClientConn
	err   error
}

func newClient(p *Port) *client {
	c := &client{port: p, conns: map[string]*link{}}
	c.http = &http.Transport{
		Protocols:       onlyHTTP2(),
		HTTP2:           http2Config(p.options.StallTimeout),
		IdleConnTimeout: clientIdle,
		// Bodies are small, or packed already; and what is not HTTP/2 has no say.
		DisableCompression:     true,
		MaxResponseHeaderBytes: maxHeader,
		DialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
			return p.dial(ctx, address, RPCProtocol, nil)
		},
	}
	return c
}

// RoundTrip implements http.RoundTripper.
func (c *client) RoundTrip(r *http.Request) (*http.Response, error) {
	l, err := c.reserve(r.Context(), r.URL.Host)
	if err != nil {
		if r.Body != nil {
			r.Body.Close() //nolint:errcheck // nobody to tell
		}
		return nil, err
	}
	var begun atomic.Bool
	trace := &httptrace.ClientTrace{WroteHeaders: func() { begun.Store(true) }}
	answer, err := l.conn.RoundTrip(r.WithContext(httptrace.WithClientTrace(r.Context(), trace)))
	// A context that is done ends RoundTrip before the one who writes, so begun says nothing then.
	if err != nil && !begun.Load() && r.Context().Err() == nil {
		c.drop(r.URL.Host, l)
		err = &Error{Address: r.URL.Host, Err: err}
	}
	return answer, err
}

// fewStreams is how many requests every connection takes at once, also before the other side has
// said how many.
const fewStreams = 100

// reserve returns a connection with room for a request, or one that makes it wait for room. The
// error is an *Error.
func (c *client) reserve(ctx context.Context, address string) (*link, error) {
	for {
		l := c.link(address)
		select {
		case <-l.ready:
		case <-ctx.Done():
			return nil, &Error{Address: address, Err: context.Cause(ctx)}
		}
		if l.err != nil {
			return nil, l.err
		}
		if l.conn.Reserve() == nil || l.conn.Err() == nil && l.conn.InFlight() >= fewStreams {
			return l, nil
		}
		c.drop(address, l) // it ended, or is about to when its last request is done
	}
}

// link returns the connection to an address, and makes it if there is none.
func (c *client) link(address string) *link {
	c.mu.Lock()
	defer c.mu.Unlock()
	if l := c.conns[address]; l != nil {
		return l
	}
	l := &link{ready: make(chan struct{})}
	if !c.port.start(func() { c.open(address, l) }) {
		l.err = &Error{Address: address, Err: net.ErrClosed}
		close(l.ready)
		return l
	}
	c.conns[address] = l
	return l
}

// open makes a connection, for all who wait for it.
func (c *client) open(address string, l *link) {
	l.conn, l.err = c.http.NewClientConn(c.port.ctx, "http", address)
	if l.err != nil {
		if _, ok := errors.AsType[*Error](l.err); !ok {
			l.err = &Error{Address: address, Err: l.err}
		}
		c.drop(address, l)
	}
	close(l.ready)
}

// drop forgets a connection that is not usable any more.
func (c *client) drop(address string, l *link) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conns[address] == l {
		delete(c.conns, address)
	}
}

// renew has new requests go over new connections. The ones of before end with their last request.
func (c *client) renew() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for address, l := range c.conns {
		delete(c.conns, address)
		select {
		case <-l.ready:
			if l.conn != nil {
				l.conn.SetStateHook(endIdle)
				endIdle(l.conn)
			}
		default: // it is being made, for those who wait for it; it ends when it is idle for long
		}
	}
}

func endIdle(conn *http.ClientConn) {
	if conn.InFlight() == 0 {
		conn.Close() //nolint:errcheck // nobody to tell
	}
}

// close closes what is open. The port has to be closed already.
func (c *client) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, l := range c.conns {
		select {
		case <-l.ready:
			if l.conn != nil {
				l.conn.Close() //nolint:errcheck // nobody to tell
			}
		default: // the context of the port ends it
		}
	}
	clear(c.conns)
}

// start runs something that Close waits for; false means that the port is closed.
func (p *Port) start(run func()) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	p.wg.Go(run)
	return true
}
