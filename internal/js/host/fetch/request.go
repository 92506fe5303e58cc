package fetch

import (
	"errors"
	"io"
	"math"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/dop251/goja"
	weburl "github.com/nlnwa/whatwg-url/url"
	"golang.org/x/net/http/httpguts"

	"github.com/dgate-io/caddy-dgate/internal/js"
	"github.com/dgate-io/caddy-dgate/internal/js/host/abort"
	"github.com/dgate-io/caddy-dgate/internal/js/host/headers"
	"github.com/dgate-io/caddy-dgate/internal/js/host/native"
)

// Request is an object of the class Request.
type Request struct {
	message
	method   string
	url      *url.URL
	redirect string        // follow, manual or error
	timeout  time.Duration // of fetch; 0: none
	signal   *goja.Object  // an AbortSignal, nil as long as there is none
	leaves   func(func())  // RequestInit.Leaves
	host     string        // that it has come in with; empty for what a script has made
}

var _ goja.DynamicObject = (*Request)(nil)

var requestKeys = []string{"method", "url", "headers", "bodyUsed", "redirect"} // signal is not listed, so that it is made only when asked for

// Get implements goja.DynamicObject.
func (r *Request) Get(key string) goja.Value {
	r.c.saw(r)
	rt := r.c.vm.Runtime()
	switch key {
	case "method":
		return rt.ToValue(r.method)
	case "url":
		return rt.ToValue(r.url.String())
	case "redirect":
		return rt.ToValue(r.redirect)
	case "signal":
		if r.signal == nil {
			r.signal = r.newSignal()
		}
		return r.signal
	}
	return r.get(key)
}

// newSignal makes a signal that is aborted when the client leaves.
func (r *Request) newSignal() *goja.Object {
	vm := r.c.vm
	signal := abort.New(vm)
	if r.leaves != nil {
		settle := vm.Pending()
		r.leaves(func() { settle(func() { abort.Abort(vm, signal) }) })
	}
	return signal
}

// Set implements goja.DynamicObject: what a request does not have itself is kept.
func (r *Request) Set(key string, v goja.Value) bool { return r.set("request", requestKeys, key, v) }

// Has implements goja.DynamicObject.
func (r *Request) Has(key string) bool { return r.has(requestKeys, key) }

// Delete implements goja.DynamicObject.
func (r *Request) Delete(key string) bool { return r.delete(requestKeys, key) }

// Keys implements goja.DynamicObject.
func (r *Request) Keys() []string { return r.keys(requestKeys) }

// readRequest reads the arguments of fetch and of the class Request. It throws for
// what cannot be sent. The body of a Request among them is used from then on.
func (c *classes) readRequest(what string, input, options goja.Value) *Request {
	r := &Request{message: message{c: c}, method: http.MethodGet, redirect: "follow"}
	if from, ok := native.Data[*Request](input); ok {
		c.saw(from)
		r.method, r.url, r.redirect = from.method, from.url, from.redirect
		r.timeout, r.signal, r.leaves = from.timeout, from.signal, from.leaves
		r.header = from.header.Clone()
		r.options(what, options)
		if r.body == nil && !given(options, "body") && (!given(options, "method") || hasBody(r.method)) {
			r.takeBody(from)
		}
		return r
	}
	if obj, ok := input.(*goja.Object); ok && native.Missing(obj.Get("href")) && !native.Missing(obj.Get("url")) {
		r.options(what, obj) // something like a Request
		input = obj.Get("url")
	}
	r.url = c.urlArg(what, input)
	r.options(what, options)
	return r
}

// given tells whether options have a property, be it null.
func given(options goja.Value, key string) bool {
	obj, ok := options.(*goja.Object)
	if !ok {
		return false
	}
	v := obj.Get(key)
	return v != nil && !goja.IsUndefined(v)
}

// hasBody tells whether requests of a method usually have a body.
func hasBody(method string) bool { return method != http.MethodGet && method != http.MethodHead }

// urlArg reads a URL: text, or an object with an href.
func (c *classes) urlArg(what string, v goja.Value) *url.URL {
	if obj, ok := v.(*goja.Object); ok && !native.Missing(obj.Get("href")) {
		v = obj.Get("href")
	}
	if !goja.IsString(v) {
		c.vm.ThrowType("%s: expected a URL, got %s", what, native.TypeName(v))
	}
	u, err := parseURL(v.String())
	if err != nil {
		c.vm.ThrowType("%s: invalid URL %q: %s", what, v.String(), err)
	}
	return u
}

// options reads the second argument of fetch and of the class Request.
func (r *Request) options(what string, v goja.Value) {
	vm := r.c.vm
	if native.Missing(v) {
		v = vm.Runtime().CreateObject(nil)
	}
	obj, ok := v.(*goja.Object)
	if !ok {
		vm.ThrowType("%s: expected an object of options, got %s", what, native.TypeName(v))
	}
	if v := obj.Get("method"); !native.Missing(v) {
		r.method = methodArg(vm, what, v.String())
	}
	if v := obj.Get("headers"); !native.Missing(v) {
		r.header = headers.From(vm, what, v)
	}
	if r.header == nil {
		r.header = make(http.Header)
	}
	if from, ok := native.Data[*Request](obj); ok && from.body != nil {
		r.takeBody(from)
	} else if v := obj.Get("body"); !native.Missing(v) {
		r.setBody(what, v)
	}
	r.redirectOption(what, obj)
	if v := obj.Get("timeout"); !native.Missing(v) {
		r.timeout = timeoutArg(vm, what, v)
	}
	if v := obj.Get("signal"); v != nil && !goja.IsUndefined(v) {
		if r.signal, r.leaves = nil, nil; !goja.IsNull(v) {
			r.signal = abort.Signal(vm, what, v)
		}
	}
}

// methodArg reads a method. As on the web, only the best known ones may be written
// in any case; a patch is not a PATCH.
func methodArg(vm *js.VM, what, method string) string {
	switch upper := strings.ToUpper(method); upper {
	case http.MethodDelete, http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodPost, http.MethodPut:
		return upper
	case http.MethodConnect, http.MethodTrace, "TRACK":
		vm.ThrowType("%s: requests of method %s are not allowed", what, upper)
	}
	if !httpguts.ValidHeaderFieldName(method) {
		vm.ThrowType("%s: %q is not a method", what, method)
	}
	return method
}

// takeBody gives r the content of another request, which is used from then on.
func (r *Request) takeBody(from *Request) {
	var err error
	if r.body, err = from.body.take(r.c.vm); err != nil {
		r.c.vm.Throw(err)
	}
}

// setBody reads a body, and the type that comes with it.
func (m *message) setBody(what string, v goja.Value) {
	b, kind := m.c.bodyOf(what, v)
	m.body = b
	if _, typed := m.header["Content-Type"]; !typed && kind != "" {
		m.header["Content-Type"] = []string{kind}
	}
}

func (r *Request) redirectOption(what string, obj *goja.Object) {
	for _, name := range []string{"redirects", "redirect"} { // the gateway's own spelling, then the web's
		v := obj.Get(name)
		if native.Missing(v) {
			continue
		}
		switch v.String() {
		case "follow", "manual", "error":
			r.redirect = v.String()
		default:
			r.c.vm.ThrowType(`%s: %s is %q, expected "follow", "manual" or "error"`, what, name, v.String())
		}
	}
}

// timeoutArg reads a timeout: milliseconds, or the text of a Go duration.
func timeoutArg(vm *js.VM, what string, v goja.Value) time.Duration {
	if goja.IsString(v) {
		if d, err := time.ParseDuration(v.String()); err == nil && d > 0 {
			return d
		}
	} else if ms := v.ToFloat(); goja.IsNumber(v) && ms > 0 {
		return time.Duration(min(ms, math.MaxInt32) * float64(time.Millisecond))
	}
	vm.ThrowType(`%s: timeout is %s, expected milliseconds or a duration like "2s"`, what, v.String())
	return 0
}

// RequestInit describes the request that a hook is called for.
type RequestInit struct {
	// Method is the method.
	Method string
	// URL is the absolute URL that the client has asked for.
	URL *url.URL
	// Header is what came with it; it is copied.
	Header http.Header
	// Host is shown as the header of that name, but not sent on by fetch.
	Host string
	// Body is read when the script asks for the content, on other goroutines, and
	// never closed. nil if there is none.
	Body io.Reader
	// Size is the length of the content, -1 if it is not known.
	Size int64
	// TooLarge is what reading the whole content rejects with if that is larger than
	// what scripts may buffer. Default: an error that says so.
	TooLarge error
	// Leaves is called when the script first asks for the signal of the request, and then
	// has to call gone, from any goroutine and at most once, when the client leaves: that
	// aborts the signal. nil if nobody can tell.
	Leaves func(gone func())
}

// NewRequest returns an object of the class Request for a request that has come in.
func NewRequest(vm *js.VM, init RequestInit) *goja.Object {
	c := classesOf(vm)
	r := &Request{message: message{c: c, header: init.Header.Clone()}, method: init.Method, url: init.URL, redirect: "manual", leaves: init.Leaves}
	if r.header == nil {
		r.header = make(http.Header)
	}
	if init.Host != "" {
		r.header["Host"] = []string{init.Host}
		r.host = init.Host
	}
	if init.Body != nil {
		r.body = &body{src: &source{r: init.Body, size: init.Size, over: init.TooLarge}}
	}
	return c.requests().Object(r)
}

// incoming says which Host the request came with that a call has looked at. A Host
// that is copied from there with the other headers would be wrong elsewhere.
type incoming struct {
	call uint64
	host string
}

// saw remembers with which Host a request has come in.
func (c *classes) saw(r *Request) {
	if r.host != "" {
		c.incoming = incoming{c.vm.Call(), r.host}
	}
}

// came tells whether the request of the running call came with that Host.
func (c *classes) came(host string) bool {
	return c.incoming.call == c.vm.Call() && c.incoming.host == host
}

var (
	errNoURL  = errors.New("expected an absolute one that begins with http:// or https://")
	errScheme = errors.New("expected one that begins with http:// or https://")
)

// parseURL reads a URL as browsers do.
func parseURL(raw string) (*url.URL, error) {
	parsed, err := weburl.Parse(raw)
	if err != nil {
		return nil, errNoURL
	}
	if s := parsed.Scheme(); s != "http" && s != "https" {
		return nil, errScheme
	}
	u, err := url.Parse(parsed.Href(false))
	if err != nil {
		return nil, errNoURL
	}
	return u, nil
}
