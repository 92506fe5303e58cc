package hook

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/dop251/goja"
	"golang.org/x/net/http/httpguts"

	"github.com/dgate-io/caddy-dgate/internal/js/host/native"
)

// requestView is what ctx.request() returns.
type requestView frame

var _ goja.DynamicObject = (*requestView)(nil)

// request returns the request object.
func (f *frame) request() *goja.Object {
	if f.requestObj == nil {
		f.requestObj = f.object((*requestView)(f))
	}
	return f.requestObj
}

// Get implements goja.DynamicObject.
func (v *requestView) Get(key string) goja.Value {
	f := (*frame)(v)
	f.Check()
	r := f.s.r
	switch key {
	case "method":
		return f.c.str(r.Method)
	case "path":
		return f.c.str(r.URL.Path)
	case "headers":
		return f.requestHeaders.Open(f.vm, f, r.Header)
	case "query":
		return f.query()
	case "host":
		return f.c.str(r.Host)
	case "remoteAddress":
		return f.c.str(f.s.info.RemoteAddr)
	case "proto":
		return f.c.str(r.Proto)
	case "contentLength":
		return f.c.rt.ToValue(r.ContentLength)
	case "tls":
		return f.tls()
	case "body": // the successor's spelling of readBody, as text
		data := f.s.body.read(f)
		return f.c.rt.ToValue(string(data))
	}
	if fn := f.c.request.Get(f.vm, f.c, key); fn != nil {
		return fn
	}
	return f.requestBag.get(f, &f.s.bags().request, key)
}

// Set implements goja.DynamicObject: method, path, host, query and body change
// the request, unknown properties are kept for later hooks.
func (v *requestView) Set(key string, val goja.Value) bool {
	f := (*frame)(v)
	f.Check()
	s := f.s
	switch key {
	case "method":
		s.r.Method = f.methodArg(val)
	case "path":
		f.setPath(f.textArg("request.path", val))
	case "host":
		host := f.textArg("request.host", val)
		if u, err := url.Parse("http://" + host); err != nil || host == "" || u.Host != host {
			f.vm.ThrowType("request.host: %q is not a host or host:port", host)
		}
		s.r.Host = host
		s.hostSet = true
	case "query":
		s.setQuery(f.queryFrom(val))
	case "body":
		s.body.write(f, val)
	case "headers", "remoteAddress", "proto", "contentLength", "tls":
		f.vm.ThrowType("request.%s is read-only", key)
	default:
		if f.c.request.Has(key) {
			f.vm.ThrowType("request.%s is read-only", key)
		}
		return f.requestBag.set(f, &s.bags().request, key, val)
	}
	return true
}

// textArg is a value that must be a string.
func (f *frame) textArg(what string, v goja.Value) string {
	if !goja.IsString(v) {
		f.vm.ThrowType("%s: expected a string, got %s", what, native.TypeName(v))
	}
	return v.String()
}

// methodArg reads a method that can be sent to an upstream.
func (f *frame) methodArg(v goja.Value) string {
	method := strings.ToUpper(f.textArg("request.method", v))
	switch {
	case !httpguts.ValidHeaderFieldName(method): // a method is a token, as names of headers are
		f.vm.ThrowType("request.method: %q is not a method", v.String())
	case method == http.MethodConnect:
		f.vm.ThrowType("request.method: CONNECT is for proxies and cannot be sent to an upstream")
	}
	return method
}

// setPath changes the path. It is the decoded path, as reading it gives it.
func (f *frame) setPath(path string) {
	switch {
	case !strings.HasPrefix(path, "/"):
		f.vm.ThrowType("request.path: %q does not start with /", path)
	case strings.ContainsAny(path, "?#"):
		f.vm.ThrowType("request.path: %q holds a query or fragment; set request.query for the query", path)
	case httpguts.ValidHeaderFieldValue(path):
	default:
		f.vm.ThrowType("request.path: %q holds control characters", path)
	}
	if u := f.s.r.URL; u.Path != path {
		u.Path, u.RawPath = path, ""
	}
	f.s.pathSet = true
}

var requestKeys = []string{"method", "path", "headers", "query", "host", "remoteAddress", "proto", "contentLength"}

// Has implements goja.DynamicObject.
func (v *requestView) Has(key string) bool {
	f := (*frame)(v)
	f.Check()
	if slices.Contains(requestKeys, key) {
		return true
	}
	return key == "body" || key == "tls" || f.c.request.Has(key) || f.requestBag.own(f, &f.s.bags().request, key)
}

// Delete implements goja.DynamicObject.
func (v *requestView) Delete(key string) bool {
	f := (*frame)(v)
	f.Check()
	return f.requestBag.delete(f, &f.s.bags().request, key)
}

// Keys implements goja.DynamicObject.
func (v *requestView) Keys() []string {
	(*frame)(v).Check()
	return requestKeys
}

// requestFunction is ctx.request: called, it returns the request object, whose
// fields can also be read and set on the function itself. One per VM: it reaches
// the request through the frame that runs.
func (c *vmCache) requestFunction() goja.Value {
	if c.callableRequest != nil {
		return c.callableRequest
	}
	fn := c.vm.Func("request", 0, func(goja.FunctionCall) goja.Value { return c.current().request() })
	if err := fn.SetPrototype(c.rt.ToValue(c.requestFields(fn.Prototype())).(*goja.Object)); err != nil {
		c.vm.Throw(err)
	}
	c.callableRequest = fn
	return fn
}

// requestFields stands in the prototype chain of ctx.request. It cannot be a
// dynamic object, which is not told what is assigned to its heirs.
func (c *vmCache) requestFields(functions *goja.Object) goja.Proxy {
	return c.rt.NewProxy(c.rt.CreateObject(functions), &goja.ProxyTrapConfig{
		Get: func(target *goja.Object, key string, _ goja.Value) goja.Value {
			if v := target.Get(key); v != nil || key == "then" || key == "prototype" {
				return v
			}
			return (*requestView)(c.current()).Get(key)
		},
		Set: func(_ *goja.Object, key string, v, _ goja.Value) bool {
			return (*requestView)(c.current()).Set(key, v)
		},
		Has: func(target *goja.Object, key string) bool {
			return target.Get(key) != nil || (*requestView)(c.current()).Has(key)
		},
	})
}

var requestMethods = map[string]method{
	"readBody": {Arity: 0, Call: func(c *vmCache, _ goja.FunctionCall) goja.Value {
		f := c.current()
		return f.buffer(f.s.body.read(f))
	}},
	"readJson": {Arity: 0, Call: func(c *vmCache, _ goja.FunctionCall) goja.Value {
		f := c.current()
		v, err := c.vm.ParseJSON(f.s.body.read(f))
		if err != nil {
			c.vm.Throw(err)
		}
		return v
	}},
	"writeBody": {Arity: 1, Call: func(c *vmCache, call goja.FunctionCall) goja.Value {
		f := c.current()
		f.s.body.write(f, call.Argument(0))
		return goja.Undefined()
	}},
	"writeJson": {Arity: 1, Call: func(c *vmCache, call goja.FunctionCall) goja.Value {
		f := c.current()
		data := f.json("writeJson", call.Argument(0))
		f.s.body.replace(f.s.r, data)
		f.s.r.Header["Content-Type"] = []string{"application/json"}
		return goja.Undefined()
	}},
}

// bodyAllowed tells whether an answer with this status may have a body.
func bodyAllowed(status int) bool {
	return status >= 200 && status != http.StatusNoContent && status != http.StatusNotModified
}
