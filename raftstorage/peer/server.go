package peer

import (
	"context"
	"errors"
	"log"
	"net"
	"net/http"
	"sync"
	"time"
)

// The bounds of HTTP/2, per connection. Pings notice within five seconds that the other side is
// gone; a snapshot that is being sent and not read must not hold up everything else.
const (
	maxStreams   = 1000
	maxHeader    = 64 << 10
	maxFrame     = 256 << 10
	streamWindow = 1 << 20
	connWindow   = 4<<20 - 1 // the most that net/http takes
	pingAfter    = 3 * time.Second
	pingTimeout  = 2 * time.Second
	serverIdle   = 5 * time.Minute
	clientIdle   = 2 * time.Minute // sooner than the server, so that it does not close under a request
)

func http2Config(stall time.Duration) *http.HTTP2Config {
	return &http.HTTP2Config{
		MaxConcurrentStreams:          maxStreams,
		MaxReadFrameSize:              maxFrame,
		MaxReceiveBufferPerConnection: connWindow,
		MaxReceiveBufferPerStream:     streamWindow,
		SendPingTimeout:               pingAfter,
		PingTimeout:                   pingTimeout,
		WriteByteTimeout:              stall,
	}
}

// onlyHTTP2 is HTTP/2 from the first byte on. To net/http our connections are not encrypted, as
// they bring their own TLS with its own protocol names.
func onlyHTTP2() *http.Protocols {
	p := new(http.Protocols)
	p.SetUnencryptedHTTP2(true)
	return p
}

// server answers the RPCs of a port.
type server struct {
	port *Port
	feed *feed
	http *http.Server

	mu      sync.Mutex
	closed  bool
	serving sync.WaitGroup // connections and requests
}

func newServer(p *Port) *server {
	s := &server{port: p, feed: newFeed(p.Addr())}
	s.http = &http.Server{
		Handler:           s,
		ReadHeaderTimeout: p.options.HandshakeTimeout, // for the first bytes
		IdleTimeout:       serverIdle,
		MaxHeaderBytes:    maxHeader,
		Protocols:         onlyHTTP2(),
		HTTP2:             http2Config(p.options.StallTimeout),
		ErrorLog:          log.New((*serverLog)(p), "", 0),
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, identityKey{}, c.(*conn).peer.Identity)
		},
		ConnState: func(_ net.Conn, state http.ConnState) {
			switch state {
			case http.StateNew:
				s.serving.Add(1)
			case http.StateClosed:
				s.serving.Done()
			}
		},
	}
	p.wg.Go(func() {
		err := s.http.Serve(s.feed)
		if p.ctx.Err() == nil && !errors.Is(err, http.ErrServerClosed) {
			p.complain(nil, err)
		}
		s.serving.Wait()
	})
	return s
}

// ServeHTTP says who calls, and counts what runs.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	s.serving.Add(1)
	s.mu.Unlock()
	defer s.serving.Done()
	if id := From(r.Context()); id.ServerID == "" {
		id.ServerID = r.Header.Get(ServerIDHeader)
		r = r.WithContext(context.WithValue(r.Context(), identityKey{}, id))
	}
	s.port.options.Handler.ServeHTTP(w, r)
}

func (s *server) close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.http.Close() //nolint:errcheck // closes the feed, which has no errors, and connections
}

// serverLog is where net/http writes what nobody else can be told, such as that a handler panicked.
type serverLog Port

func (l *serverLog) Write(b []byte) (int, error) {
	(*Port)(l).complain(nil, errors.New(string(b)))
	return len(b), nil
}
