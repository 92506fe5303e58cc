package hook

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/dop251/goja"

	"github.com/dgate-io/caddy-dgate/internal/js/host/headers"
	"github.com/dgate-io/caddy-dgate/internal/js/host/native"
)

// upstreamView is what ctx.upstream() returns in responseModifier: the answer of
// the upstream, which scripts change in place.
type upstreamView frame

var _ goja.DynamicObject = (*upstreamView)(nil)

// upstream returns the object over the answer that the running hook works on.
func (f *frame) upstream() *goja.Object {
	if f.upstreamObj == nil {
		f.upstreamObj = f.object((*upstreamView)(f))
	}
	return f.upstreamObj
}

// answer is the answer of the upstream; it throws when the hook is not about one.
func (f *frame) answer() *upstream {
	if f.up == nil {
		f.vm.ThrowType("ctx.upstream() is only available in responseModifier")
	}
	return f.up
}

// Get implements goja.DynamicObject.
func (v *upstreamView) Get(key string) goja.Value {
	f := (*frame)(v)
	f.Check()
	up := f.answer()
	resp, c := up.resp, f.c
	switch key {
	case "headers":
		if f.upstreamHeaders == nil {
			f.upstreamHeaders = new(headers.View)
		}
		return f.upstreamHeaders.Open(f.vm, f, resp.Header)
	case "statusCode":
		return c.rt.ToValue(resp.StatusCode)
	case "statusText":
		return c.str(resp.Status)
	case "trailer":
		if resp.Trailer == nil {
			resp.Trailer = make(http.Header)
		}
		return new(headers.View).Open(f.vm, f, resp.Trailer)
	case "protocol":
		return c.str(resp.Proto)
	case "uncompressed":
		return c.rt.ToValue(resp.Uncompressed)
	case "contentLength":
		return c.rt.ToValue(resp.ContentLength)
	case "transferEncoding":
		return native.Strings(c.vm, resp.TransferEncoding)
	case "body": // the successor's spelling, as text
		return c.rt.ToValue(string(up.readNow(f)))
	}
	return c.upstream.Get(f.vm, c, key)
}

// Set implements goja.DynamicObject.
func (v *upstreamView) Set(key string, val goja.Value) bool {
	f := (*frame)(v)
	f.Check()
	up := f.answer()
	switch key {
	case "statusCode":
		up.setStatus(f.statusArg("upstream.statusCode", val))
	case "body":
		up.replace(f, f.bytes("upstream.body", val))
	default:
		f.vm.ThrowType("upstream.%s cannot be set; statusCode and body can, and headers.set(name, value)", key)
	}
	return true
}

var upstreamKeys = []string{"headers", "statusCode", "statusText", "trailer", "protocol", "uncompressed", "contentLength", "transferEncoding"}

// Has implements goja.DynamicObject.
func (v *upstreamView) Has(key string) bool {
	f := (*frame)(v)
	f.Check()
	if slices.Contains(upstreamKeys, key) {
		return true
	}
	return key == "body" || f.c.upstream.Has(key)
}

// Delete implements goja.DynamicObject: there is nothing to delete.
func (v *upstreamView) Delete(key string) bool { return !v.Has(key) }

// Keys implements goja.DynamicObject.
func (v *upstreamView) Keys() []string {
	(*frame)(v).Check()
	return upstreamKeys
}

// setStatus changes the status line.
func (up *upstream) setStatus(status int) {
	up.resp.StatusCode = status
	up.resp.Status = strings.TrimSpace(strconv.Itoa(status) + " " + http.StatusText(status))
}

// redirect turns the answer into a redirect without a body.
func (up *upstream) redirect(f *frame, target string, status int) {
	up.resp.Header["Location"] = []string{headers.Line(target)}
	up.setStatus(status)
	up.replace(f, nil)
}

var upstreamMethods = map[string]method{
	"readBody": {Arity: 0, Call: func(c *vmCache, _ goja.FunctionCall) goja.Value {
		f := c.current()
		return f.answer().read(f, func(data []byte) (goja.Value, error) { return f.buffer(data), nil })
	}},
	"readJson": {Arity: 0, Call: func(c *vmCache, _ goja.FunctionCall) goja.Value {
		f := c.current()
		return f.answer().read(f, func(data []byte) (goja.Value, error) { return c.vm.ParseJSON(data) })
	}},
	"writeBody": {Arity: 1, Call: func(c *vmCache, call goja.FunctionCall) goja.Value {
		f := c.current()
		f.answer().replace(f, f.bytes("writeBody", call.Argument(0)))
		return f.upstream()
	}},
	"writeJson": {Arity: 1, Call: func(c *vmCache, call goja.FunctionCall) goja.Value {
		f := c.current()
		up := f.answer()
		up.replace(f, f.json("writeJson", call.Argument(0)))
		up.resp.Header["Content-Type"] = []string{"application/json"}
		return f.upstream()
	}},
	"status": {Arity: 1, Call: func(c *vmCache, call goja.FunctionCall) goja.Value {
		f := c.current()
		f.answer().setStatus(f.statusArg("upstream.status", call.Argument(0)))
		return f.upstream()
	}},
	"redirect": {Arity: 1, Call: func(c *vmCache, call goja.FunctionCall) goja.Value {
		f := c.current()
		status := http.StatusTemporaryRedirect
		if s := f.answer().resp.StatusCode; f.up.chosen(s) && s >= 300 && s <= 399 {
			status = s
		}
		target := redirectArgs(f, "upstream.redirect", call, &status)
		f.up.redirect(f, target, status)
		return goja.Undefined()
	}},
	"redirectPermanent": {Arity: 1, Call: func(c *vmCache, call goja.FunctionCall) goja.Value {
		f := c.current()
		f.answer().redirect(f, redirectArgs(f, "upstream.redirectPermanent", call, nil), http.StatusMovedPermanently)
		return goja.Undefined()
	}},
	"query": {Arity: 0, Call: func(c *vmCache, _ goja.FunctionCall) goja.Value {
		f := c.current()
		var p pairs
		if r := f.answer().resp.Request; r != nil {
			p.list = parsePairs(r.URL.RawQuery)
		}
		return f.queryOver(&p)
	}},
	"cookie": {Arity: 0, Call: func(c *vmCache, _ goja.FunctionCall) goja.Value {
		return c.cookies(c.current().answer().resp.Cookies())
	}},
}
