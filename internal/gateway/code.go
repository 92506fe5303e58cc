package gateway

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"sync"
	"sync/atomic"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/dgate-io/caddy-dgate/internal/js"
	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// unitKey tells bundles apart: by the names, languages and sources of their modules, in order.
type unitKey [sha256.Size]byte

// keyOf is the key of a list of modules.
func keyOf(modules []*resource.Module) unitKey {
	h := sha256.New()
	part := func(b []byte) {
		h.Write(binary.AppendUvarint(nil, uint64(len(b))))
		h.Write(b)
	}
	for _, m := range modules {
		part([]byte(m.Namespace))
		part([]byte(m.Name))
		part([]byte(m.Type))
		part(m.Payload)
	}
	return unitKey(h.Sum(nil))
}

// code is a bundle of modules and its VMs. It is compiled when the first request needs it, and
// shared by all routes that list the same modules in the same order.
type code struct {
	gateway *Gateway
	modules []*resource.Module
	own     *js.Limits // of a site; nil: those of the gateway
	stats   *moduleStats

	now    atomic.Pointer[unit]
	mu     sync.Mutex // of those who change now
	closed bool
}

// newCode makes the bundle of modules. own are the limits of a site. close must be called.
func (g *Gateway) newCode(modules []*resource.Module, own *js.Limits) *code {
	c := &code{gateway: g, modules: modules, own: own}
	c.stats = g.modules.use(c.name())
	return c
}

// name is that of the entry.
func (c *code) name() Names {
	return Names{Namespace: c.modules[0].Namespace, Module: c.modules[0].Name}
}

// unit is a compiled bundle under certain settings.
type unit struct {
	prog   *js.Program
	pool   *js.Pool
	limits js.Limits
	env    string
	stats  *moduleStats
	whole  bool // answers must come as a whole
}

// fits tells whether the settings are still those of the unit.
func (u *unit) fits(limits js.Limits, env string) bool {
	return u != nil && u.limits == limits && u.env == env
}

// load gives the bundle, compiled for the settings that hold now.
func (c *code) load(ctx context.Context) (*unit, error) {
	opts := c.gateway.options.Load()
	limits, env := opts.Limits, opts.env
	if c.own != nil {
		limits = *c.own
	}
	if u := c.now.Load(); u.fits(limits, env) {
		return u, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	before := c.now.Load()
	if before.fits(limits, env) {
		return before, nil
	}
	prog, err := c.gateway.engine.Compile(context.WithoutCancel(ctx), sources(c.modules), limits)
	if err != nil {
		return nil, err
	}
	u := &unit{
		prog: prog, limits: limits, env: env, stats: c.stats, whole: needsWhole(prog, c.modules),
		pool: c.gateway.engine.NewPool(prog, limits, c.gateway.logger(c.name())),
	}
	c.now.Store(u)
	if before != nil {
		before.pool.Close() // requests that have it already finish on it
	}
	if c.closed {
		u.pool.Close()
	}
	return u, nil
}

// close lets idle VMs go. Requests that began with this bundle finish on it.
func (c *code) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return
	}
	c.closed = true
	c.gateway.modules.drop(c.name())
	if u := c.now.Load(); u != nil {
		u.pool.Close()
	}
}

// sources are modules as the engine wants them, the entry first.
func sources(modules []*resource.Module) []js.Source {
	out := make([]js.Source, len(modules))
	for i, m := range modules {
		out[i] = source(m)
	}
	return out
}

func source(m *resource.Module) js.Source {
	lang := js.TypeScript
	if m.Type == resource.JavaScript {
		lang = js.JavaScript
	}
	return js.Source{Name: m.Name, Lang: lang, Code: m.Payload}
}

// logger is where the console of a module goes.
func (g *Gateway) logger(entry Names) *zap.Logger {
	name := g.options.Load().Logger.Name()
	return zap.New(currentLog{gateway: g}).Named(name).Named("module." + entry.Namespace + "." + entry.Module)
}

// currentLog writes to the logger of the configuration that holds now: VMs outlive configurations,
// and the files that a logger writes to do not.
type currentLog struct {
	gateway *Gateway
	fields  []zapcore.Field
}

func (l currentLog) core() zapcore.Core { return l.gateway.options.Load().Logger.Core() }

// Enabled implements [zapcore.Core].
func (l currentLog) Enabled(level zapcore.Level) bool { return l.core().Enabled(level) }

// With implements [zapcore.Core].
func (l currentLog) With(fields []zapcore.Field) zapcore.Core {
	return currentLog{l.gateway, append(slices.Clip(l.fields), fields...)}
}

// Check implements [zapcore.Core].
func (l currentLog) Check(entry zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	core := l.core()
	if len(l.fields) > 0 {
		core = core.With(l.fields)
	}
	return core.Check(entry, checked)
}

// Write implements [zapcore.Core].
func (l currentLog) Write(entry zapcore.Entry, fields []zapcore.Field) error {
	return l.core().Write(entry, append(slices.Clip(l.fields), fields...))
}

// Sync implements [zapcore.Core].
func (l currentLog) Sync() error { return l.core().Sync() }

var _ zapcore.Core = currentLog{}
