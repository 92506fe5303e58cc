package hook

import (
	"errors"
	"html"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/dop251/goja"

	"github.com/dgate-io/caddy-dgate/internal/js/host/headers"
	"github.com/dgate-io/caddy-dgate/internal/js/host/native"
)

// responseView is what ctx.response() returns: the answer that a script gives itself.
type responseView frame

var _ goja.DynamicObject = (*responseView)(nil)

// response returns the response object.
func (f *frame) response() *goja.Object {
	if f.responseObj == nil {
		f.responseObj = f.object((*responseView)(f))
	}
	return f.responseObj
}

// Get implements goja.DynamicObject.
func (v *responseView) Get(key string) goja.Value {
	f := (*frame)(v)
	f.Check()
	switch key {
	case "headers":
		if f.responseHeaders == nil {
			f.responseHeaders = new(headers.View)
		}
		return f.responseHeaders.Open(f.vm, f, f.s.w.Header())
	case "headersSent":
		return f.c.rt.ToValue(f.s.wrote)
	case "locals":
		return f.locals.open(f, &f.s.bags().locals)
	case "statusCode":
		return f.c.rt.ToValue(f.s.statusOr(http.StatusOK))
	}
	if fn := f.c.response.Get(f.vm, f.c, key); fn != nil {
		return fn
	}
	return f.responseBag.get(f, &f.s.bags().response, key)
}

// Set implements goja.DynamicObject: statusCode and locals have a meaning, unknown properties are kept.
func (v *responseView) Set(key string, val goja.Value) bool {
	f := (*frame)(v)
	f.Check()
	switch key {
	case "statusCode":
		f.setStatus("response.statusCode", val)
		return true
	case "locals":
		obj, ok := val.(*goja.Object)
		if !ok {
			f.vm.ThrowType("response.locals: expected an object, got %s", native.TypeName(val))
		}
		f.locals.obj = obj
		return true
	}
	if key == "headers" || key == "headersSent" || f.c.response.Has(key) {
		f.vm.ThrowType("response.%s is read-only", key)
	}
	return f.responseBag.set(f, &f.s.bags().response, key, val)
}

var responseKeys = []string{"headers", "headersSent", "locals", "statusCode"}

// Has implements goja.DynamicObject.
func (v *responseView) Has(key string) bool {
	f := (*frame)(v)
	f.Check()
	if slices.Contains(responseKeys, key) {
		return true
	}
	return f.c.response.Has(key) || f.responseBag.own(f, &f.s.bags().response, key)
}

// Delete implements goja.DynamicObject.
func (v *responseView) Delete(key string) bool {
	f := (*frame)(v)
	f.Check()
	return f.responseBag.delete(f, &f.s.bags().response, key)
}

// Keys implements goja.DynamicObject.
func (v *responseView) Keys() []string {
	(*frame)(v).Check()
	return responseKeys
}

func (s *Scope) statusOr(fallback int) int {
	if s.status != 0 {
		return s.status
	}
	return fallback
}

// statusArg reads a status that a script chose.
func (f *frame) statusArg(what string, v goja.Value) int {
	n := v.ToNumber().ToFloat()
	if n != float64(int(n)) || n < 200 || n > 599 {
		f.vm.ThrowType("%s: %s is not a status: expected an integer from 200 to 599", what, v.String())
	}
	return int(n)
}

// setStatus chooses the status; after the header has been sent it has no effect.
func (f *frame) setStatus(what string, v goja.Value) {
	status := f.statusArg(what, v)
	if !f.s.wrote {
		f.s.status = status
	}
}

// write sends data to the client, after the header if that has not been sent.
func (f *frame) write(data []byte) {
	s := f.s
	s.writeHeader(http.StatusOK)
	f.unsent = true
	if len(data) == 0 {
		return
	}
	var err error
	f.vm.Blocking(func() { _, err = s.w.Write(data) })
	// An answer that has no body by its status or method swallows what is sent.
	if err != nil && !errors.Is(err, http.ErrBodyNotAllowed) {
		f.vm.Throw(err)
	}
}

// redirectTo answers with a redirect, as http.Redirect does. Relative targets are
// resolved against the path of the request.
func (f *frame) redirectTo(target string, status int) {
	s := f.s
	if s.wrote {
		f.vm.ThrowType("response.redirect: the response has been sent")
	}
	h := s.w.Header()
	location := resolveTarget(s.r.URL.EscapedPath(), target)
	h["Location"] = []string{headers.Line(location)}
	get := s.r.Method == http.MethodGet || s.r.Method == http.MethodHead
	if _, chosen := h["Content-Type"]; !chosen && get {
		h["Content-Type"] = []string{"text/html; charset=utf-8"}
	} else if chosen {
		get = false
	}
	s.status = status
	s.writeHeader(status)
	f.unsent = true
	if get && s.r.Method == http.MethodGet {
		f.write([]byte("<a href=\"" + html.EscapeString(location) + "\">" + http.StatusText(status) + "</a>.\n\n"))
	}
}

// resolveTarget makes a relative redirect target absolute, and leaves all others as they are.
func resolveTarget(from, target string) string {
	u, err := url.Parse(target)
	if err != nil || u.Scheme != "" || u.Host != "" || strings.HasPrefix(target, "//") {
		return target
	}
	from = "/" + strings.TrimLeft(from, "/") // two slashes would name another host
	if target == "" || target[0] == '?' || target[0] == '#' {
		return from + target
	}
	rest := ""
	if i := strings.IndexAny(target, "?#"); i >= 0 {
		target, rest = target[:i], target[i:]
	}
	if target[0] != '/' {
		dir, _ := path.Split(from)
		target = dir + target
	}
	slash := strings.HasSuffix(target, "/")
	target = path.Clean(target)
	if slash && !strings.HasSuffix(target, "/") {
		target += "/"
	}
	return target + rest
}

var responseMethods = map[string]method{
	"status": {Arity: 1, Call: func(c *vmCache, call goja.FunctionCall) goja.Value {
		f := c.current()
		f.setStatus("response.status", call.Argument(0))
		return f.response()
	}},
	"send": {Arity: 1, Call: func(c *vmCache, call goja.FunctionCall) goja.Value { return sendBody(c, "response.send", call) }},
	"end":  {Arity: 1, Call: func(c *vmCache, call goja.FunctionCall) goja.Value { return sendBody(c, "response.end", call) }},
	"json": {Arity: 1, Call: func(c *vmCache, call goja.FunctionCall) goja.Value {
		f := c.current()
		data := f.json("response.json", call.Argument(0)) // throws before anything is written
		if !f.s.wrote {
			f.s.w.Header()["Content-Type"] = []string{"application/json"}
		}
		f.write(data)
		return f.response()
	}},
	"location": {Arity: 1, Call: func(c *vmCache, call goja.FunctionCall) goja.Value {
		f := c.current()
		f.s.w.Header()["Location"] = []string{headers.Value(c.vm, call.Argument(0))}
		return f.response()
	}},
	"redirect": {Arity: 1, Call: func(c *vmCache, call goja.FunctionCall) goja.Value {
		f := c.current()
		status := http.StatusTemporaryRedirect
		if s := f.s.status; s >= 300 && s <= 399 {
			status = s
		}
		f.redirectTo(redirectArgs(f, "redirect", call, &status), status)
		return goja.Undefined()
	}},
	"redirectPermanent": {Arity: 1, Call: func(c *vmCache, call goja.FunctionCall) goja.Value {
		f := c.current()
		status := http.StatusMovedPermanently
		f.redirectTo(redirectArgs(f, "redirectPermanent", call, nil), status)
		return goja.Undefined()
	}},
	"cookie":     {Arity: 3, Call: setCookie},
	"getCookie":  {Arity: 1, Call: getCookie},
	"getCookies": {Arity: 0, Call: getCookies},
}

// redirectArgs reads the target and, where status is given, a status beside it.
func redirectArgs(f *frame, what string, call goja.FunctionCall, status *int) string {
	target, chosen := call.Argument(0), call.Argument(1)
	if goja.IsNumber(target) && goja.IsString(chosen) { // as other frameworks have it
		target, chosen = chosen, target
	}
	if goja.IsUndefined(target) || goja.IsNull(target) {
		f.vm.ThrowType("%s: expected a URL, got %s", what, native.TypeName(target))
	}
	if status != nil && !goja.IsUndefined(chosen) {
		n := f.statusArg(what, chosen)
		if n < 300 || n > 399 {
			f.vm.ThrowType("%s: %d is not a redirect: expected a status from 300 to 399", what, n)
		}
		*status = n
	}
	return target.String()
}

// sendBody is send and end: without an argument an answer without a body.
func sendBody(c *vmCache, what string, call goja.FunctionCall) goja.Value {
	f := c.current()
	var data []byte
	if v := call.Argument(0); len(call.Arguments) > 0 && !goja.IsUndefined(v) {
		var ok bool
		if data, ok = f.vm.Bytes(v); !ok {
			f.vm.ThrowType("%s: invalid type %s, expected a string, an ArrayBuffer or a typed array (response.json for other values)", what, native.TypeName(v))
		}
	}
	f.write(data)
	return f.response()
}
