package fetch

import (
	"context"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/dop251/goja"

	"github.com/dgate-io/caddy-dgate/internal/js"
	"github.com/dgate-io/caddy-dgate/internal/js/host/headers"
	"github.com/dgate-io/caddy-dgate/internal/js/host/native"
)

// Response is what fetch resolves with. A hook may return it to answer with it.
type Response struct {
	c       *cache
	answer  *answer
	used    bool
	headers headers.View
}

var _ goja.DynamicObject = (*Response)(nil)

// cache is what the responses of one VM share.
type cache struct {
	vm      *js.VM
	members native.Members[*cache]
}

type cacheKey struct{}

func newResponse(vm *js.VM, a *answer) goja.Value {
	c := vm.Value(cacheKey{}, func(vm *js.VM) any {
		return &cache{vm: vm, members: native.Members[*cache]{Table: responseMethods}}
	}).(*cache)
	return vm.Runtime().NewDynamicObject(&Response{c: c, answer: a})
}

var responseKeys = []string{"status", "statusText", "ok", "url", "redirected", "headers", "bodyUsed", "_debug_time"}

// Get implements goja.DynamicObject.
func (r *Response) Get(key string) goja.Value {
	rt, resp := r.c.vm.Runtime(), r.answer.resp
	switch key {
	case "status":
		return rt.ToValue(resp.StatusCode)
	case "statusText":
		return rt.ToValue(resp.Status)
	case "ok":
		return rt.ToValue(resp.StatusCode >= 200 && resp.StatusCode <= 299)
	case "url":
		return rt.ToValue(resp.Request.URL.String())
	case "redirected":
		return rt.ToValue(r.answer.redirected)
	case "headers":
		return r.headers.Open(r.c.vm, nil, resp.Header)
	case "bodyUsed":
		return rt.ToValue(r.used)
	case "_debug_time":
		return rt.ToValue(r.answer.took.Seconds())
	}
	return r.c.members.Get(r.c.vm, r.c, key)
}

// Set implements goja.DynamicObject: nothing can be set.
func (r *Response) Set(key string, _ goja.Value) bool {
	r.c.vm.ThrowType("%s of a response cannot be set", key)
	return false
}

// Has implements goja.DynamicObject.
func (r *Response) Has(key string) bool {
	if slices.Contains(responseKeys, key) {
		return true
	}
	return r.c.members.Has(key)
}

// Delete implements goja.DynamicObject.
func (r *Response) Delete(key string) bool { return !r.Has(key) }

// Keys implements goja.DynamicObject.
func (r *Response) Keys() []string { return responseKeys }

// Returned is the response behind v, if a script has returned one to answer with
// it. Its body has not been read; close ends the request behind it.
func Returned(v goja.Value) (resp *http.Response, close func(), err error) {
	obj, ok := v.(*goja.Object)
	if !ok || obj.ExportType() != reflect.TypeFor[*Response]() {
		return nil, nil, nil
	}
	r, ok := obj.Export().(*Response)
	if !ok {
		return nil, nil, nil
	}
	if r.used {
		return nil, nil, typeError("body already used")
	}
	r.used = true
	return r.answer.resp, func() {
		_ = r.answer.resp.Body.Close() // all that matters is told by reading
		r.answer.cancel()
	}, nil
}

// responseOf finds the response that a method was called on.
func (c *cache) responseOf(this goja.Value) *Response {
	if obj, ok := this.(*goja.Object); ok && obj.ExportType() == reflect.TypeFor[*Response]() {
		if r, ok := obj.Export().(*Response); ok {
			return r
		}
	}
	c.vm.ThrowType("this method must be called on a response, as in response.text()")
	return nil
}

// body is a method that reads the body, which can be done once.
func body(convert func(*js.VM, []byte) goja.Value) native.Method[*cache] {
	return native.Method[*cache]{Call: func(c *cache, call goja.FunctionCall) goja.Value {
		r := c.responseOf(call.This)
		if r.used {
			promise, _, reject := c.vm.NewPromise()
			reject(c.vm.Error(typeError("body already used")))
			return promise
		}
		r.used = true
		return js.Async(c.vm,
			func(context.Context) ([]byte, error) { return r.answer.read() },
			convert)
	}}
}

var responseMethods = map[string]native.Method[*cache]{
	"arrayBuffer": body(func(vm *js.VM, data []byte) goja.Value { return vm.ArrayBuffer(data) }),
	"bytes": body(func(vm *js.VM, data []byte) goja.Value {
		return native.Construct(vm, "Uint8Array", vm.ArrayBuffer(data))
	}),
	"text": body(func(vm *js.VM, data []byte) goja.Value {
		return vm.Runtime().ToValue(strings.ToValidUTF8(strings.TrimPrefix(string(data), "\ufeff"), "\ufffd"))
	}),
	"json": body(func(vm *js.VM, data []byte) goja.Value {
		v, err := vm.ParseJSON(data)
		if err != nil {
			vm.Throw(err)
		}
		return v
	}),
}
