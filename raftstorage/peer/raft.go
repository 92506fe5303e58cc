package peer

import (
	"context"
	"net"
	"time"

	"github.com/hashicorp/raft"
)

// layer is the raft side of a port.
type layer struct {
	*feed
	port   *Port
	ctx    context.Context // of the connections that it dials
	cancel context.CancelFunc
}

// advertised is the address that others know a node by.
type advertised string

func (advertised) Network() string  { return "tcp" }
func (a advertised) String() string { return string(a) }

// Raft opens the stream layer for a raft.NetworkTransport. Without one, raft connections are turned
// away. Each call opens a new layer and closes the one before; closing it closes its
// connections, both those that were accepted and those that were dialled, which the transport does
// not do.
func (p *Port) Raft() raft.StreamLayer {
	var addr net.Addr = advertised(p.options.Advertise)
	if p.options.Advertise == "" {
		addr = p.Addr()
	}
	ctx, cancel := context.WithCancel(p.ctx)
	l := &layer{feed: newFeed(addr), port: p, ctx: ctx, cancel: cancel}
	p.mu.Lock()
	before := p.raft
	closed := p.closed
	if !closed {
		p.raft = l
	}
	p.mu.Unlock()
	if before != nil {
		before.Close() //nolint:errcheck // has none
	}
	if closed {
		l.Close() //nolint:errcheck // has none
	}
	return l
}

// Dial implements raft.StreamLayer.
func (l *layer) Dial(address raft.ServerAddress, timeout time.Duration) (net.Conn, error) {
	if timeout <= 0 {
		timeout = l.port.options.HandshakeTimeout
	}
	ctx, cancel := context.WithTimeout(l.ctx, timeout)
	defer cancel()
	c, err := l.port.dial(ctx, string(address), RaftProtocol, l)
	if err != nil {
		return nil, err
	}
	return newSteady(c, l.port.options.StallTimeout, false), nil
}

// Close implements net.Listener.
func (l *layer) Close() error {
	l.cancel()
	l.feed.Close() //nolint:errcheck // has none
	l.port.mu.Lock()
	if l.port.raft == l {
		l.port.raft = nil
	}
	l.port.mu.Unlock()
	l.port.closeConns(func(c *conn) bool { return c.layer == l })
	return nil
}
