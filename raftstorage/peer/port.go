package peer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"go.uber.org/zap"
)

// Options are those of a port. All of them have defaults.
type Options struct {
	// Advertise is the address that other nodes dial, as host:port; raft tells it to them. Default:
	// where the port listens.
	Advertise string
	// Handler answers RPCs. [From] tells it who calls. When the port closes, the contexts of running
	// requests are done. Default: nothing is found.
	Handler http.Handler
	// Logger returns where to log; it is called for every message. Default: nowhere.
	Logger func() *zap.Logger
	// MaxRaft is how many raft connections others may have to this port. Default: 64.
	MaxRaft int
	// MaxRPC is how many RPC connections others may have to this port; each carries many requests
	// at once. Default: 512.
	MaxRPC int
	// MaxPerIP is how many connections one address may have, unfinished handshakes included.
	// Loopback addresses are exempt. Default: 32.
	MaxPerIP int
	// HandshakeTimeout is how long a handshake may take, on either side. Default: 5 s.
	HandshakeTimeout time.Duration
	// StallTimeout is how long a raft connection may stand still in the midst of a message, and an
	// RPC connection with something to write. Default: 30 s.
	StallTimeout time.Duration

	maxHandshakes  int  // at once, of strangers. Default: 256
	countsLoopback bool // makes MaxPerIP hold for loopback addresses, in tests
}

func (o Options) withDefaults() Options {
	if o.Handler == nil {
		o.Handler = http.NotFoundHandler()
	}
	if o.Logger == nil {
		nop := zap.NewNop()
		o.Logger = func() *zap.Logger { return nop }
	}
	for field, value := range map[*int]int{&o.MaxRaft: 64, &o.MaxRPC: 512, &o.MaxPerIP: 32, &o.maxHandshakes: 256} {
		if *field <= 0 {
			*field = value
		}
	}
	if o.HandshakeTimeout <= 0 {
		o.HandshakeTimeout = 5 * time.Second
	}
	if o.StallTimeout <= 0 {
		o.StallTimeout = 30 * time.Second
	}
	return o
}

const (
	// keepAlive is after how long of silence TCP asks whether the other side is still there, and
	// how often.
	keepAlive = 10 * time.Second
	// closeWait is how long Close waits for handlers that do not end when their context is done.
	closeWait = 10 * time.Second
	// acceptPause is for how long nothing is accepted after that failed, as it does without free
	// file descriptors.
	acceptPause = 100 * time.Millisecond
)

// Port is the one port of a node.
type Port struct {
	cred       *Credentials
	options    Options
	listener   net.Listener
	server     *server
	client     *client
	complaints complaints

	ctx    context.Context // of everything that the port does; done when it closes
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu         sync.Mutex
	closed     bool
	conns      map[*conn]struct{} // accepted and dialled
	perIP      map[netip.Addr]int
	handshakes int
	accepted   map[string]int // by protocol
	raft       *layer         // nil: raft does not run
}

// Listen opens the port. The credentials may change while it is open.
func Listen(address string, cred *Credentials, o Options) (*Port, error) {
	if err := cred.check(); err != nil {
		return nil, fmt.Errorf("port of the cluster: %w", err)
	}
	config := net.ListenConfig{KeepAliveConfig: keepAliveConfig()}
	ctx, cancel := context.WithCancel(context.Background())
	listener, err := config.Listen(ctx, "tcp", address)
	if err != nil {
		cancel()
		return nil, fmt.Errorf("option listen: %w", err)
	}
	p := &Port{
		cred: cred, options: o.withDefaults(), listener: listener,
		ctx: ctx, cancel: cancel,
		conns: map[*conn]struct{}{}, perIP: map[netip.Addr]int{}, accepted: map[string]int{},
	}
	p.server = newServer(p)
	p.client = newClient(p)
	p.wg.Go(p.acceptLoop)
	cred.serve(p, true)
	return p, nil
}

func keepAliveConfig() net.KeepAliveConfig {
	return net.KeepAliveConfig{Enable: true, Idle: keepAlive, Interval: keepAlive, Count: 3}
}

// Addr is where the port listens.
func (p *Port) Addr() net.Addr { return p.listener.Addr() }

// Client is for requests to other ports, as https://host:port/path. It keeps one connection to
// each, for all requests at once, notices within about five seconds when the other side is gone,
// and follows no redirects. Requests have no time limit but that of their context. See [NotSent].
func (p *Port) Client() *http.Client {
	return &http.Client{
		Transport:     p.client,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Close closes the port and every connection that was accepted or dialled, and waits for what
// runs on them: up to ten seconds for handlers, about which the error is then. It must not be
// called from a handler. A second Close does nothing.
func (p *Port) Close() error {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil
	}
	p.closed = true
	raft := p.raft
	p.mu.Unlock()

	p.cred.serve(p, false)
	p.cancel()
	err := p.listener.Close()
	if raft != nil {
		raft.Close() //nolint:errcheck // has none
	}
	p.client.close()
	p.server.close()
	p.closeConns(func(*conn) bool { return true })

	done := make(chan struct{})
	go func() { // ends with the last handler
		p.wg.Wait()
		close(done)
	}()
	timer := time.NewTimer(closeWait)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
		err = errors.Join(err, fmt.Errorf("port of the cluster: handlers still run %v after it was closed", closeWait))
	}
	return err
}

// recheck ends the connections of those who are not trusted any more. New requests go over new
// connections, so that no others are cut off when their peers stop trusting what this node showed
// before.
func (p *Port) recheck(t *trust) {
	p.client.renew()
	p.closeConns(func(c *conn) bool {
		ours := !c.counted && c.layer == nil // ends with its last request
		return c.settled && !ours && !t.holds(c.peer)
	})
}

// closeConns closes the connections that are meant.
func (p *Port) closeConns(meant func(*conn) bool) {
	p.mu.Lock()
	var conns []*conn
	for c := range p.conns {
		if meant(c) {
			conns = append(conns, c)
		}
	}
	p.mu.Unlock()
	for _, c := range conns {
		c.Close() //nolint:errcheck // nobody to tell
	}
}

func (p *Port) acceptLoop() {
	for {
		raw, err := p.listener.Accept()
		if err != nil {
			if p.ctx.Err() != nil {
				return
			}
			p.complain(nil, &refusal{reasonOther, "no connection could be accepted", err})
			select {
			case <-time.After(acceptPause):
			case <-p.ctx.Done():
				return
			}
			continue
		}
		c, err := p.admit(raw)
		if err != nil {
			raw.Close() //nolint:errcheck // nobody to tell
			p.complain(raw, err)
			continue
		}
		p.wg.Go(func() { p.receive(c) })
	}
}

// admit counts a connection that has just come in.
func (p *Port) admit(raw net.Conn) (*conn, error) {
	c := &conn{port: p, raw: raw, Conn: raw}
	if from, err := netip.ParseAddrPort(raw.RemoteAddr().String()); err == nil {
		if ip := from.Addr().Unmap(); !ip.IsLoopback() || p.options.countsLoopback {
			c.from = ip
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.closed:
		return nil, net.ErrClosed
	case p.handshakes >= p.options.maxHandshakes:
		return nil, &refusal{reason: reasonLimit, text: fmt.Sprintf("%d others are in the midst of a handshake", p.handshakes)}
	case c.from.IsValid() && p.perIP[c.from] >= p.options.MaxPerIP:
		return nil, &refusal{reason: reasonLimit, text: fmt.Sprintf("it has %d connections already", p.options.MaxPerIP)}
	}
	p.handshakes++
	if c.from.IsValid() {
		p.perIP[c.from]++
	}
	c.shaking = true
	p.conns[c] = struct{}{}
	return c, nil
}

// receive does the handshake and gives the connection to whom it is for.
func (p *Port) receive(c *conn) {
	err := p.welcome(c)
	if err == nil {
		return
	}
	c.Close() //nolint:errcheck // nobody to tell
	if p.ctx.Err() == nil {
		p.complain(c.raw, err)
	}
}

func (p *Port) welcome(c *conn) error {
	config, err := p.cred.config(asClient, []string{RaftProtocol, RPCProtocol}, &c.peer)
	if err != nil {
		return &refusal{reasonOther, "this node is in no cluster yet: " + err.Error(), err}
	}
	ctx, cancel := context.WithTimeout(p.ctx, p.options.HandshakeTimeout)
	defer cancel()
	secure := newServerTLS(c.raw, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		return accepting(err)
	}
	c.Conn, c.protocol = secure, secure.ConnectionState().NegotiatedProtocol
	deadline, _ := ctx.Deadline()
	if err := c.SetDeadline(deadline); err != nil {
		return accepting(err)
	}
	answer, deliver, err := p.settle(c)
	if _, writeErr := c.Write([]byte{byte(answer)}); writeErr != nil && err == nil {
		return accepting(writeErr)
	}
	if err != nil {
		return err
	}
	if !p.cred.holds(c.peer) {
		return errChanged()
	}
	if err := c.SetDeadline(time.Time{}); err != nil {
		return accepting(err)
	}
	if !deliver(c) {
		return net.ErrClosed
	}
	return nil
}

// answer is the first byte that the side that was dialled sends after the handshake. Only with it
// does the other side know that its certificate was accepted, too.
type answer byte

const (
	answerWelcome answer = 'W' // go on
	answerFull    answer = 'F' // there are too many connections for this protocol
	answerAbsent  answer = 'A' // nobody takes connections for this protocol now
)

// settle counts a connection that did its handshake, and tells whom to give it to.
func (p *Port) settle(c *conn) (answer, func(net.Conn) bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return answerAbsent, nil, net.ErrClosed
	}
	limit, deliver := p.options.MaxRPC, p.server.feed.deliver
	if c.protocol == RaftProtocol {
		if p.raft == nil {
			return answerAbsent, nil, &refusal{reason: reasonOther, text: "raft does not run on this node at the moment"}
		}
		c.layer = p.raft
		limit, deliver = p.options.MaxRaft, func(c net.Conn) bool { return p.deliverRaft(c.(*conn)) }
	}
	if p.accepted[c.protocol] >= limit {
		return answerFull, nil, &refusal{reason: reasonLimit, text: fmt.Sprintf("there are %d connections for %s already", limit, c.protocol)}
	}
	p.endHandshake(c)
	p.accepted[c.protocol]++
	c.counted, c.settled = true, true
	return answerWelcome, deliver, nil
}

func (p *Port) deliverRaft(c *conn) bool {
	return c.layer.feed.deliver(newSteady(c, p.options.StallTimeout, true))
}

// endHandshake uncounts a handshake. p.mu is held.
func (p *Port) endHandshake(c *conn) {
	if c.shaking {
		c.shaking = false
		p.handshakes--
	}
}

// forget uncounts a connection.
func (p *Port) forget(c *conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, ok := p.conns[c]; !ok {
		return
	}
	delete(p.conns, c)
	p.endHandshake(c)
	if c.counted {
		p.accepted[c.protocol]--
	}
	if c.from.IsValid() {
		if p.perIP[c.from]--; p.perIP[c.from] == 0 {
			delete(p.perIP, c.from)
		}
	}
}
