package caddymodule

import (
	"context"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"
)

// closeAtExit closes the node last of all, if the process ends: Caddy gives the locks of certmagic back
// when all configurations are gone, and the other nodes of a cluster are not to wait for them. It is
// false if the process does not end.
func (n *node) closeAtExit() bool {
	if !caddy.Exiting() {
		return false
	}
	caddy.OnExit(func(context.Context) {
		if err := n.close(); err != nil {
			n.settings.Load().logger.Error("the store was not closed in order", zap.Error(err))
		}
	})
	return true
}
