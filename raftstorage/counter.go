package raftstorage

import (
	"encoding/binary"
	"sync"
	"time"

	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// counter numbers commands and bounds those in flight.
type counter struct {
	mu      sync.Mutex
	last    uint64
	count   int
	bytes   int
	drained chan struct{} // closed when draining and nothing is in flight
}

// next is a new command id.
func (c *counter) next(session [8]byte) (id [16]byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last++
	copy(id[:], session[:])
	binary.BigEndian.PutUint64(id[8:], c.last)
	return id
}

// admit takes a command of size bytes in, or says that there are too many.
func (c *counter) admit(size int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.drained != nil:
		return closedError()
	case c.count >= maxInFlight, c.count > 0 && c.bytes+size > maxInFlightBytes:
		return resource.Errorf(resource.Overloaded, "too many changes at once; try again")
	}
	c.count++
	c.bytes += size
	return nil
}

func (c *counter) done(size int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.count--
	c.bytes -= size
	if c.drained != nil && c.count == 0 {
		close(c.drained)
	}
}

// drain admits nothing any more and waits for what is in flight.
func (c *counter) drain(atMost time.Duration) {
	c.mu.Lock()
	c.drained = make(chan struct{})
	if c.count == 0 {
		close(c.drained)
	}
	drained := c.drained
	c.mu.Unlock()
	select {
	case <-drained:
	case <-time.After(atMost):
	}
}
