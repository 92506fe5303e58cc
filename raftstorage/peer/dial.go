package peer

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"
)

// dial connects to another port. The error is an *Error.
func (p *Port) dial(ctx context.Context, address, protocol string, l *layer) (*conn, error) {
	c, err := p.connect(ctx, address, protocol, l)
	if err != nil {
		return nil, &Error{Address: address, Err: err}
	}
	return c, nil
}

func (p *Port) connect(ctx context.Context, address, protocol string, l *layer) (*conn, error) {
	ctx, cancel := context.WithTimeout(ctx, p.options.HandshakeTimeout)
	defer cancel()
	c := &conn{port: p, protocol: protocol, layer: l}
	config, err := p.cred.config(asServer, []string{protocol}, &c.peer)
	if err != nil {
		return nil, err
	}
	dialer := net.Dialer{KeepAliveConfig: keepAliveConfig()}
	if c.raw, err = dialer.DialContext(ctx, "tcp", address); err != nil {
		if op, ok := errors.AsType[*net.OpError](err); ok {
			err = op.Err // the rest of it is the address
		}
		return nil, err
	}
	secure := tls.Client(c.raw, config)
	c.Conn = secure
	if !p.track(c) {
		c.raw.Close() //nolint:errcheck // nobody to tell
		return nil, net.ErrClosed
	}
	if err := c.greet(ctx, secure); err != nil {
		c.Close() //nolint:errcheck // the other error is the one
		return nil, dialling(err)
	}
	p.mu.Lock()
	c.settled = true
	p.mu.Unlock()
	if !p.cred.holds(c.peer) {
		c.Close() //nolint:errcheck // the other error is the one
		return nil, errChanged()
	}
	return c, nil
}

// greet does the handshake and waits to be welcome.
func (c *conn) greet(ctx context.Context, secure *tls.Conn) error {
	if err := secure.HandshakeContext(ctx); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { c.raw.SetDeadline(time.Now()) }) //nolint:errcheck // closed, then
	defer stop()
	var first [1]byte
	if _, err := c.Read(first[:]); err != nil {
		if cause := context.Cause(ctx); cause != nil {
			return cause
		}
		return err
	}
	switch answer(first[0]) {
	case answerWelcome:
	case answerFull:
		return &refusal{reason: reasonLimit, text: "it has too many connections for " + c.protocol}
	case answerAbsent:
		return &refusal{reason: reasonOther, text: "it takes no connections for " + c.protocol + " at the moment"}
	default:
		return &refusal{reason: reasonProtocol, text: fmt.Sprintf("it answered the handshake with %q, so it is another version of DGate", first[0])}
	}
	if !stop() {
		return context.Cause(ctx)
	}
	return nil
}

// track remembers a connection that was dialled; false means that its owner is closed.
func (p *Port) track(c *conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || c.layer != nil && c.layer != p.raft {
		return false
	}
	p.conns[c] = struct{}{}
	return true
}
