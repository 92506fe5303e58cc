package raftstorage

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/dgate-io/caddy-dgate/internal/resource"
	"github.com/dgate-io/caddy-dgate/internal/state"
)

// Errors of a node that is not in use.
var (
	// ErrClosed is the cause of everything that fails after Close.
	ErrClosed = errors.New("the store is closed")
	// ErrNotOpen is the cause of what fails before Open succeeded.
	ErrNotOpen = errors.New("the store is not open")
)

// Node is one member of the replicated store. All methods may be called from several goroutines.
type Node struct {
	cfg Config

	configuring sync.Mutex // held by Configure

	mu      sync.Mutex // short
	cluster *Cluster   // what the next Open uses
	attempt *attempt   // an Open that is under way
	store   *store     // set while open
	closed  chan struct{}
	closing bool
	err     error // of Close
}

// attempt is one try to open the store; several callers can wait for it.
type attempt struct {
	done chan struct{}
	err  error
}

// New makes a node. It does no I/O at all: see [Node.Open].
func New(cfg Config) *Node {
	cfg = cfg.withDefaults()
	return &Node{cfg: cfg, cluster: cfg.Cluster, closed: make(chan struct{})}
}

// Open opens the store, and creates it if it is new. It returns when the state can be read;
// a new store can be written by then, one that exists perhaps a moment later. Open may be called
// any number of times; one that failed can be tried again, and one whose ctx ended goes on in the
// background for the next caller. It takes at most 30 s.
//
// The error names the other process if one has the directory open. After Close it is [ErrClosed].
func (n *Node) Open(ctx context.Context) error {
	if err := n.cfg.check(); err != nil {
		return err
	}
	n.mu.Lock()
	switch {
	case n.closing:
		n.mu.Unlock()
		return closedError()
	case n.store != nil:
		n.mu.Unlock()
		return nil
	}
	a := n.attempt
	if a == nil {
		a = &attempt{done: make(chan struct{})}
		n.attempt = a
		go n.open(a)
	}
	n.mu.Unlock()

	ctx, cancel := context.WithTimeoutCause(ctx, n.cfg.timing.open, errors.New("it takes too long"))
	defer cancel()
	select {
	case <-a.done:
		return a.err
	case <-ctx.Done():
		return fmt.Errorf("open store: %w", context.Cause(ctx))
	}
}

// open makes one attempt. It runs in a goroutine of its own, which ends with the attempt.
func (n *Node) open(a *attempt) {
	ctx, cancel := context.WithTimeoutCause(context.Background(), n.cfg.timing.open, errors.New("no leader was elected in time"))
	defer cancel()
	n.mu.Lock()
	cluster := n.cluster
	n.mu.Unlock()
	s, err := openStore(ctx, n.cfg, cluster)
	n.mu.Lock()
	defer n.mu.Unlock()
	if err != nil {
		a.err = fmt.Errorf("open store: %w", err)
	} else {
		n.store = s
	}
	n.attempt = nil
	close(a.done)
}

// current is the open store, or an error with a code that says why there is none.
func (n *Node) current() (*store, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case n.closing:
		return nil, closedError()
	case n.store == nil:
		return nil, &resource.Error{Code: resource.NoLeader, Message: ErrNotOpen.Error(), Err: ErrNotOpen}
	}
	return n.store, nil
}

func closedError() error {
	return &resource.Error{Code: resource.NoLeader, Message: ErrClosed.Error(), Err: ErrClosed}
}

// DB is the state of this node. It is nil until Open succeeded.
func (n *Node) DB() *state.DB {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.store == nil {
		return nil
	}
	return n.store.db
}

// Snapshot takes a snapshot now and shortens the log. With nothing new to take it does nothing.
func (n *Node) Snapshot() error {
	s, err := n.current()
	if err != nil {
		return err
	}
	return s.member.Load().snapshot()
}

// StepDown gives leadership to another member, if this node leads and there is one. It takes 3 s at
// most. Whoever is going to call Close some time later calls it first, so that nobody waits for an
// election.
func (n *Node) StepDown(ctx context.Context) error {
	s, err := n.current()
	if err != nil {
		return err
	}
	return s.stepDown(ctx)
}

// Close ends the use of the store: no new proposals, running ones are waited for up to 2 s, another
// member gets to lead, then raft stops and the files are synced and closed. It may be called any number of times, and
// before Open. When ctx ends first its cause is returned and closing goes on.
func (n *Node) Close(ctx context.Context) error {
	n.mu.Lock()
	if !n.closing {
		n.closing = true
		go n.close(n.attempt)
	}
	n.mu.Unlock()
	select {
	case <-n.closed:
		return n.err
	case <-ctx.Done():
		return fmt.Errorf("close store: %w", context.Cause(ctx))
	}
}

// close runs once, in a goroutine of its own, which ends when everything is closed.
func (n *Node) close(opening *attempt) {
	defer close(n.closed)
	if opening != nil {
		<-opening.done
	}
	n.mu.Lock()
	s := n.store
	n.mu.Unlock()
	if s == nil {
		return
	}
	if err := s.close(); err != nil {
		n.err = fmt.Errorf("close store: %w", err)
	}
}
