package gateway

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"sync"

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

	mu     sync.Mutex
	pool   *js.Pool
	prog   *js.Program
	closed bool
}

// load compiles the bundle unless that has been done.
func (c *code) load(ctx context.Context) (*js.Program, *js.Pool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.prog != nil {
		return c.prog, c.pool, nil
	}
	opts := c.gateway.options.Load()
	prog, err := c.gateway.engine.Compile(context.WithoutCancel(ctx), sources(c.modules), opts.Limits)
	if err != nil {
		return nil, nil, err
	}
	entry := c.modules[0]
	c.prog = prog
	c.pool = c.gateway.engine.NewPool(prog, opts.Limits, opts.Logger.Named("module."+entry.Namespace+"."+entry.Name))
	if c.closed {
		c.pool.Close()
	}
	return c.prog, c.pool, nil
}

// close lets idle VMs go. Requests that began with this bundle finish on it.
func (c *code) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	if c.pool != nil {
		c.pool.Close()
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
