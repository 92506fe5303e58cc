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
	"iter"
	"strings"
	"sync"
	"sync/atomic"

	"go.uber.org/zap"

	"github.com/dgate-io/caddy-dgate/internal/hook"
	"github.com/dgate-io/caddy-dgate/internal/hosts"
	"github.com/dgate-io/caddy-dgate/internal/js"
	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// Options are the settings that a configuration can change while the gateway runs.
type Options struct {
	// Limits bound every module.
	Limits js.Limits
	// Tags of this node, sent upstream in X-DGate-Tags.
	Tags []string
	// Env names the environment variables that scripts can see. VMs that saw others are replaced.
	Env []string
	// AllowedDomains are the hosts that are answered where no namespace is given. Default: all.
	AllowedDomains []resource.HostPattern
	// NoDefault keeps requests for hosts that no domain has from the default namespace.
	NoDefault bool
	// Proxies makes proxies for services that need their own. Nil: they are served like the others.
	Proxies Proxies
	// Logger is the parent of the loggers of modules. Required.
	Logger *zap.Logger

	tags []string // the value of X-DGate-Tags, or nil
	env  string   // Env, to compare with

	allowed *hosts.Index // AllowedDomains, or nil
}

// Hosts is told which domains there are, and knows hosts that requests must not be for any more.
type Hosts interface {
	// Update takes the stored domains over, all of them, before requests are routed by them.
	Update(domains iter.Seq[*resource.Domain])
	// Misdirected tells that a host had a certificate because of a domain, and no domain has it now.
	Misdirected(host string) bool
}

// Gateway routes requests. Its methods may be called from any goroutine.
type Gateway struct {
	engine  *js.Engine
	hosts   Hosts // or nil
	options atomic.Pointer[Options]
	table   atomic.Pointer[Table]
	live    progress

	swapping  sync.Mutex // held while the table or the options change
	modules   modules
	unmatched RouteStats
	builds    Durations
}

// New makes a gateway that answers nothing until [Gateway.Load] has read the store.
// The modules are the host modules and globals that scripts can use.
func New(engine js.Options, options Options) *Gateway {
	engine.Hooks, engine.Aliases, engine.Members = hook.Names(), hook.Aliases(), hook.Members()
	g := &Gateway{engine: js.NewEngine(engine), modules: modules{byName: map[Names]*moduleStats{}}}
	g.Configure(options)
	g.live.init()
	return g
}

// Watch has h told about domains. It must be called before [Gateway.Load].
func (g *Gateway) Watch(h Hosts) { g.hosts = h }

// Configure changes the settings, from the next request on.
func (g *Gateway) Configure(options Options) {
	if len(options.Tags) > 0 {
		options.tags = []string{strings.Join(options.Tags, ",")}
	}
	options.env = strings.Join(options.Env, ",")
	if len(options.AllowedDomains) > 0 {
		var patterns []hosts.Ranked
		for i, p := range options.AllowedDomains {
			patterns = append(patterns, hosts.Ranked{HostPattern: p, Rank: i})
		}
		options.allowed = hosts.NewIndex(patterns)
	}
	g.use(&options)
}

// VMs returns how many VMs of scripts there are, and how many of them wait for a request.
func (g *Gateway) VMs() (total, idle int) { return g.engine.VMs(), g.engine.Idle() }

// Table is what requests are routed by now, or nil as long as the store has not been read.
func (g *Gateway) Table() *Table { return g.table.Load() }
