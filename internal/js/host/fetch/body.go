package fetch

import (
	"bytes"
	"context"
	"io"
	"slices"
	"strings"

	"github.com/dop251/goja"

	"github.com/dgate-io/caddy-dgate/internal/js"
	"github.com/dgate-io/caddy-dgate/internal/js/host/native"
)

// body is the content of a Request or a Response: bytes, or what Go reads. A nil
// body is none.
type body struct {
	data   []byte
	shared bool    // data is also that of a clone
	src    *source // nil if data is the content
	done   bool    // read, or passed on
}

// errUsed is what reading a body twice fails with.
var errUsed = &js.TypeError{Message: "body already used"}

func (b *body) used() bool { return b != nil && b.done }

// bodyOf reads a body that a script gives, and the type that it has by itself.
func (c *classes) bodyOf(what string, v goja.Value) (b *body, kind string) {
	if native.Missing(v) {
		return nil, ""
	}
	if native.TypeName(v) == "URLSearchParams" {
		return &body{data: []byte(v.String())}, "application/x-www-form-urlencoded;charset=UTF-8"
	}
	if data, ok := c.vm.Bytes(v); ok {
		if goja.IsString(v) {
			return &body{data: data}, "text/plain;charset=UTF-8"
		}
		return &body{data: slices.Clone(data)}, ""
	}
	if _, ok := v.(*goja.Object); !ok {
		return &body{data: []byte(v.String())}, "text/plain;charset=UTF-8"
	}
	c.vm.ThrowType("%s: body must be a string, an ArrayBuffer, a typed array, a URLSearchParams or a ReadableStream, got %s; use JSON.stringify for objects", what, native.TypeName(v))
	return nil, ""
}

// take passes the content on: b is used from now on.
func (b *body) take() (*body, error) {
	if b == nil {
		return nil, nil //nolint:nilnil // nil is no body
	}
	if b.used() {
		return nil, errUsed
	}
	b.done = true
	return &body{data: b.data, shared: b.shared, src: b.src}, nil
}

// clone returns a body with the same content, which is not used yet.
func (b *body) clone() *body {
	if b == nil {
		return nil
	}
	b.shared = true
	return &body{data: b.data, shared: true, src: b.src}
}

// size is the length of the content, -1 if it is not known.
func (b *body) size() int64 {
	switch {
	case b == nil:
		return 0
	case b.src != nil:
		return b.src.size
	}
	return int64(len(b.data))
}

// reader is a content that Go can read, on any goroutine.
func (b *body) reader() io.ReadCloser {
	if b.src != nil {
		return b.src
	}
	return io.NopCloser(bytes.NewReader(b.data))
}

// reads makes a method that reads the whole body.
func reads(convert func(*js.VM, []byte) goja.Value) native.Method[*classes] {
	return native.Method[*classes]{Call: func(c *classes, call goja.FunctionCall) goja.Value {
		vm := c.vm
		var (
			m   *message
			b   *body
			err error
		)
		thrown := vm.Runtime().Try(func() {
			m = c.messageOf(call.This)
			b, err = m.body.take()
		})
		switch {
		case thrown != nil:
			return rejected(vm, thrown.Value())
		case err != nil:
			return rejected(vm, vm.Error(err))
		case b == nil:
			return settled(vm, nil, convert)
		case b.shared:
			return settled(vm, slices.Clone(b.data), convert)
		case b.src == nil:
			return settled(vm, b.data, convert)
		}
		limit := vm.Limits().Body
		return js.Async(vm, func(context.Context) ([]byte, error) { return b.src.all(limit) }, convert)
	}}
}

// rejected is a promise that is rejected with v.
func rejected(vm *js.VM, v goja.Value) goja.Value {
	promise, _, reject := vm.NewPromise()
	reject(v)
	return promise
}

// settled is a promise of what data is converted to.
func settled(vm *js.VM, data []byte, convert func(*js.VM, []byte) goja.Value) goja.Value {
	promise, resolve, reject := vm.NewPromise()
	var v goja.Value
	if thrown := vm.Runtime().Try(func() { v = convert(vm, data) }); thrown != nil {
		reject(thrown.Value())
	} else {
		resolve(v)
	}
	return promise
}

// bodyMethods are the methods that read a body.
var bodyMethods = map[string]native.Method[*classes]{
	"arrayBuffer": reads(func(vm *js.VM, data []byte) goja.Value { return vm.ArrayBuffer(data) }),
	"bytes":       reads(uint8Array),
	"text": reads(func(vm *js.VM, data []byte) goja.Value {
		return vm.Runtime().ToValue(strings.ToValidUTF8(strings.TrimPrefix(string(data), "\ufeff"), "\ufffd"))
	}),
	"json": reads(func(vm *js.VM, data []byte) goja.Value {
		v, err := vm.ParseJSON(bytes.TrimPrefix(data, []byte("\ufeff")))
		if err != nil {
			vm.Throw(err)
		}
		return v
	}),
}

func uint8Array(vm *js.VM, data []byte) goja.Value {
	return native.Construct(vm, "Uint8Array", vm.ArrayBuffer(data))
}
