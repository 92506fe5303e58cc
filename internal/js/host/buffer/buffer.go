// Package buffer is Node's class Buffer, as a global and as the module "buffer": a
// Uint8Array with text encodings and binary numbers. Everything works on the bytes
// in place, in Go, and methods are made when they are first used. Numbers of 64
// bits are not here, as the language has no BigInt, nor are blobs, pools of memory
// and what Node calls transcoding.
package buffer

import (
	"fmt"

	"github.com/dop251/goja"

	"github.com/dgate-io/caddy-dgate/internal/js"
	"github.com/dgate-io/caddy-dgate/internal/js/host/native"
)

// Global returns the global Buffer.
func Global() js.Global {
	return js.Global{Name: "Buffer", New: func(vm *js.VM) goja.Value { return classOf(vm).ctor }}
}

// Module returns the module "buffer". Exports of others, such as atob, are its own as well.
func Module(others ...js.Export) js.Module {
	constants := func(vm *js.VM) goja.Value {
		obj := vm.Runtime().NewObject()
		native.Define(vm, obj, "MAX_LENGTH", maxLength(vm))
		native.Define(vm, obj, "MAX_STRING_LENGTH", vm.Runtime().ToValue(maxText))
		return obj
	}
	return js.Module{Name: "buffer", Exports: append([]js.Export{
		Global(),
		{Name: "constants", New: constants},
		{Name: "kMaxLength", New: maxLength},
	}, others...)}
}

func maxLength(vm *js.VM) goja.Value { return vm.Runtime().ToValue(vm.Limits().Heap) }

const (
	// maxText is how long a string may get that is made of bytes.
	maxText = 32 << 20
	// maxItems is how many elements of an array one call reads.
	maxItems = 5_000_000
)

// class is Buffer on one VM.
type class struct {
	vm      *js.VM
	ctor    *goja.Object
	bytes   goja.Constructor // of Uint8Array
	members native.Members[*class]
}

type classKey struct{}

func classOf(vm *js.VM) *class {
	return vm.Value(classKey{}, func(vm *js.VM) any { return newClass(vm) }).(*class)
}

func newClass(vm *js.VM) *class {
	rt := vm.Runtime()
	c := &class{vm: vm, members: native.Members[*class]{Table: methods}}
	parent := rt.Get("Uint8Array").(*goja.Object)
	c.bytes, _ = goja.AssertConstructor(parent)
	c.ctor = rt.ToValue(c.construct).(*goja.Object)
	statics := rt.NewDynamicObject(&lazy{c, &native.Members[*class]{Table: statics}})
	shared := rt.NewDynamicObject(&lazy{c, &c.members})
	proto := rt.CreateObject(shared)
	native.Define(vm, proto, "constructor", c.ctor)
	native.Define(vm, c.ctor, "name", rt.ToValue("Buffer"))
	c.must(c.ctor.DefineDataProperty("prototype", proto, goja.FLAG_FALSE, goja.FLAG_FALSE, goja.FLAG_FALSE))
	c.must(shared.SetPrototype(parent.Get("prototype").(*goja.Object)))
	c.must(statics.SetPrototype(parent))
	c.must(c.ctor.SetPrototype(statics))
	return c
}

func (c *class) must(err error) {
	if err != nil {
		c.vm.Throw(err)
	}
}

// construct is new Buffer(…): what Uint8Array takes, and text.
func (c *class) construct(call goja.ConstructorCall) *goja.Object {
	if goja.IsString(call.Argument(0)) {
		call.Arguments = []goja.Value{c.vm.ArrayBuffer(c.encode(call.Argument(0), call.Argument(1)))}
	}
	target := call.NewTarget
	if target == nil {
		target = c.ctor
	}
	obj, err := c.bytes(target, call.Arguments...)
	if err != nil {
		panic(err)
	}
	return obj
}

// object is a Buffer over b, which belongs to the script from now on.
func (c *class) object(b []byte) goja.Value { return c.view(c.vm.ArrayBuffer(b)) }

// view is a Buffer over an ArrayBuffer, from an offset, with a length.
func (c *class) view(args ...goja.Value) goja.Value {
	obj, err := c.bytes(c.ctor, args...)
	if err != nil {
		panic(err)
	}
	return obj
}

// this is the bytes that a method was called on.
func (c *class) this(call goja.FunctionCall) []byte { return c.data("this method", call.This) }

// data is the bytes of a Buffer or another view of bytes, not of text.
func (c *class) data(what string, v goja.Value) []byte {
	if obj, ok := v.(*goja.Object); ok {
		if b, ok := c.vm.Bytes(obj); ok && obj.ClassName() != "String" {
			return b
		}
	}
	c.vm.ThrowType("%s: expected a Buffer or a Uint8Array, got %s", what, native.TypeName(v))
	return nil
}

// size is a number of bytes to allocate.
func (c *class) size(what string, v goja.Value) int {
	n := v.ToFloat()
	if !goja.IsNumber(v) {
		c.vm.ThrowType("%s: expected a size in bytes, got %s", what, native.TypeName(v))
	}
	c.room(what, n)
	return int(n)
}

// room throws if n bytes are more than a script may have, or less than none.
func (c *class) room(what string, n float64) {
	if limit := c.vm.Limits().Heap; !(n >= 0 && n <= float64(limit)) {
		c.outOfRange("%s: the size %v is out of range, expected 0 to %d", what, n, limit)
	}
}

func (c *class) outOfRange(format string, args ...any) {
	c.vm.Throw(&js.RangeError{Message: fmt.Sprintf(format, args...)})
}

// between is an optional index within 0 and limit; like Node, it brings what is
// outside of them back in. fallback is for an argument that is missing.
func between(v goja.Value, fallback, limit int) int {
	if native.Missing(v) {
		return fallback
	}
	f := v.ToFloat()
	if !(f > 0) {
		return 0
	}
	return int(min(f, float64(limit)))
}
