// Package gateway turns the stored resources into a table that requests are routed by, and runs
// a request through its route: modules, proxying, errors.
//
// The table is immutable and swapped whole. A request keeps the one it started with, so a change
// never disturbs what is in flight, and a change that cannot be compiled leaves the previous
// table in place.
//
// The package knows no Caddy: proxying is behind [Forwarder]. It stores nothing and decides
// nothing about what may be stored beyond whether code works.
package gateway

import (
	"sync/atomic"

	"go.uber.org/zap"

	"github.com/dgate-io/caddy-dgate/internal/hook"
	"github.com/dgate-io/caddy-dgate/internal/js"
)

// Options are the settings that a configuration can change while the gateway runs.
type Options struct {
	// Limits bound every module.
	Limits js.Limits
	// Tags of this node, sent upstream in X-DGate-Tags.
	Tags []string
	// Logger is the parent of the loggers of modules. Required.
	Logger *zap.Logger
}

// Gateway routes requests. Its methods may be called from any goroutine.
type Gateway struct {
	engine  *js.Engine
	options atomic.Pointer[Options]
	table   atomic.Pointer[Table]
	live    progress
}

// New makes a gateway that answers nothing until [Gateway.Load] has read the store.
// The modules are the host modules and globals that scripts can use.
func New(engine js.Options, options Options) *Gateway {
	engine.Hooks, engine.Aliases = hook.Names(), hook.Aliases()
	g := &Gateway{engine: js.NewEngine(engine)}
	g.options.Store(&options)
	g.live.init()
	return g
}

// Configure changes the settings. Modules that are loaded already keep their limits until they change.
func (g *Gateway) Configure(options Options) { g.options.Store(&options) }

// Table is what requests are routed by now, or nil as long as the store has not been read.
func (g *Gateway) Table() *Table { return g.table.Load() }
