package headers

import (
	"net/http"
	"strings"

	"github.com/dop251/goja"
	"golang.org/x/net/http/httpguts"

	"github.com/dgate-io/caddy-dgate/internal/js"
	"github.com/dgate-io/caddy-dgate/internal/js/host/native"
)

// Global is the global class Headers.
func Global() js.Global {
	return js.Global{Name: "Headers", New: func(vm *js.VM) goja.Value { return cacheOf(vm).headers().Constructor }}
}

// Web returns an object of the class Headers over h. A view stays on the VM and
// with the class of its first use.
func (v *View) Web(vm *js.VM, h http.Header) *goja.Object {
	if v.obj == nil {
		v.c, v.web = cacheOf(vm), true
		v.obj = v.c.headers().Object(v)
	}
	v.h = h
	return v.obj
}

// headers returns the class.
func (c *cache) headers() *native.Made {
	if c.class == nil {
		class := native.Class[*cache]{
			Name: "Headers", Methods: webMethods, Iterator: "entries",
			New: func(c *cache, call goja.ConstructorCall) goja.DynamicObject {
				return &View{c: c, web: true, h: From(c.vm, "Headers", call.Argument(0))}
			},
		}
		c.class = class.Make(c.vm, c)
	}
	return c.class
}

// webMethods are those of the class Headers. The ones that the web does not have
// are there because other headers have them: add, clone, del, and values of a name.
var webMethods = map[string]native.Method[*cache]{
	"get": {Arity: 1, Call: func(c *cache, call goja.FunctionCall) goja.Value {
		name := c.asked("get", call)
		values, ok := c.of(call.This).h[name]
		if !ok {
			return goja.Null()
		}
		return c.vm.Runtime().ToValue(strings.Join(values, ", "))
	}},
	"set": {Arity: 2, Call: func(c *cache, call goja.FunctionCall) goja.Value {
		name, value := c.asked("set", call), c.webValue("set", call)
		c.of(call.This).h[name] = []string{value}
		return goja.Undefined()
	}},
	"append": {Arity: 2, Call: webAppend},
	"add":    {Arity: 2, Call: webAppend},
	"delete": {Arity: 1, Call: webDelete},
	"del":    {Arity: 1, Call: webDelete},
	"has": {Arity: 1, Call: func(c *cache, call goja.FunctionCall) goja.Value {
		_, ok := c.of(call.This).h[c.asked("has", call)]
		return c.vm.Runtime().ToValue(ok)
	}},
	"keys":         {Call: iterate(func(name, _ string) any { return name })},
	"values":       {Call: webValues},
	"entries":      {Call: webEntries},
	"forEach":      {Arity: 1, Call: forEach},
	"getSetCookie": {Call: getSetCookie},
	"clone": {Call: func(c *cache, call goja.FunctionCall) goja.Value {
		return c.class.Object(&View{c: c, web: true, h: c.of(call.This).h.Clone()})
	}},
}

// asked is the name of the header that a method was asked for.
func (c *cache) asked(method string, call goja.FunctionCall) string {
	return c.name("headers."+method, call.Argument(0).String())
}

// webValue is the value that a method was given. What cannot stand in a header throws.
func (c *cache) webValue(method string, call goja.FunctionCall) string {
	refuseSymbol(c.vm, call.Argument(1))
	value := strings.Trim(call.Argument(1).String(), " \t\r\n")
	if !httpguts.ValidHeaderFieldValue(value) {
		c.vm.ThrowType("headers.%s: %q is not a valid value of a header", method, value)
	}
	return value
}

func webAppend(c *cache, call goja.FunctionCall) goja.Value {
	name, value := c.asked("append", call), c.webValue("append", call)
	v := c.of(call.This)
	v.h[name] = append(v.h[name], value)
	return goja.Undefined()
}

func webDelete(c *cache, call goja.FunctionCall) goja.Value {
	delete(c.of(call.This).h, c.asked("delete", call))
	return goja.Undefined()
}

// iterate makes a method that returns an iterator with an item per header.
func iterate(item func(name, value string) any) func(*cache, goja.FunctionCall) goja.Value {
	return func(c *cache, call goja.FunctionCall) goja.Value {
		var items []any
		c.of(call.This).each(func(name, value string) { items = append(items, item(name, value)) })
		return native.Iterate(c.vm, c.vm.Runtime().NewArray(items...))
	}
}

func webEntries(c *cache, call goja.FunctionCall) goja.Value {
	rt := c.vm.Runtime()
	return iterate(func(name, value string) any { return rt.NewArray(name, value) })(c, call)
}

func webValues(c *cache, call goja.FunctionCall) goja.Value {
	if len(call.Arguments) > 0 {
		return native.Strings(c.vm, c.of(call.This).h[c.asked("values", call)])
	}
	return iterate(func(_, value string) any { return value })(c, call)
}
