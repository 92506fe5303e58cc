package fetch

import (
	"net/http"
	"slices"

	"github.com/dop251/goja"

	"github.com/dgate-io/caddy-dgate/internal/js"
	"github.com/dgate-io/caddy-dgate/internal/js/host/headers"
	"github.com/dgate-io/caddy-dgate/internal/js/host/native"
)

// Globals are the global classes Request and Response.
func Globals() []js.Global {
	return []js.Global{
		{Name: "Request", New: func(vm *js.VM) goja.Value { return classesOf(vm).requests().Constructor }},
		{Name: "Response", New: func(vm *js.VM) goja.Value { return classesOf(vm).responses().Constructor }},
	}
}

// classes are the two classes on one VM, nil until they are needed.
type classes struct {
	vm                *js.VM
	request, response *native.Made
	incoming          incoming
}

type classesKey struct{}

func classesOf(vm *js.VM) *classes {
	return vm.Value(classesKey{}, func(vm *js.VM) any { return &classes{vm: vm} }).(*classes)
}

func (c *classes) requests() *native.Made {
	if c.request == nil {
		class := native.Class[*classes]{
			Name: "Request", Arity: 1, Methods: methods,
			New: func(c *classes, call goja.ConstructorCall) goja.DynamicObject {
				r := c.readRequest("Request", call.Argument(0), call.Argument(1))
				if r.url.User != nil {
					c.vm.ThrowType("Request: the URL of a request must not have a user or password: set the header Authorization")
				}
				return r
			},
		}
		c.request = class.Make(c.vm, c)
	}
	return c.request
}

func (c *classes) responses() *native.Made {
	if c.response == nil {
		class := native.Class[*classes]{
			Name: "Response", Methods: methods, Static: responseStatic,
			New: func(c *classes, call goja.ConstructorCall) goja.DynamicObject {
				r := c.readResponse("Response", call.Argument(1))
				r.content("Response", call.Argument(0))
				return r
			},
		}
		c.response = class.Make(c.vm, c)
	}
	return c.response
}

// message is what a Request and a Response have in common.
type message struct {
	c      *classes
	header http.Header
	view   headers.View
	body   *body        // nil if there is none
	extra  *goja.Object // what a script has added; nil if nothing
}

// get returns a property that both have, or one that a script has added.
func (m *message) get(key string) goja.Value {
	switch key {
	case "headers":
		return m.view.Web(m.c.vm, m.header)
	case "body":
		if m.body == nil {
			return goja.Null()
		}
		return m.body.open(m.c.vm)
	case "bodyUsed":
		return m.c.vm.Runtime().ToValue(m.body.used(m.c.vm))
	}
	if m.extra != nil {
		return m.extra.Get(key)
	}
	return nil
}

// set adds a property. Those that have a meaning cannot be set.
func (m *message) set(kind string, keys []string, key string, v goja.Value) bool {
	if key == "body" || slices.Contains(keys, key) {
		m.c.vm.ThrowType("%s of a %s cannot be set", key, kind)
	}
	if m.extra == nil {
		m.extra = m.c.vm.Runtime().CreateObject(nil)
	}
	return m.extra.Set(key, v) == nil
}

func (m *message) has(keys []string, key string) bool {
	return key == "body" || slices.Contains(keys, key) || m.extra != nil && m.extra.Get(key) != nil
}

func (m *message) delete(keys []string, key string) bool {
	if m.extra != nil {
		_ = m.extra.Delete(key)
	}
	return key != "body" && !slices.Contains(keys, key)
}

func (m *message) keys(keys []string) []string {
	if m.extra == nil {
		return keys
	}
	return slices.Concat(keys, m.extra.Keys())
}

// messageOf finds the message that a method was called on.
func (c *classes) messageOf(this goja.Value) *message {
	if r, ok := native.Data[*Response](this); ok {
		return &r.message
	}
	if r, ok := native.Data[*Request](this); ok {
		return &r.message
	}
	c.vm.ThrowType("this method must be called on a Request or a Response, as in response.text()")
	return nil
}

// clone is request.clone() and response.clone(): the content goes to both.
func clone(c *classes, call goja.FunctionCall) goja.Value {
	m := c.messageOf(call.This)
	b, err := m.body.clone(c.vm)
	if err != nil {
		c.vm.Throw(err)
	}
	copied := message{c: c, header: m.header.Clone(), body: b}
	if r, ok := native.Data[*Request](call.This); ok {
		other := *r
		other.message = copied
		return c.request.Object(&other)
	}
	r, _ := native.Data[*Response](call.This)
	other := *r
	other.message = copied
	return c.response.Object(&other)
}
