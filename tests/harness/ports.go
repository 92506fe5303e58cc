package harness

import (
	"fmt"
	"net"
	"sync"
)

// Ports hands out TCP ports of the loopback interface and keeps them from others until it is closed.
//
// A port that was free a moment ago may be given to somebody else before the server it was chosen
// for listens on it. So where the system allows it a port stays bound to a socket that does not
// listen: the system then gives it to nobody who asks for any port, while a server that asks for
// this one gets it, again and again. Connecting to it without such a server is refused.
type Ports struct {
	mu   sync.Mutex
	held []func()
}

// Addr returns the address of a free port, as host:port.
func (p *Ports) Addr() (string, error) {
	addr, release, err := hold()
	if err != nil {
		return "", fmt.Errorf("reserve a port: %w", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.held = append(p.held, release)
	return addr, nil
}

// Close gives all ports back.
func (p *Ports) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, release := range p.held {
		release()
	}
	p.held = nil
}

// anyPort is the way where ports cannot be held: it was free just now.
func anyPort() (addr string, release func(), err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	return l.Addr().String(), func() {}, l.Close()
}
