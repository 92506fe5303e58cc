package gateway

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/dgate-io/caddy-dgate/internal/resource"
	"github.com/dgate-io/caddy-dgate/internal/state"
)

// Follower keeps the table of a gateway up to date.
type Follower struct {
	builder *builder
	db      *state.DB
	sub     *state.Subscription
}

// Load compiles what is stored. Changes are live from then on as long as Follow runs.
func (g *Gateway) Load(db *state.DB) (*Follower, error) {
	b := &builder{gateway: g, units: map[unitKey]*code{}}
	index, err := b.readAll(db)
	if err != nil {
		return nil, err
	}
	sub := db.Subscribe(index)
	b.publish(index)
	return &Follower{builder: b, db: db, sub: sub}, nil
}

// Follow compiles changes as they are applied, until ctx is done or the store is closed. It
// returns an error only if the store cannot be read.
func (f *Follower) Follow(ctx context.Context) error {
	for {
		changes, resync, err := f.sub.Next(ctx)
		if ctx.Err() != nil || errors.Is(err, state.ErrClosed) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("follow changes: %w", err)
		}
		var index uint64
		if resync {
			index, err = f.builder.readAll(f.db)
		} else {
			index, err = f.builder.read(f.db, changes)
		}
		if err != nil {
			return err
		}
		f.builder.publish(index)
	}
}

// routed tells whether tables are made of a kind. Other changes only move the index of the table.
func routed(kind string) bool {
	k, ok := resource.ByName(kind)
	return ok && k.Routed
}

// builder compiles tables, one after the other, on the goroutine of Load, then of Follow.
type builder struct {
	gateway    *Gateway
	namespaces map[string]*objects
	dirty      map[string]bool // namespaces that differ from the table
	domains    map[resource.Key]*domain
	moved      bool // whether the domains differ from the table
	units      map[unitKey]*code
	table      *Table
}

// readAll reads everything.
func (b *builder) readAll(db *state.DB) (index uint64, err error) {
	b.namespaces, b.dirty = map[string]*objects{}, map[string]bool{}
	b.domains, b.moved = map[resource.Key]*domain{}, true
	err = db.View(func(r *state.Reader) error {
		index = r.Index()
		for _, kind := range resource.All {
			if !kind.Routed {
				continue
			}
			for rec, err := range r.List(kind.Name, "") {
				if err != nil {
					return err
				}
				if err := b.put(rec); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if b.table != nil {
		for name := range b.table.namespaces {
			b.dirty[name] = true
		}
	}
	return index, err
}

// read reads what has changed.
func (b *builder) read(db *state.DB, changes []state.Change) (index uint64, err error) {
	err = db.View(func(r *state.Reader) error {
		index = r.Index()
		for _, change := range changes {
			for _, key := range change.Keys {
				if !routed(key.Kind) {
					continue
				}
				rec, ok, err := r.Get(key)
				if err != nil {
					return err
				}
				if !ok {
					b.remove(key)
				} else if err := b.put(rec); err != nil {
					return err
				}
			}
		}
		return nil
	})
	return index, err
}

// put takes a stored resource of a routed kind over.
func (b *builder) put(rec state.Record) error {
	obj, err := rec.Object()
	if err != nil {
		return fmt.Errorf("%s: %w", rec.Key, err)
	}
	switch o := obj.(type) {
	case *resource.Namespace:
		b.objects(o.Name).namespace = o
	case *resource.Service:
		b.objects(o.Namespace).services[o.Name] = o
	case *resource.Module:
		b.objects(o.Namespace).modules[o.Name] = o
	case *resource.Route:
		b.objects(o.Namespace).routes[o.Name] = o
	case *resource.Domain:
		b.moved = true
		b.domains[o.Key()] = parseDomain(o)
	}
	return nil
}

// remove forgets a deleted resource.
func (b *builder) remove(key resource.Key) {
	switch key.Kind {
	case "namespace":
		delete(b.namespaces, key.Name)
		b.dirty[key.Name] = true
	case "service":
		delete(b.objects(key.Namespace).services, key.Name)
	case "module":
		delete(b.objects(key.Namespace).modules, key.Name)
	case "route":
		delete(b.objects(key.Namespace).routes, key.Name)
	case "domain":
		delete(b.domains, key)
		b.moved = true
	}
}

// objects are the resources of a namespace, which is about to change.
func (b *builder) objects(name string) *objects {
	b.dirty[name] = true
	objs := b.namespaces[name]
	if objs == nil {
		objs = &objects{
			services: map[string]*resource.Service{},
			modules:  map[string]*resource.Module{},
			routes:   map[string]*resource.Route{},
		}
		b.namespaces[name] = objs
	}
	return objs
}

// publish compiles what is dirty and swaps the table. What does not compile keeps its previous
// form; the others are not held up by it. A change of domains compiles no namespace.
func (b *builder) publish(index uint64) {
	if len(b.dirty) > 0 || b.moved {
		defer func(began time.Time) { b.gateway.builds.Observe(time.Since(began)) }(time.Now())
	}
	before := b.table
	if before == nil {
		before = new(Table)
	}
	next := &Table{Index: index, namespaces: before.namespaces, domains: before.domains}
	var problem error
	if b.moved {
		next.domains, problem = newDomains(b.domains)
		if h := b.gateway.hosts; h != nil {
			h.Update(next.domains.stored())
		}
		b.moved = problem != nil
	}
	compiling := len(b.dirty) > 0
	if compiling {
		next.namespaces = make(map[string]*namespace, len(before.namespaces))
		maps.Copy(next.namespaces, before.namespaces)
	}
	for name := range b.dirty {
		objs := b.namespaces[name]
		if objs == nil || objs.namespace == nil {
			delete(next.namespaces, name)
			delete(b.dirty, name)
			continue
		}
		n, err := compile(objs, next.namespaces[name], b.unit)
		if err != nil {
			problem = err
			continue
		}
		next.namespaces[name] = n
		delete(b.dirty, name)
	}
	b.use(next)
	if compiling {
		b.release()
	}
	b.gateway.live.reach(index, problem)
}

// use puts a table in use.
func (b *builder) use(next *Table) {
	b.table = next
	b.gateway.swap(next)
}

// unit finds or makes the bundle of a list of modules.
func (b *builder) unit(modules []*resource.Module) *code {
	key := keyOf(modules)
	c := b.units[key]
	if c == nil {
		c = b.gateway.newCode(modules, nil)
		b.units[key] = c
	}
	return c
}

// release closes the bundles that no route of the table runs.
func (b *builder) release() {
	used := map[*code]bool{}
	for _, n := range b.table.namespaces {
		for _, p := range n.plans {
			if p.code != nil {
				used[p.code] = true
			}
		}
	}
	for key, c := range b.units {
		if !used[c] {
			delete(b.units, key)
			c.close()
		}
	}
}
