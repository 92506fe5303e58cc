package gateway

import (
	"context"
	"fmt"
	"sync"
)

// progress tells which revision of the store is live, and lets callers wait for one.
type progress struct {
	mu      sync.Mutex
	index   uint64
	problem error
	changed chan struct{} // closed when index grows
}

func (p *progress) init() { p.changed = make(chan struct{}) }

// reach notes that everything up to index is live, except for what problem says.
func (p *progress) reach(index uint64, problem error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.index, p.problem = max(p.index, index), problem
	close(p.changed)
	p.changed = make(chan struct{})
}

// wait blocks until index is live or ctx is done. The error is the one that index or a later
// revision could not be compiled for.
func (p *progress) wait(ctx context.Context, index uint64) error {
	for {
		p.mu.Lock()
		reached, problem, changed := p.index >= index, p.problem, p.changed
		p.mu.Unlock()
		if reached {
			return problem
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("wait until index %d is live: %w", index, context.Cause(ctx))
		}
	}
}

// Live blocks until this node routes by index or a later revision, or ctx is done. The error is
// also that of a table that could not be compiled: then the previous one goes on serving.
func (g *Gateway) Live(ctx context.Context, index uint64) error { return g.live.wait(ctx, index) }

// Progress tells which revision of the store has been compiled, and why it could not be.
func (g *Gateway) Progress() (index uint64, problem error) {
	g.live.mu.Lock()
	defer g.live.mu.Unlock()
	return g.live.index, g.live.problem
}
