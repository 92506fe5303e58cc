package hook

import (
	"github.com/dop251/goja"

	"github.com/dgate-io/caddy-dgate/internal/js/host/headers"
)

// ctxView is the object that every hook gets as its first argument.
type ctxView frame

var _ goja.DynamicObject = (*ctxView)(nil)

// Get implements goja.DynamicObject.
func (v *ctxView) Get(key string) goja.Value {
	f := (*frame)(v)
	if key != "waitUntil" || !f.running() { // the one thing that is there after the answer
		f.Check()
	}
	switch key {
	case "request":
		return f.c.requestFunction()
	case "id":
		return f.c.str(f.s.ID())
	case "params":
		return f.pathParams()
	}
	if fn := f.c.ctx.Get(f.vm, f.c, key); fn != nil {
		return fn
	}
	return f.ctxBag.get(f, &f.s.bags().ctx, key)
}

// Set implements goja.DynamicObject. Unknown properties are kept for later hooks.
func (v *ctxView) Set(key string, val goja.Value) bool {
	f := (*frame)(v)
	f.Check()
	if key == "id" || key == "params" || key == "request" || f.c.ctx.Has(key) {
		f.vm.ThrowType("ctx.%s is read-only", key)
	}
	return f.ctxBag.set(f, &f.s.bags().ctx, key, val)
}

// Has implements goja.DynamicObject.
func (v *ctxView) Has(key string) bool {
	f := (*frame)(v)
	f.Check()
	return key == "id" || key == "params" || key == "request" || f.c.ctx.Has(key) || f.ctxBag.own(f, &f.s.bags().ctx, key)
}

// Delete implements goja.DynamicObject.
func (v *ctxView) Delete(key string) bool {
	f := (*frame)(v)
	f.Check()
	return f.ctxBag.delete(f, &f.s.bags().ctx, key)
}

// Keys implements goja.DynamicObject: what JSON.stringify(ctx) shows.
func (v *ctxView) Keys() []string { return []string{"id"} }

// context returns the ctx object.
func (f *frame) context() *goja.Object {
	if f.ctxObj == nil {
		f.ctxObj = f.object((*ctxView)(f))
	}
	return f.ctxObj
}

func (f *frame) pathParams() goja.Value {
	obj := f.c.rt.NewObject()
	for _, p := range f.s.info.Params {
		_ = obj.Set(p.Name, f.c.str(p.Value)) // a new plain object takes everything
	}
	return obj
}

func (f *frame) pathParam(name string) string {
	for _, p := range f.s.info.Params {
		if p.Name == name {
			return p.Value
		}
	}
	return ""
}

// recordOf shows plain data, or null if there is none.
func (f *frame) recordOf(present bool, fields func() []field) goja.Value {
	if !present {
		return goja.Null()
	}
	return f.object(&record{f: f, fields: fields()})
}

var ctxMethods = map[string]method{
	"get": {Arity: 1, Call: func(c *vmCache, call goja.FunctionCall) goja.Value {
		v, ok := c.current().s.values[call.Argument(0).String()]
		if !ok {
			return goja.Null()
		}
		return v.value(c)
	}},
	"set": {Arity: 2, Call: func(c *vmCache, call goja.FunctionCall) goja.Value {
		f := c.current()
		key := call.Argument(0).String()
		v := c.keep(key, call.Argument(1))
		if f.s.values == nil {
			f.s.values = make(map[string]kept)
		}
		f.s.values[key] = v
		return goja.Undefined()
	}},
	"response": {Arity: 0, Call: func(c *vmCache, _ goja.FunctionCall) goja.Value {
		if f := c.current(); f.hook != ResponseModifier {
			return f.response()
		}
		return goja.Null()
	}},
	"upstream": {Arity: 0, Call: func(c *vmCache, _ goja.FunctionCall) goja.Value {
		if f := c.current(); f.up != nil {
			return f.upstream()
		}
		return goja.Null()
	}},
	"query": {Arity: 0, Call: func(c *vmCache, _ goja.FunctionCall) goja.Value { return c.current().query() }},
	"service": {Arity: 0, Call: func(c *vmCache, _ goja.FunctionCall) goja.Value {
		f := c.current()
		return f.recordOf(f.s.info.Service != nil, f.s.info.Service.fields)
	}},
	"route": {Arity: 0, Call: func(c *vmCache, _ goja.FunctionCall) goja.Value {
		f := c.current()
		return f.recordOf(f.s.info.Route != nil, f.s.info.Route.fields)
	}},
	"namespace": {Arity: 0, Call: func(c *vmCache, _ goja.FunctionCall) goja.Value {
		f := c.current()
		return f.recordOf(f.s.info.Namespace != nil, f.s.info.Namespace.fields)
	}},
	"pathParam": {Arity: 1, Call: func(c *vmCache, call goja.FunctionCall) goja.Value {
		return c.str(c.current().pathParam(call.Argument(0).String()))
	}},
	"pathParams": {Arity: 0, Call: func(c *vmCache, _ goja.FunctionCall) goja.Value { return c.current().pathParams() }},
	"queryParam": {Arity: 1, Call: func(c *vmCache, call goja.FunctionCall) goja.Value {
		v, ok := c.current().s.pairs().get(call.Argument(0).String())
		if !ok {
			return goja.Null()
		}
		return c.str(v)
	}},

	"waitUntil":              {Arity: 1, Call: waitUntil},
	"passThroughOnException": {Arity: 0, Call: func(*vmCache, goja.FunctionCall) goja.Value { return goja.Undefined() }},

	// Short forms of what ctx.response() has, as the successor of the original gateway spells them.
	"status":    {Arity: 1, Call: onResponse("status")},
	"setStatus": {Arity: 1, Call: onResponse("status")},
	"json":      {Arity: 1, Call: onResponse("json")},
	"send":      {Arity: 1, Call: onResponse("send")},
	"write":     {Arity: 1, Call: onResponse("send")},
	"redirect":  {Arity: 1, Call: onResponse("redirect")},
	"setHeader": {Arity: 2, Call: func(c *vmCache, call goja.FunctionCall) goja.Value {
		f := c.current()
		f.answering("ctx.setHeader")
		name := headers.Name(c.vm, "ctx.setHeader", call.Argument(0))
		f.s.w.Header()[name] = []string{headers.Value(c.vm, call.Argument(1))}
		return goja.Undefined()
	}},
}

// onResponse makes a method of ctx that is a method of ctx.response().
func onResponse(name string) func(*vmCache, goja.FunctionCall) goja.Value {
	return func(c *vmCache, call goja.FunctionCall) goja.Value {
		f := c.current()
		f.answering("ctx." + name)
		return responseMethods[name].Call(c, goja.FunctionCall{This: f.response(), Arguments: call.Arguments})
	}
}

// answering throws in responseModifier, where the answer is the upstream's.
func (f *frame) answering(what string) {
	if f.hook == ResponseModifier {
		f.vm.ThrowType("%s is not available in responseModifier: change ctx.upstream() instead", what)
	}
}
