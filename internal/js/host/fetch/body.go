package fetch

import (
	"bytes"
	"io"
	"slices"
	"strings"

	"github.com/dop251/goja"

	"github.com/dgate-io/caddy-dgate/internal/js"
	"github.com/dgate-io/caddy-dgate/internal/js/host/native"
	"github.com/dgate-io/caddy-dgate/internal/js/host/stream"
)

// body is the content of a Request or a Response: bytes, what Go reads, or a
// stream. A nil body is none.
type body struct {
	data   []byte       // the content, if there is neither src nor stream
	shared bool         // data is also that of a clone
	src    *source      // the content, if there is no stream
	stream *goja.Object // the ReadableStream that a script has seen, nil if it has not
	done   bool         // read, or passed on
}

var (
	errUsed   = &js.TypeError{Message: "body already used"}
	errLocked = &js.TypeError{Message: "the body is locked: its stream has a reader"}
)

// used tells whether a body has been read from.
func (b *body) used(vm *js.VM) bool {
	return b != nil && (b.done || b.stream != nil && stream.Disturbed(vm, b.stream))
}

// usable tells why a body cannot be read, if so.
func (b *body) usable(vm *js.VM) error {
	switch {
	case b.used(vm):
		return errUsed
	case b != nil && b.stream != nil && stream.Locked(vm, b.stream):
		return errLocked
	}
	return nil
}

// bodyOf reads a body that a script gives, and the type that it has by itself.
func (c *classes) bodyOf(what string, v goja.Value) (b *body, kind string) {
	if native.Missing(v) {
		return nil, ""
	}
	if stream.Is(c.vm, v) {
		b := &body{stream: v.ToObject(c.vm.Runtime())}
		if err := b.usable(c.vm); err != nil {
			c.vm.Throw(err)
		}
		return b, ""
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

// open returns the stream of a body.
func (b *body) open(vm *js.VM) *goja.Object {
	switch {
	case b.stream != nil:
	case b.done:
		b.stream = stream.New(vm, content{bytes.NewReader(nil), nil}, nil)
		stream.Take(vm, b.stream) // so that it is used as well
	case b.src != nil:
		b.stream = stream.New(vm, b.src, b.src.fail)
	default:
		b.stream = stream.New(vm, content{bytes.NewReader(b.data), b.data}, nil)
	}
	return b.stream
}

// content is bytes that can be had back from a stream.
type content struct {
	*bytes.Reader
	data []byte
}

// Close implements io.Closer.
func (content) Close() error { return nil }

// take passes the content on: b is used from now on.
func (b *body) take(vm *js.VM) (*body, error) {
	if b == nil {
		return nil, nil //nolint:nilnil // nil is no body
	}
	if err := b.usable(vm); err != nil {
		return nil, err
	}
	b.done = true
	if b.stream == nil {
		return &body{data: b.data, shared: b.shared, src: b.src}, nil
	}
	r, _ := stream.Take(vm, b.stream)
	switch r := r.(type) {
	case content:
		return &body{data: r.data, shared: b.shared}, nil
	case *source:
		return &body{src: r}, nil
	}
	return &body{stream: b.stream}, nil
}

// clone returns a body with the same content.
func (b *body) clone(vm *js.VM) (*body, error) {
	if b == nil {
		return nil, nil //nolint:nilnil // nil is no body
	}
	if err := b.usable(vm); err != nil {
		return nil, err
	}
	if b.src == nil && b.stream == nil {
		b.shared = true
		return &body{data: b.data, shared: true}, nil
	}
	one, two := stream.Tee(vm, b.open(vm))
	b.stream = one
	return &body{stream: two}, nil
}

// size is the length of the content, -1 if it is not known.
func (b *body) size() int64 {
	switch {
	case b == nil:
		return 0
	case b.stream != nil:
		return -1
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
	return content{bytes.NewReader(b.data), b.data}
}

// reads makes a method that reads the whole body.
func reads(convert func(*js.VM, []byte) goja.Value) native.Method[*classes] {
	return native.Method[*classes]{Call: func(c *classes, call goja.FunctionCall) goja.Value {
		vm := c.vm
		var promise goja.Value
		thrown := vm.Runtime().Try(func() {
			b, err := c.messageOf(call.This).body.take(vm)
			if err != nil {
				vm.Throw(err)
			}
			promise = b.all(vm, convert)
		})
		if thrown != nil {
			return rejected(vm, thrown.Value())
		}
		return promise
	}}
}

// all returns a promise of what the whole content, which nothing else reads, is
// converted to.
func (b *body) all(vm *js.VM, convert func(*js.VM, []byte) goja.Value) goja.Value {
	limit := vm.Limits().Body
	switch {
	case b == nil:
		return settled(vm, nil, convert)
	case b.stream != nil:
		var data []byte
		return stream.Each(vm, b.stream, func(chunk []byte) goja.Value {
			if data = append(data, chunk...); int64(len(data)) > limit {
				vm.Throw(tooLarge(limit))
			}
			return goja.Undefined()
		}, func() goja.Value { return convert(vm, data) })
	case b.src != nil:
		return b.src.async(vm, limit, convert)
	case b.shared:
		return settled(vm, slices.Clone(b.data), convert)
	}
	return settled(vm, b.data, convert)
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

// methods are those that a Request and a Response have.
var methods = map[string]native.Method[*classes]{
	"clone":       {Call: clone},
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
