package caddymodule

import (
	"context"
	"sync"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"
)

func init() { caddy.OnExit(leaving.close) }

// leaving are the nodes that go on until the process ends. Caddy gives the locks of certmagic back
// when all configurations are gone, and the other nodes of a cluster are not to wait for them.
var leaving exits

type exits struct {
	mu    sync.Mutex
	nodes []*node
}

// add keeps a node. It is false if the process does not end.
func (e *exits) add(n *node) bool {
	if !caddy.Exiting() {
		return false
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.nodes = append(e.nodes, n)
	return true
}

// close closes what was kept. Caddy calls it last.
func (e *exits) close(context.Context) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, n := range e.nodes {
		if err := n.close(); err != nil {
			caddy.Log().Named("dgate").Error("the store was not closed in order", zap.Error(err))
		}
	}
	e.nodes = nil
}
