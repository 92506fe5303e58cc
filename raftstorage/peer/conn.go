package peer

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"
)

// conn is a connection that its port knows of. It must not look like a *tls.Conn, or net/http
// would expect "h2" in it.
type conn struct {
	net.Conn // what to read from and write to; TLS once the handshake is done

	port     *Port
	raw      net.Conn
	peer     verified
	protocol string
	layer    *layer // that it belongs to; nil for RPCs
	from     netip.Addr
	shaking  bool // counted as a handshake; p.mu
	counted  bool // counted as a connection for its protocol; p.mu
	settled  bool // the handshake is done, and so peer is known; p.mu
	once     sync.Once
}

func newServerTLS(raw net.Conn, config *tls.Config) *tls.Conn { return tls.Server(raw, config) }

// Close closes the connection, at once: a goodbye to somebody who does not read would take seconds.
func (c *conn) Close() error {
	var err error
	c.once.Do(func() {
		c.port.forget(c)
		err = c.raw.Close()
	})
	return err
}

// steady is a raft connection that does not stand still in the midst of a message. Raft itself sets
// deadlines only where it sends requests, and for a snapshot one that is practically never.
type steady struct {
	*conn
	stall time.Duration
	serve bool // the other side sends requests, this one answers

	mu      sync.Mutex
	write   time.Time // the deadlines that raft has set
	partial bool      // a request has begun to come in; only the reader and the writer of answers touch it
}

func newSteady(c *conn, stall time.Duration, serve bool) *steady {
	return &steady{conn: c, stall: stall, serve: serve}
}

// Read has a deadline between the first byte of a request and its answer, on the side that answers:
// raft reads the next request when it has answered the one before. Else raft's own deadline holds.
func (s *steady) Read(b []byte) (int, error) {
	if s.serve {
		s.mu.Lock()
		partial := s.partial
		s.partial = true
		s.mu.Unlock()
		var deadline time.Time
		if partial {
			deadline = time.Now().Add(s.stall)
		}
		if err := s.conn.SetReadDeadline(deadline); err != nil {
			return 0, ended(err)
		}
	}
	n, err := s.conn.Read(b)
	return n, ended(err)
}

// Write has a deadline of its own, or raft's if that is sooner.
func (s *steady) Write(b []byte) (int, error) {
	s.mu.Lock()
	s.partial = false
	deadline := time.Now().Add(s.stall)
	if !s.write.IsZero() && s.write.Before(deadline) {
		deadline = s.write
	}
	s.mu.Unlock()
	if err := s.conn.SetWriteDeadline(deadline); err != nil {
		return 0, err
	}
	return s.conn.Write(b)
}

// SetDeadline implements net.Conn.
func (s *steady) SetDeadline(t time.Time) error {
	return errors.Join(s.SetReadDeadline(t), s.SetWriteDeadline(t))
}

// SetWriteDeadline implements net.Conn.
func (s *steady) SetWriteDeadline(t time.Time) error {
	s.mu.Lock()
	s.write = t
	s.mu.Unlock()
	return s.conn.SetWriteDeadline(t)
}

// ended makes the end of a connection out of its being closed by us, which raft would log.
func ended(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return io.EOF
	}
	return err
}

// feed is a listener whose connections are delivered to it.
type feed struct {
	addr  net.Addr
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newFeed(addr net.Addr) *feed {
	return &feed{addr: addr, conns: make(chan net.Conn), done: make(chan struct{})}
}

// deliver hands over a connection; false means that nobody takes it any more.
func (f *feed) deliver(c net.Conn) bool {
	select {
	case f.conns <- c:
		return true
	case <-f.done:
		return false
	}
}

// Accept implements net.Listener.
func (f *feed) Accept() (net.Conn, error) {
	select {
	case c := <-f.conns:
		return c, nil
	case <-f.done:
		return nil, net.ErrClosed
	}
}

// Addr implements net.Listener.
func (f *feed) Addr() net.Addr { return f.addr }

// Close implements net.Listener.
func (f *feed) Close() error {
	f.once.Do(func() { close(f.done) })
	return nil
}
