package headers

import (
	"github.com/dop251/goja"

	"github.com/dgate-io/caddy-dgate/internal/js/host/native"
)

// methods are what headers can do. The table is filled in by init, because clone
// makes a view, which has this table.
var methods map[string]native.Method[*cache]

func init() {
	methods = map[string]native.Method[*cache]{
		"get": {Arity: 1, Call: func(c *cache, call goja.FunctionCall) goja.Value {
			values := c.of(call.This).h[c.canonical(call.Argument(0).String())]
			if len(values) == 0 || values[0] == "" {
				return c.empty
			}
			return c.vm.Runtime().ToValue(values[0])
		}},
		"set": {Arity: 2, Call: func(c *cache, call goja.FunctionCall) goja.Value {
			v := c.of(call.This)
			v.h[c.name("headers.set", call.Argument(0).String())] = []string{Value(c.vm, call.Argument(1))}
			return goja.Undefined()
		}},
		"add": {Arity: 2, Call: add}, "append": {Arity: 2, Call: add},
		"del": {Arity: 1, Call: remove}, "delete": {Arity: 1, Call: remove},
		"has": {Arity: 1, Call: func(c *cache, call goja.FunctionCall) goja.Value {
			v := c.of(call.This)
			return c.vm.Runtime().ToValue(len(v.h[c.canonical(call.Argument(0).String())]) > 0)
		}},
		"values": {Arity: 1, Call: func(c *cache, call goja.FunctionCall) goja.Value {
			v := c.of(call.This)
			if len(call.Arguments) > 0 {
				return native.Strings(c.vm, v.h[c.canonical(call.Argument(0).String())])
			}
			var list []string
			v.each(func(_, value string) { list = append(list, value) })
			return native.Strings(c.vm, list)
		}},
		"keys": {Call: func(c *cache, call goja.FunctionCall) goja.Value {
			return native.Strings(c.vm, c.of(call.This).Keys())
		}},
		"entries": {Call: entries},
		"forEach": {Arity: 1, Call: forEach},
		"clone": {Call: func(c *cache, call goja.FunctionCall) goja.Value {
			v := c.of(call.This)
			return new(View).Open(c.vm, v.guard, v.h.Clone())
		}},
		"getSetCookie": {Call: getSetCookie},
	}
}

func forEach(c *cache, call goja.FunctionCall) goja.Value {
	v := c.of(call.This)
	fn := native.Callback(c.vm, "headers.forEach", call.Argument(0))
	rt := c.vm.Runtime()
	v.each(func(name, value string) {
		native.Invoke(fn, call.Argument(1), rt.ToValue(value), rt.ToValue(name), call.This)
	})
	return goja.Undefined()
}

func getSetCookie(c *cache, call goja.FunctionCall) goja.Value {
	return native.Strings(c.vm, c.of(call.This).h["Set-Cookie"])
}

func entries(c *cache, call goja.FunctionCall) goja.Value {
	var list []any
	rt := c.vm.Runtime()
	c.of(call.This).each(func(name, value string) { list = append(list, rt.NewArray(name, value)) })
	return rt.NewArray(list...)
}

func add(c *cache, call goja.FunctionCall) goja.Value {
	v := c.of(call.This)
	name := c.name("headers.add", call.Argument(0).String())
	v.h[name] = append(v.h[name], Value(c.vm, call.Argument(1)))
	return goja.Undefined()
}

func remove(c *cache, call goja.FunctionCall) goja.Value {
	delete(c.of(call.This).h, c.canonical(call.Argument(0).String()))
	return goja.Undefined()
}
