// Package headers shows an http.Header to scripts, in two ways: as the web's class
// Headers, and as the objects that ctx.request().headers and its like are, which
// answer "" and not null for what is missing. The header stays where it is in Go;
// nothing is copied. The package does not know which of the headers may be changed
// or sent.
package headers

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/dop251/goja"

	"github.com/dgate-io/caddy-dgate/internal/js"
	"github.com/dgate-io/caddy-dgate/internal/js/host/native"
)

// Guard tells whether a view may still be used: Check throws if not.
type Guard interface{ Check() }

// View is the object over one http.Header. Its zero value is ready for Open.
type View struct {
	c     *cache
	guard Guard
	obj   *goja.Object
	h     http.Header
	web   bool // an object of the class Headers
}

var _ goja.DynamicObject = (*View)(nil)

// Open returns the object of the view, now over h. A view stays on the VM of its
// first Open. guard may be nil.
func (v *View) Open(vm *js.VM, guard Guard, h http.Header) *goja.Object {
	if v.obj == nil {
		v.c, v.guard = cacheOf(vm), guard
		v.obj = vm.Runtime().NewDynamicObject(v)
		if err := v.obj.SetPrototype(v.c.prototype()); err != nil {
			vm.Throw(err)
		}
	}
	v.h = h
	return v.obj
}

func (v *View) check() {
	if v.guard != nil {
		v.guard.Check()
	}
}

// Get implements goja.DynamicObject: a method, or the values of a header, joined.
func (v *View) Get(key string) goja.Value {
	v.check()
	if !v.web {
		if fn := v.c.members.Get(v.c.vm, v.c, key); fn != nil {
			v.c.last = v
			return fn
		}
	}
	if v.method(key) {
		return nil // its prototype has it
	}
	values := v.h[v.c.canonical(key)]
	switch len(values) {
	case 0:
		return nil
	case 1:
		return v.c.vm.Runtime().ToValue(values[0])
	}
	return v.c.vm.Runtime().ToValue(strings.Join(values, ", "))
}

// Set implements goja.DynamicObject: it sets a header.
func (v *View) Set(key string, val goja.Value) bool {
	v.check()
	if v.method(key) {
		v.c.vm.ThrowType("headers.%s is a method; use headers.set(%q, value)", key, key)
	}
	v.h[v.c.name("headers", key)] = v.c.values(val)
	return true
}

// Has implements goja.DynamicObject.
func (v *View) Has(key string) bool {
	v.check()
	if v.method(key) {
		return !v.web && v.c.members.Has(key)
	}
	return len(v.h[v.c.canonical(key)]) > 0
}

// method tells whether key names a method, and thus no header.
func (v *View) method(key string) bool {
	if native.IsObjectMember(key) {
		return true
	}
	if !v.web {
		return v.c.members.Has(key)
	}
	_, ok := webMethods[key]
	return ok
}

// Delete implements goja.DynamicObject.
func (v *View) Delete(key string) bool {
	v.check()
	delete(v.h, v.c.canonical(key))
	return true
}

// Keys implements goja.DynamicObject.
func (v *View) Keys() []string {
	v.check()
	names := slices.Collect(maps.Keys(v.h))
	if v.web {
		for i, name := range names {
			names[i] = strings.ToLower(name)
		}
	}
	slices.Sort(names)
	return names
}

// each calls fn for every header in the order of names; for Set-Cookie once per
// value, since joined cookies cannot be told apart.
func (v *View) each(fn func(name, value string)) {
	for _, name := range v.Keys() {
		canonical := name
		if v.web {
			canonical = v.c.canonical(name)
		}
		if canonical == "Set-Cookie" {
			for _, value := range v.h[canonical] {
				fn(name, value)
			}
			continue
		}
		fn(name, strings.Join(v.h[canonical], ", "))
	}
}

// of finds the view that a method was called on.
func (c *cache) of(this goja.Value) *View {
	if v := c.last; v != nil && this == goja.Value(v.obj) {
		v.check()
		return v
	}
	v, ok := c.view(this)
	if !ok {
		c.vm.ThrowType("this method must be called on headers, as in headers.get(name)")
	}
	v.check()
	return v
}

// view is the view behind a value, if it has one.
func (c *cache) view(v goja.Value) (*View, bool) { return native.Data[*View](v) }
