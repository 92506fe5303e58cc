package fetch

import (
	"net/http"
	"slices"

	"github.com/dop251/goja"

	"github.com/dgate-io/caddy-dgate/internal/js/host/headers"
	"github.com/dgate-io/caddy-dgate/internal/js/host/native"
)

// Response is an object of the class Response: what fetch resolves with, or what a
// script has made. A hook may return it to answer with it.
type Response struct {
	message
	status     int
	statusText string
	kind       string    // basic for those of fetch, error for those of Response.error, else default
	url        string    // empty for what a script has made
	x          *exchange // that it is the answer of, nil for what a script has made
}

var _ goja.DynamicObject = (*Response)(nil)

var (
	responseKeys = []string{"status", "statusText", "ok", "url", "redirected", "type", "headers", "bodyUsed"}
	fetchedKeys  = []string{"status", "statusText", "ok", "url", "redirected", "type", "headers", "bodyUsed", "_debug_time"}
)

// Get implements goja.DynamicObject.
func (r *Response) Get(key string) goja.Value {
	rt := r.c.vm.Runtime()
	switch key {
	case "status":
		return rt.ToValue(r.status)
	case "statusText":
		return rt.ToValue(r.statusText)
	case "ok":
		return rt.ToValue(r.status >= 200 && r.status <= 299)
	case "url":
		return rt.ToValue(r.url)
	case "redirected":
		return rt.ToValue(r.x != nil && r.x.redirected)
	case "type":
		return rt.ToValue(r.kind)
	case "_debug_time":
		if r.x != nil {
			return rt.ToValue(r.x.took.Seconds())
		}
	}
	return r.get(key)
}

func (r *Response) names() []string {
	if r.x != nil {
		return fetchedKeys
	}
	return responseKeys
}

// Set implements goja.DynamicObject: what a response does not have itself is kept.
func (r *Response) Set(key string, v goja.Value) bool { return r.set("response", r.names(), key, v) }

// Has implements goja.DynamicObject.
func (r *Response) Has(key string) bool { return r.has(r.names(), key) }

// Delete implements goja.DynamicObject.
func (r *Response) Delete(key string) bool { return r.delete(r.names(), key) }

// Keys implements goja.DynamicObject.
func (r *Response) Keys() []string { return r.keys(r.names()) }

// newResponse is the answer of an exchange as an object.
func (c *classes) newResponse(x *exchange) goja.Value {
	resp := x.resp
	r := &Response{
		message: message{c: c, header: resp.Header},
		status:  resp.StatusCode, statusText: resp.Status, kind: "basic", url: resp.Request.URL.String(), x: x,
	}
	if resp.Body != http.NoBody {
		r.body = &body{src: &source{r: resp.Body, size: resp.ContentLength, x: x}}
	} else {
		x.end()
	}
	return c.responses().Object(r)
}

// responseStatic are the methods of the class itself.
var responseStatic = map[string]native.Method[*classes]{
	"json":     {Arity: 1, Call: responseJSON},
	"redirect": {Arity: 1, Call: responseRedirect},
	"error": {Call: func(c *classes, _ goja.FunctionCall) goja.Value {
		return c.response.Object(&Response{message: message{c: c, header: make(http.Header)}, kind: "error"})
	}},
}

// readResponse reads the options of a response that a script makes.
func (c *classes) readResponse(what string, options goja.Value) *Response {
	r := &Response{message: message{c: c, header: make(http.Header)}, status: http.StatusOK, kind: "default"}
	if native.Missing(options) {
		return r
	}
	obj, ok := options.(*goja.Object)
	if !ok {
		c.vm.ThrowType("%s: expected an object of options, got %s", what, native.TypeName(options))
	}
	if v := obj.Get("status"); v != nil && !goja.IsUndefined(v) {
		r.status = c.statusArg(what, v)
	}
	if v := obj.Get("statusText"); v != nil && !goja.IsUndefined(v) {
		r.statusText = headers.Line(v.String())
	}
	if v := obj.Get("headers"); !native.Missing(v) {
		r.header = headers.From(c.vm, what, v)
	}
	return r
}

// statusArg reads the status of an answer.
func (c *classes) statusArg(what string, v goja.Value) int {
	n := v.ToFloat()
	if n != float64(int(n)) || n < 200 || n > 599 {
		c.rangeError(what + ": " + v.String() + " is not a status: expected an integer from 200 to 599")
	}
	return int(n)
}

func (c *classes) rangeError(text string) {
	panic(native.Construct(c.vm, "RangeError", c.vm.Runtime().ToValue(text)))
}

// content gives the response a body.
func (r *Response) content(what string, v goja.Value) {
	if native.Missing(v) {
		return
	}
	r.setBody(what, v)
	switch r.status {
	case http.StatusNoContent, http.StatusResetContent, http.StatusNotModified:
		if r.body.size() != 0 {
			r.c.vm.ThrowType("%s: an answer of status %d has no body", what, r.status)
		}
		r.body = nil
	}
}

// responseJSON is Response.json(data, options).
func responseJSON(c *classes, call goja.FunctionCall) goja.Value {
	data, err := c.vm.Stringify(call.Argument(0))
	if err != nil {
		c.vm.Throw(err)
	}
	if data == nil {
		c.vm.ThrowType("Response.json: %s cannot be written as JSON", native.TypeName(call.Argument(0)))
	}
	r := c.readResponse("Response.json", call.Argument(1))
	if _, typed := r.header["Content-Type"]; !typed {
		r.header["Content-Type"] = []string{"application/json"}
	}
	r.body = &body{data: data}
	return c.response.Object(r)
}

// redirects are the statuses that say where to go on.
var redirects = []float64{301, 302, 303, 307, 308}

// responseRedirect is Response.redirect(url, status). The URL may be relative.
func responseRedirect(c *classes, call goja.FunctionCall) goja.Value {
	r := &Response{message: message{c: c}, status: http.StatusFound, kind: "default"}
	if v := call.Argument(1); !goja.IsUndefined(v) {
		n := v.ToFloat()
		if !slices.Contains(redirects, n) {
			c.rangeError("Response.redirect: " + v.String() + " is no status that redirects: expected 301, 302, 303, 307 or 308")
		}
		r.status = int(n)
	}
	target := call.Argument(0)
	if native.Missing(target) {
		c.vm.ThrowType("Response.redirect: expected a URL, got %s", native.TypeName(target))
	}
	r.header = http.Header{"Location": {headers.Line(target.String())}}
	return c.response.Object(r)
}
