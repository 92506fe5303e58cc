// Package caddymodule is everything of DGate that is Caddy configuration: the app, its global
// option, and what hangs on it. The work is done by the packages that it imports.
package caddymodule

import "github.com/caddyserver/caddy/v2"

func init() { caddy.RegisterModule(new(App)) }

// App is the DGate gateway: it owns the replicated resources and the script engine that the
// dgate handlers and the admin API share.
type App struct{}

// CaddyModule implements [caddy.Module].
func (*App) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "dgate", New: func() caddy.Module { return new(App) }}
}

// Start implements [caddy.App].
func (*App) Start() error { return nil }

// Stop implements [caddy.App].
func (*App) Stop() error { return nil }

var _ caddy.App = (*App)(nil)
