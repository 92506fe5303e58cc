package hook

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/dop251/goja"

	"github.com/dgate-io/caddy-dgate/internal/js/host/native"
)

// queryView is what request.query and ctx.query() are: parameters of a URL.
type queryView struct {
	f     *frame
	pairs *pairs
}

var _ goja.DynamicObject = (*queryView)(nil)

// pairs returns the parameters of the request, parsed when first asked for.
func (s *Scope) pairs() *pairs {
	if s.query == nil {
		s.query = &pairs{list: parsePairs(s.r.URL.RawQuery), write: func(raw string) { s.r.URL.RawQuery = raw }}
	}
	return s.query
}

// setQuery replaces the whole query.
func (s *Scope) setQuery(list []pair) {
	p := s.pairs()
	p.list = list
	p.changed()
}

// query returns the object over the request's query.
func (f *frame) query() *goja.Object {
	if f.queryObj == nil {
		f.queryObj = f.queryOver(f.s.pairs())
	}
	return f.queryObj
}

// queryOver makes a view over any parameters.
func (f *frame) queryOver(p *pairs) *goja.Object {
	obj := f.object(&queryView{f, p})
	if err := obj.SetPrototype(f.c.queryPrototype()); err != nil {
		f.vm.Throw(err)
	}
	return obj
}

// queryFrom reads a value assigned to request.query: text, another query, or an object of names and values.
func (f *frame) queryFrom(v goja.Value) []pair {
	obj, ok := v.(*goja.Object)
	if !ok {
		if goja.IsNull(v) || goja.IsUndefined(v) {
			return nil
		}
		return parsePairs(queryText(v.String()))
	}
	if q, ok := f.c.viewOf(obj); ok {
		return append([]pair(nil), q.pairs.list...)
	}
	if obj.ClassName() != "Object" {
		f.vm.ThrowType("request.query: expected a string or an object, got %s", native.TypeName(v))
	}
	if len(obj.Keys()) == 0 && obj.Get("toString") != nil {
		if text := obj.String(); !strings.HasPrefix(text, "[object ") { // a URLSearchParams
			return parsePairs(queryText(text))
		}
	}
	var list []pair
	for _, name := range obj.Keys() {
		for _, value := range f.c.texts(obj.Get(name)) {
			list = append(list, pair{name: name, value: value})
		}
	}
	return list
}

// queryText is a query that a script has written, with everything escaped that would end it on the
// wire, as URLs in browsers do it.
func queryText(s string) string {
	s = strings.TrimPrefix(s, "?")
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || strings.IndexByte(`"#<>`, c) >= 0 {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// texts is a value as strings: the items of an array, else the value itself.
func (c *vmCache) texts(v goja.Value) []string {
	obj, ok := v.(*goja.Object)
	if !ok || obj.ClassName() != "Array" {
		return []string{native.Text(v)}
	}
	var list []string
	c.rt.ForOf(obj, func(item goja.Value) bool {
		list = append(list, native.Text(item))
		return true
	})
	return list
}

// Get implements goja.DynamicObject: a method, or the first value of a parameter.
func (v *queryView) Get(key string) goja.Value {
	v.f.Check()
	if fn := v.f.c.query.Get(v.f.vm, v.f.c, key); fn != nil {
		return fn
	}
	if native.IsObjectMember(key) {
		return nil // its prototype has it
	}
	value, ok := v.pairs.get(key)
	if !ok {
		return nil
	}
	return v.f.c.str(value)
}

// Set implements goja.DynamicObject: it sets a parameter.
func (v *queryView) Set(key string, val goja.Value) bool {
	v.f.Check()
	if v.f.c.query.Has(key) || native.IsObjectMember(key) {
		v.f.vm.ThrowType("query.%s is a method; use query.set(%q, value)", key, key)
	}
	v.pairs.set(key, v.f.c.texts(val)...)
	return true
}

// Has implements goja.DynamicObject.
func (v *queryView) Has(key string) bool {
	v.f.Check()
	if v.f.c.query.Has(key) {
		return true
	}
	_, ok := v.pairs.get(key)
	return ok && !native.IsObjectMember(key)
}

// Delete implements goja.DynamicObject.
func (v *queryView) Delete(key string) bool {
	v.f.Check()
	v.pairs.delete(key)
	return true
}

// Keys implements goja.DynamicObject.
func (v *queryView) Keys() []string {
	v.f.Check()
	return v.pairs.names()
}

func (c *vmCache) viewOf(v goja.Value) (*queryView, bool) {
	obj, ok := v.(*goja.Object)
	if !ok || obj.ExportType() != reflect.TypeFor[*queryView]() {
		return nil, false
	}
	q, ok := obj.Export().(*queryView)
	return q, ok
}

// queryOf finds the view that a method was called on.
func (c *vmCache) queryOf(this goja.Value) *queryView {
	q, ok := c.viewOf(this)
	if !ok {
		c.vm.ThrowType("this method must be called on a query, as in query.get(name)")
	}
	q.f.Check()
	return q
}

var queryMethods = map[string]method{
	"get": {Arity: 1, Call: func(c *vmCache, call goja.FunctionCall) goja.Value {
		value, _ := c.queryOf(call.This).pairs.get(call.Argument(0).String())
		return c.str(value)
	}},
	"getAll": {Arity: 1, Call: queryValues},
	"values": {Arity: 1, Call: queryValues},
	"set": {Arity: 2, Call: func(c *vmCache, call goja.FunctionCall) goja.Value {
		c.queryOf(call.This).pairs.set(call.Argument(0).String(), native.Text(call.Argument(1)))
		return goja.Undefined()
	}},
	"add": {Arity: 2, Call: addQuery}, "append": {Arity: 2, Call: addQuery},
	"del": {Arity: 1, Call: deleteQuery}, "delete": {Arity: 1, Call: deleteQuery},
	"has": {Arity: 1, Call: func(c *vmCache, call goja.FunctionCall) goja.Value {
		_, ok := c.queryOf(call.This).pairs.get(call.Argument(0).String())
		return c.rt.ToValue(ok)
	}},
	"encode": {Arity: 0, Call: func(c *vmCache, call goja.FunctionCall) goja.Value {
		return c.str(c.queryOf(call.This).pairs.encode())
	}},
	"toString": {Arity: 0, Call: func(c *vmCache, call goja.FunctionCall) goja.Value {
		return c.str(c.queryOf(call.This).pairs.raw())
	}},
	"keys": {Arity: 0, Call: func(c *vmCache, call goja.FunctionCall) goja.Value {
		return native.Strings(c.vm, c.queryOf(call.This).pairs.names())
	}},
	"toJSON":  {Arity: 0, Call: queryJSON},
	"entries": {Call: queryEntries},
	"forEach": {Arity: 1, Call: func(c *vmCache, call goja.FunctionCall) goja.Value {
		q := c.queryOf(call.This)
		fn := native.Callback(c.vm, "query.forEach", call.Argument(0))
		for _, p := range append([]pair(nil), q.pairs.list...) {
			if !p.bad {
				native.Invoke(fn, call.Argument(1), c.str(p.value), c.str(p.name), call.This)
			}
		}
		return goja.Undefined()
	}},
}

// queryPrototype adds what dynamic objects cannot have themselves: Symbol.iterator.
func (c *vmCache) queryPrototype() *goja.Object {
	if c.queryProto == nil {
		c.queryProto = c.rt.NewObject()
		it := native.Iterator(c.vm, func(call goja.FunctionCall) goja.Value { return queryEntries(c, call) })
		if err := c.queryProto.SetSymbol(goja.SymIterator, it); err != nil {
			c.vm.Throw(err)
		}
	}
	return c.queryProto
}

func queryValues(c *vmCache, call goja.FunctionCall) goja.Value {
	q := c.queryOf(call.This)
	if len(call.Arguments) > 0 {
		return native.Strings(c.vm, q.pairs.values(call.Argument(0).String()))
	}
	var list []string
	for _, p := range q.pairs.list {
		if !p.bad {
			list = append(list, p.value)
		}
	}
	return native.Strings(c.vm, list)
}

func addQuery(c *vmCache, call goja.FunctionCall) goja.Value {
	c.queryOf(call.This).pairs.add(call.Argument(0).String(), native.Text(call.Argument(1)))
	return goja.Undefined()
}

func deleteQuery(c *vmCache, call goja.FunctionCall) goja.Value {
	c.queryOf(call.This).pairs.delete(call.Argument(0).String())
	return goja.Undefined()
}

// queryJSON is what JSON has of a query: names with their first values, also those names that
// are hidden behind a method otherwise.
func queryJSON(c *vmCache, call goja.FunctionCall) goja.Value {
	obj, p := c.rt.NewObject(), c.queryOf(call.This).pairs
	for _, name := range p.names() {
		value, _ := p.get(name)
		// Set would take __proto__ for the prototype. A new plain object takes everything.
		_ = obj.DefineDataProperty(name, c.str(value), goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_TRUE)
	}
	return obj
}

func queryEntries(c *vmCache, call goja.FunctionCall) goja.Value {
	var list []any
	for _, p := range c.queryOf(call.This).pairs.list {
		if !p.bad {
			list = append(list, c.rt.NewArray(p.name, p.value))
		}
	}
	return c.rt.NewArray(list...)
}
