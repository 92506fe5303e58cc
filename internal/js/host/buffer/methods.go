package buffer

import (
	"bytes"
	"maps"
	"slices"
	"strings"

	"github.com/dop251/goja"

	"github.com/dgate-io/caddy-dgate/internal/js/host/native"
)

// methods are those of Buffers.
var methods = func() map[string]native.Method[*class] {
	all := map[string]native.Method[*class]{
		"toString":       {Arity: 3, Call: (*class).toString},
		"toLocaleString": {Arity: 3, Call: (*class).toString},
		"toJSON":         {Call: (*class).toJSON},
		"equals":         {Arity: 1, Call: (*class).equals},
		"compare":        {Arity: 5, Call: (*class).compare},
		"write":          {Arity: 4, Call: (*class).write},
		"copy":           {Arity: 4, Call: (*class).copy},
		"fill":           {Arity: 4, Call: (*class).fill},
		"slice":          {Arity: 2, Call: (*class).slice},
		"indexOf":        {Arity: 3, Call: index(false)},
		"lastIndexOf":    {Arity: 3, Call: index(true)},
		"includes": {Arity: 3, Call: func(c *class, call goja.FunctionCall) goja.Value {
			return c.vm.Runtime().ToValue(index(false)(c, call).ToInteger() >= 0)
		}},
		"swap16": {Call: swap(2)},
		"swap32": {Call: swap(4)},
		"swap64": {Call: swap(8)},
	}
	maps.Copy(all, numberMethods())
	return all
}()

// part is bytes from start to end, which are optional arguments.
func part(b []byte, start, end goja.Value) []byte {
	to := between(end, len(b), len(b))
	return b[min(between(start, 0, len(b)), to):to]
}

// toString is toString(encoding, start, end).
func (c *class) toString(call goja.FunctionCall) goja.Value {
	e := c.encodingOf(call.Argument(0))
	b := part(c.this(call), call.Argument(1), call.Argument(2))
	if float64(len(b))*e.width > maxText {
		c.outOfRange("toString: the text would be longer than %d", maxText)
	}
	return e.encode(c.vm, b)
}

// toJSON is {type: "Buffer", data: [numbers]}.
func (c *class) toJSON(call goja.FunctionCall) goja.Value {
	b := c.this(call)
	if len(b) > maxItems {
		c.outOfRange("toJSON: more than %d elements", maxItems)
	}
	items := make([]any, len(b))
	for i, x := range b {
		items[i] = int64(x)
	}
	obj := c.vm.Runtime().NewObject()
	c.must(obj.Set("type", "Buffer"))
	c.must(obj.Set("data", c.vm.Runtime().NewArray(items...)))
	return obj
}

func (c *class) equals(call goja.FunctionCall) goja.Value {
	return c.vm.Runtime().ToValue(bytes.Equal(c.this(call), c.data("equals", call.Argument(0))))
}

// compare is compare(target, targetStart, targetEnd, sourceStart, sourceEnd).
func (c *class) compare(call goja.FunctionCall) goja.Value {
	target := part(c.data("compare", call.Argument(0)), call.Argument(1), call.Argument(2))
	return c.vm.Runtime().ToValue(bytes.Compare(part(c.this(call), call.Argument(3), call.Argument(4)), target))
}

// write is write(text, offset, length, encoding), of which any but the text may be
// left out. It returns how many bytes there was room for, in whole characters.
func (c *class) write(call goja.FunctionCall) goja.Value {
	b, args := c.this(call), slices.Clone(call.Arguments)
	if len(args) == 0 || !goja.IsString(args[0]) {
		c.vm.ThrowType("write: expected a string, got %s", native.TypeName(call.Argument(0)))
	}
	name := goja.Undefined()
	if last := len(args) - 1; last > 0 && goja.IsString(args[last]) {
		name, args = args[last], args[:last]
	}
	args = append(args, goja.Undefined(), goja.Undefined())
	if offset := args[1]; !native.Missing(offset) && !(offset.ToFloat() >= 0 && offset.ToFloat() <= float64(len(b))) {
		c.outOfRange("write: the offset %v is out of range, expected 0 to %d", offset, len(b))
	}
	b = b[between(args[1], 0, len(b)):]
	b = b[:between(args[2], len(b), len(b))]
	e := c.encodingOf(name)
	data := e.decode(args[0].(goja.String))
	if len(data) > len(b) {
		data = data[:len(b)]
		if e.char > 0 {
			data = data[:len(data)/e.char*e.char]
		} else {
			data = data[:len(strings.ToValidUTF8(string(data), ""))] // it was valid, but for its new end
		}
	}
	return c.vm.Runtime().ToValue(copy(b, data))
}

// copy is copy(target, targetStart, sourceStart, sourceEnd).
func (c *class) copy(call goja.FunctionCall) goja.Value {
	source, target := c.this(call), c.data("copy", call.Argument(0))
	at := between(call.Argument(1), 0, len(target))
	return c.vm.Runtime().ToValue(copy(target[at:], part(source, call.Argument(2), call.Argument(3))))
}

// fill is fill(value, start, end, encoding), of which start and end may be left out.
func (c *class) fill(call goja.FunctionCall) goja.Value {
	b, start, end, name := c.this(call), call.Argument(1), call.Argument(2), call.Argument(3)
	switch {
	case goja.IsString(start):
		start, end, name = goja.Undefined(), goja.Undefined(), start
	case goja.IsString(end):
		end, name = goja.Undefined(), end
	}
	c.fillWith(part(b, start, end), call.Argument(0), name)
	return call.This
}

// fillWith repeats a value in b: text, bytes or a number.
func (c *class) fillWith(b []byte, v, name goja.Value) {
	pattern := c.pattern(v, name)
	if len(pattern) == 0 {
		clear(b)
		return
	}
	for n := copy(b, pattern); n > 0 && n < len(b); n *= 2 {
		copy(b[n:], b[:n])
	}
}

// pattern is what a value stands for where bytes are filled with it or searched for.
func (c *class) pattern(v, name goja.Value) []byte {
	switch {
	case goja.IsString(v):
		return c.encode(v, name)
	case isObject(v):
		return c.data("value", v)
	}
	return []byte{byte(v.ToInteger())}
}

func isObject(v goja.Value) bool {
	_, ok := v.(*goja.Object)
	return ok
}

// slice shares the memory, as it does in Node, unlike that of Uint8Array.
func (c *class) slice(call goja.FunctionCall) goja.Value {
	c.this(call)
	this := call.This.(*goja.Object)
	return native.Invoke(native.Callback(c.vm, "subarray", this.Get("subarray")), this, call.Arguments...)
}

// index makes indexOf(value, from, encoding) and lastIndexOf.
func index(last bool) func(*class, goja.FunctionCall) goja.Value {
	return func(c *class, call goja.FunctionCall) goja.Value {
		b, from, name := c.this(call), call.Argument(1), call.Argument(2)
		if goja.IsString(from) {
			from, name = goja.Undefined(), from
		}
		want := c.pattern(call.Argument(0), name)
		at := 0
		if last {
			at = len(b)
		}
		if f := from.ToFloat(); !native.Missing(from) && f == f {
			if f < 0 {
				f += float64(len(b))
			}
			if f < 0 && last {
				return c.vm.Runtime().ToValue(-1)
			}
			at = int(max(0, min(f, float64(len(b)))))
		}
		if last {
			return c.vm.Runtime().ToValue(bytes.LastIndex(b[:min(at+len(want), len(b))], want))
		}
		found := bytes.Index(b[at:], want)
		if found >= 0 {
			found += at
		}
		return c.vm.Runtime().ToValue(found)
	}
}

// swap makes the functions that reverse each group of n bytes.
func swap(n int) func(*class, goja.FunctionCall) goja.Value {
	return func(c *class, call goja.FunctionCall) goja.Value {
		b := c.this(call)
		if len(b)%n != 0 {
			c.outOfRange("swap%d: the size %d is not a multiple of %d bits", 8*n, len(b), 8*n)
		}
		for group := range slices.Chunk(b, n) {
			slices.Reverse(group)
		}
		return call.This
	}
}
