// Package stream has the streams of the web: ReadableStream, WritableStream,
// TransformStream and what belongs to them. They are written in JavaScript, which a
// VM runs when it first needs one; Go code can make streams of its own data, and
// read those of scripts. There are no byte streams with buffers of their readers
// (BYOB), and what is piped is not aborted through a signal of the controller.
package stream

import (
	"bytes"
	"context"
	_ "embed" // for the sources
	"errors"
	"io"
	"sync"

	"github.com/dop251/goja"

	"github.com/dgate-io/caddy-dgate/internal/js"
	"github.com/dgate-io/caddy-dgate/internal/js/host/native"
)

//go:embed readable.js
var readableSource string

//go:embed writable.js
var writableSource string

//go:embed transform.js
var transformSource string

// programs are the pieces of JavaScript, compiled once per process.
var programs = map[string]func() *goja.Program{
	"ReadableStream":  compiled("ReadableStream", readableSource),
	"WritableStream":  compiled("WritableStream", writableSource),
	"TransformStream": compiled("TransformStream", transformSource),
}

func compiled(name, source string) func() *goja.Program {
	return sync.OnceValue(func() *goja.Program { return goja.MustCompile(name, source, true) })
}

// Globals are the classes.
func Globals() []js.Global {
	var globals []js.Global
	for name, of := range map[string]func(*parts) *goja.Object{
		"ReadableStream":              (*parts).readable,
		"ReadableStreamDefaultReader": (*parts).readable,
		"WritableStream":              (*parts).writable,
		"WritableStreamDefaultWriter": (*parts).writable,
		"TransformStream":             (*parts).transform,
		"TextEncoderStream":           (*parts).transform,
		"TextDecoderStream":           (*parts).transform,
		"CountQueuingStrategy":        (*parts).transform,
		"ByteLengthQueuingStrategy":   (*parts).transform,
	} {
		globals = append(globals, js.Global{Name: name, New: func(vm *js.VM) goja.Value { return of(partsOf(vm)).Get(name) }})
	}
	return globals
}

// parts are what one VM has run, nil until it is needed.
type parts struct {
	vm      *js.VM
	r, w, t *goja.Object
}

type partsKey struct{}

func partsOf(vm *js.VM) *parts {
	return vm.Value(partsKey{}, func(vm *js.VM) any { return &parts{vm: vm} }).(*parts)
}

func (p *parts) run(name string, args ...goja.Value) *goja.Object {
	made := native.Invoke(native.Callback(p.vm, name, native.Eval(p.vm, programs[name]())), goja.Undefined(), args...)
	return made.ToObject(p.vm.Runtime())
}

func (p *parts) readable() *goja.Object {
	if p.r == nil {
		host := p.vm.Lazy([]js.Export{
			native.Function("pull", 1, func(vm *js.VM, call goja.FunctionCall) goja.Value { return sourceArg(call).pull(vm) }),
			native.Function("cancel", 1, func(_ *js.VM, call goja.FunctionCall) goja.Value {
				_ = sourceArg(call).Close() // all that matters is told by reading
				return goja.Undefined()
			}),
		})
		p.r = p.run("ReadableStream", host)
	}
	return p.r
}

func (p *parts) writable() *goja.Object {
	if p.w == nil {
		p.w = p.run("WritableStream", p.readable())
	}
	return p.w
}

func (p *parts) transform() *goja.Object {
	if p.t == nil {
		p.t = p.run("TransformStream", p.readable(), p.writable())
	}
	return p.t
}

// call calls one of the functions that are for Go code.
func (p *parts) call(name string, args ...goja.Value) goja.Value {
	return native.Invoke(native.Callback(p.vm, name, p.readable().Get(name)), goja.Undefined(), args...)
}

// source is the reader of a stream that New has made.
type source struct {
	native.Opaque
	io.ReadCloser
	fail func(*js.VM, error)
	err  error // that came with the last bytes
}

func sourceArg(call goja.FunctionCall) *source {
	s, _ := native.Data[*source](call.Argument(0))
	return s
}

// chunkSize is how much of a reader makes one chunk at most, in bytes.
const chunkSize = 32 << 10

var buffers = sync.Pool{New: func() any { return new([chunkSize]byte) }}

// pull returns a promise of the next chunk, or undefined at the end.
func (s *source) pull(vm *js.VM) goja.Value {
	if s.err != nil {
		return s.end(vm)
	}
	return js.Async(vm, func(context.Context) ([]byte, error) {
		buf, _ := buffers.Get().(*[chunkSize]byte)
		defer buffers.Put(buf)
		for s.err == nil {
			n, err := s.Read(buf[:])
			s.err = err
			if n > 0 {
				return bytes.Clone(buf[:n]), nil
			}
		}
		return nil, nil
	}, func(vm *js.VM, data []byte) goja.Value {
		if data == nil {
			return s.end(vm)
		}
		return native.Construct(vm, "Uint8Array", vm.ArrayBuffer(data))
	})
}

// end is what comes after the last chunk: undefined, or an error that is thrown.
func (s *source) end(vm *js.VM) goja.Value {
	if !errors.Is(s.err, io.EOF) {
		s.fail(vm, s.err)
	}
	_ = s.Close() // all that matters is told by reading
	return goja.Undefined()
}

// New returns a ReadableStream of what r has. r is read when a script wants more,
// on other goroutines, one at a time; it is closed at its end and when the stream is
// cancelled, but not when a script just drops it. fail throws an error of r; nil
// stands for [js.VM.Throw].
func New(vm *js.VM, r io.ReadCloser, fail func(*js.VM, error)) *goja.Object {
	if fail == nil {
		fail = (*js.VM).Throw
	}
	handle := vm.Runtime().NewDynamicObject(&source{ReadCloser: r, fail: fail})
	return partsOf(vm).call("of", handle).ToObject(vm.Runtime())
}

// Is tells whether v is a ReadableStream.
func Is(vm *js.VM, v goja.Value) bool {
	obj, ok := v.(*goja.Object)
	p := partsOf(vm)
	return ok && p.r != nil && p.call("is", obj).ToBoolean() // without the class there is no object of it
}

// Disturbed tells whether a stream has been read from or cancelled.
func Disturbed(vm *js.VM, stream *goja.Object) bool {
	return partsOf(vm).call("disturbed", stream).ToBoolean()
}

// Locked tells whether a stream has a reader.
func Locked(vm *js.VM, stream *goja.Object) bool {
	return partsOf(vm).call("locked", stream).ToBoolean()
}

// Take returns the reader that New was given, if nothing has been read of the stream
// yet. The stream is locked from then on.
func Take(vm *js.VM, stream *goja.Object) (io.ReadCloser, bool) {
	s, ok := native.Data[*source](partsOf(vm).call("take", stream))
	if !ok {
		return nil, false
	}
	return s.ReadCloser, true
}

// Tee returns two streams of what a stream has, which share no buffers. It is locked
// from then on.
func Tee(vm *js.VM, stream *goja.Object) (a, b *goja.Object) {
	rt := vm.Runtime()
	pair := partsOf(vm).call("tee", stream, rt.ToValue(true)).ToObject(rt)
	return pair.Get("0").ToObject(rt), pair.Get("1").ToObject(rt)
}

// Each calls write, on the goroutine of the VM, for every chunk of a stream. The
// bytes must not be kept. It goes on when the promise that write returns is
// fulfilled, if it returns one. Each returns a promise of what done returns in the
// end, and the stream is locked. Chunks that are neither bytes nor text fail.
func Each(vm *js.VM, stream *goja.Object, write func([]byte) goja.Value, done func() goja.Value) goja.Value {
	return partsOf(vm).call("each", stream,
		vm.Func("write", 1, func(call goja.FunctionCall) goja.Value {
			data, ok := vm.Bytes(call.Argument(0))
			if !ok {
				vm.ThrowType("a body is a stream of bytes: expected a typed array, an ArrayBuffer or a string as a chunk, got %s", native.TypeName(call.Argument(0)))
			}
			return write(data)
		}),
		vm.Func("done", 0, func(goja.FunctionCall) goja.Value { return done() }))
}
