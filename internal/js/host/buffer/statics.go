package buffer

import (
	"bytes"
	"reflect"
	"strconv"

	"github.com/dop251/goja"

	"github.com/dgate-io/caddy-dgate/internal/js/host/native"
)

// statics are the functions of the class itself.
var statics = map[string]native.Method[*class]{
	"from":            {Arity: 3, Call: (*class).from},
	"alloc":           {Arity: 3, Call: alloc("Buffer.alloc")},
	"allocUnsafe":     {Arity: 1, Call: alloc("Buffer.allocUnsafe")},
	"allocUnsafeSlow": {Arity: 1, Call: alloc("Buffer.allocUnsafeSlow")},
	"concat":          {Arity: 2, Call: (*class).concat},
	"byteLength":      {Arity: 2, Call: (*class).byteLength},
	"compare": {Arity: 2, Call: func(c *class, call goja.FunctionCall) goja.Value {
		a, b := c.data("Buffer.compare", call.Argument(0)), c.data("Buffer.compare", call.Argument(1))
		return c.vm.Runtime().ToValue(bytes.Compare(a, b))
	}},
	"isBuffer": {Arity: 1, Call: func(c *class, call goja.FunctionCall) goja.Value {
		return c.vm.Runtime().ToValue(c.vm.Runtime().InstanceOf(call.Argument(0), c.ctor))
	}},
	"isEncoding": {Arity: 1, Call: func(c *class, call goja.FunctionCall) goja.Value {
		return c.vm.Runtime().ToValue(goja.IsString(call.Argument(0)) && find(call.Argument(0)) != nil)
	}},
}

// from is Buffer.from(text, encoding), Buffer.from(arrayBuffer, offset, length), which
// shares the memory, and Buffer.from(x) of a Buffer, a list of numbers, what toJSON of
// a Buffer gives, and of objects whose valueOf is one of these, which copy.
func (c *class) from(call goja.FunctionCall) goja.Value {
	v := call.Argument(0)
	made := c.fromPlain(call)
	if obj, ok := v.(*goja.Object); ok && made == nil {
		if value, ok := goja.AssertFunction(obj.Get("valueOf")); ok {
			call.Arguments = append([]goja.Value{native.Invoke(value, obj)}, call.Arguments[1:]...)
			made = c.fromPlain(call) // whose own valueOf does not count
		}
	}
	if made == nil {
		c.vm.ThrowType("Buffer.from: expected a string, a Buffer, an ArrayBuffer or an array, got %s", native.TypeName(v))
	}
	return made
}

// fromPlain is from of all but objects with a valueOf; nil for what is none of it.
func (c *class) fromPlain(call goja.FunctionCall) goja.Value {
	v := call.Argument(0)
	if goja.IsString(v) {
		return c.object(c.encode(v, call.Argument(1)))
	}
	obj, ok := v.(*goja.Object)
	if !ok {
		return nil
	}
	switch obj.ExportType() {
	case reflect.TypeFor[goja.ArrayBuffer]():
		return c.view(call.Arguments...)
	case reflect.TypeFor[[]byte]():
		return c.object(bytes.Clone(c.data("Buffer.from", obj)))
	}
	if length := obj.Get("length"); goja.IsNumber(length) && obj.ClassName() != "String" {
		return c.object(c.list(obj))
	}
	if list, ok := obj.Get("data").(*goja.Object); ok && native.Text(obj.Get("type")) == "Buffer" {
		return c.object(c.list(list))
	}
	return nil
}

// list is the low bytes of the numbers in an array.
func (c *class) list(obj *goja.Object) []byte {
	n := obj.Get("length").ToFloat()
	if n > maxItems {
		c.outOfRange("Buffer.from: more than %d elements", maxItems)
	}
	b := make([]byte, int(max(0, n)))
	for i := range b {
		if item := obj.Get(strconv.Itoa(i)); item != nil {
			b[i] = byte(item.ToInteger())
		}
	}
	return b
}

// alloc makes the functions that allocate. None leaves memory uncleared.
func alloc(name string) func(*class, goja.FunctionCall) goja.Value {
	return func(c *class, call goja.FunctionCall) goja.Value {
		b := make([]byte, c.size(name, call.Argument(0)))
		if v := call.Argument(1); !native.Missing(v) {
			c.fillWith(b, v, call.Argument(2))
		}
		return c.object(b)
	}
}

// concat is Buffer.concat(list, length).
func (c *class) concat(call goja.FunctionCall) goja.Value {
	var parts [][]byte
	total := 0
	list, ok := call.Argument(0).(*goja.Object)
	if !ok {
		c.vm.ThrowType("Buffer.concat: expected an array of Buffers, got %s", native.TypeName(call.Argument(0)))
	}
	c.vm.Runtime().ForOf(list, func(item goja.Value) bool {
		part := c.data("Buffer.concat", item)
		parts = append(parts, part)
		total += len(part)
		c.room("Buffer.concat", float64(total))
		return true
	})
	if v := call.Argument(1); !native.Missing(v) {
		total = c.size("Buffer.concat", v)
	}
	b := make([]byte, total)
	at := 0
	for _, part := range parts {
		at += copy(b[at:], part)
	}
	return c.object(b)
}

// byteLength is Buffer.byteLength(text, encoding), or the length of bytes.
func (c *class) byteLength(call goja.FunctionCall) goja.Value {
	v := call.Argument(0)
	if goja.IsString(v) {
		return c.vm.Runtime().ToValue(len(c.encode(v, call.Argument(1))))
	}
	return c.vm.Runtime().ToValue(len(c.data("Buffer.byteLength", v)))
}
