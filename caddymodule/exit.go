package caddymodule

import (
	"context"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"
)

const (
	// exitPoll is how soon a node notices that Caddy is about to exit: there is nobody who says so,
	// and Caddy may then wait for its requests for as long as they take.
	exitPoll = 200 * time.Millisecond
	// exitTimeout bounds what a node does for the others before it ends.
	exitTimeout = 5 * time.Second
)

// watchExit hands the lead over as soon as Caddy is about to exit, or leaves the cluster. It ends
// with ctx.
func (n *node) watchExit(ctx context.Context) {
	defer close(n.watched)
	poll := time.NewTicker(exitPoll)
	defer poll.Stop()
	for {
		select {
		case <-poll.C:
			if caddy.Exiting() {
				n.goodbye()
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

// goodbye is done once, before the store is closed for good.
func (n *node) goodbye() {
	n.parting.Do(func() {
		s := n.settings.Load()
		if s.cluster == nil {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), exitTimeout)
		defer cancel()
		if s.cluster.LeaveOnExit {
			if err := n.store.Leave(ctx); err != nil {
				s.logger.Error("this node did not leave the cluster, and counts as one that is missing; take it out with dgate-cli cluster remove", zap.String("id", n.store.Status().ID), zap.Error(err))
			}
			return
		}
		if err := n.store.StepDown(ctx); err != nil {
			s.logger.Warn("the other nodes must elect a leader", zap.Error(err))
		}
	})
}
