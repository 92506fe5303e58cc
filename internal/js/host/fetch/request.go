package fetch

import (
	"bytes"
	"context"
	"io"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/dop251/goja"
	"golang.org/x/net/http/httpguts"

	"github.com/dgate-io/caddy-dgate/internal/js"
	"github.com/dgate-io/caddy-dgate/internal/js/host/headers"
	"github.com/dgate-io/caddy-dgate/internal/js/host/native"
)

// request is what a script asked for, as Go data.
type request struct {
	url      *url.URL
	method   string
	header   http.Header
	body     []byte
	hasBody  bool
	redirect string // follow, manual or error
	timeout  time.Duration
}

// readRequest reads the arguments of fetch. It throws for what cannot be sent.
func readRequest(vm *js.VM, target, options goja.Value) *request {
	req := &request{method: http.MethodGet, redirect: "follow", header: make(http.Header)}
	if obj, ok := target.(*goja.Object); ok && obj.Get("href") == nil && obj.Get("url") != nil {
		req.options(vm, obj) // something like the web's Request
		target = obj.Get("url")
	}
	req.url = urlArg(vm, target)
	if !native.Missing(options) {
		obj, ok := options.(*goja.Object)
		if !ok {
			vm.ThrowType("fetch: expected an object of options, got %s", native.TypeName(options))
		}
		req.options(vm, obj)
	}
	if req.hasBody && (req.method == http.MethodGet || req.method == http.MethodHead) && len(req.body) == 0 {
		req.hasBody = false
	}
	return req
}

// urlArg reads a URL: text, or an object with an href.
func urlArg(vm *js.VM, v goja.Value) *url.URL {
	if obj, ok := v.(*goja.Object); ok && obj.Get("href") != nil {
		v = obj.Get("href")
	}
	if !goja.IsString(v) {
		vm.ThrowType("fetch: expected a URL, got %s", native.TypeName(v))
	}
	u, err := url.Parse(strings.TrimSpace(v.String()))
	if err != nil {
		vm.ThrowType("fetch: invalid URL: %s", err)
	}
	switch u.Scheme = strings.ToLower(u.Scheme); {
	case u.Scheme != "http" && u.Scheme != "https":
		vm.ThrowType("fetch: invalid URL %q: expected one that begins with http:// or https://", v.String())
	case u.Host == "":
		vm.ThrowType("fetch: invalid URL %q: it has no host", v.String())
	}
	u.Fragment = ""
	return u
}

func (req *request) options(vm *js.VM, obj *goja.Object) {
	if v := obj.Get("method"); !native.Missing(v) {
		req.method = strings.ToUpper(v.String())
		if !httpguts.ValidHeaderFieldName(req.method) {
			vm.ThrowType("fetch: %q is not a method", v.String())
		}
	}
	if v := obj.Get("headers"); !native.Missing(v) {
		req.header = headers.From(vm, "fetch", v)
	}
	if v := obj.Get("body"); !native.Missing(v) {
		kind := "text/plain;charset=UTF-8"
		if native.TypeName(v) == "URLSearchParams" {
			v, kind = v.ToString(), "application/x-www-form-urlencoded;charset=UTF-8"
		}
		data, ok := vm.Bytes(v)
		if !ok {
			vm.ThrowType("fetch: body must be a string, an ArrayBuffer, a typed array or a URLSearchParams, got %s; use JSON.stringify for objects", native.TypeName(v))
		}
		req.body, req.hasBody = slices.Clone(data), true
		if _, typed := req.header["Content-Type"]; !typed && goja.IsString(v) {
			req.header["Content-Type"] = []string{kind}
		}
	}
	for _, name := range []string{"redirects", "redirect"} { // the gateway's own spelling, then the web's
		v := obj.Get(name)
		if native.Missing(v) {
			continue
		}
		switch v.String() {
		case "follow", "manual", "error":
			req.redirect = v.String()
		default:
			vm.ThrowType(`fetch: %s is %q, expected "follow", "manual" or "error"`, name, v.String())
		}
	}
	if v := obj.Get("timeout"); !native.Missing(v) {
		req.timeout = timeoutArg(vm, v)
	}
}

// timeoutArg reads a timeout: milliseconds, or the text of a Go duration.
func timeoutArg(vm *js.VM, v goja.Value) time.Duration {
	if goja.IsString(v) {
		if d, err := time.ParseDuration(v.String()); err == nil && d > 0 {
			return d
		}
	} else if ms := v.ToFloat(); goja.IsNumber(v) && ms > 0 {
		return time.Duration(min(ms, math.MaxInt32) * float64(time.Millisecond))
	}
	vm.ThrowType(`fetch: timeout is %s, expected milliseconds or a duration like "2s"`, v.String())
	return 0
}

// build makes the request that is sent.
func (req *request) build(ctx context.Context) (*http.Request, error) {
	var body io.Reader
	if req.hasBody {
		body = bytes.NewReader(req.body) // known to net/http, which can send it again
	}
	r, err := http.NewRequestWithContext(ctx, req.method, req.url.String(), body)
	if err != nil {
		return nil, typeError("fetch: " + err.Error())
	}
	r.Header = req.header
	if _, set := r.Header["User-Agent"]; !set {
		r.Header["User-Agent"] = []string{userAgent}
	}
	if host := r.Header.Get("Host"); host != "" {
		r.Host = host
		r.Header.Del("Host")
	}
	r.Header.Del("Content-Length") // net/http knows it better
	return r, nil
}
