package hook

import (
	"reflect"
	"slices"
	"time"

	"github.com/dop251/goja"

	"github.com/dgate-io/caddy-dgate/internal/js/host/native"
)

// kept is a value of ctx.set as Go data: objects cannot move between VMs.
type kept struct {
	kind keptKind
	data []byte // JSON, or the bytes of a buffer
	v    any    // everything else
}

type keptKind uint8

const (
	keptPlain  keptKind = iota // v is a primitive
	keptJSON                   // data is JSON
	keptBuffer                 // data is the content of an ArrayBuffer
	keptBytes                  // data is the content of a typed array
	keptDate                   // v is a time.Time
)

// keep copies a value out of its VM. It throws for what would not survive.
func (c *vmCache) keep(key string, v goja.Value) kept {
	if v == nil || goja.IsUndefined(v) {
		return kept{v: goja.Undefined()}
	}
	if goja.IsNull(v) {
		return kept{v: goja.Null()}
	}
	obj, ok := v.(*goja.Object)
	if !ok {
		if _, symbol := v.(*goja.Symbol); symbol {
			c.vm.ThrowType("ctx.set(%q): a symbol cannot be kept; use a string, number, boolean, plain object, array, Date or ArrayBuffer", key)
		}
		return kept{v: primitive(v)}
	}
	if data, ok := c.vm.Bytes(v); ok {
		kind := keptBytes
		if obj.ExportType() == reflect.TypeFor[goja.ArrayBuffer]() {
			kind = keptBuffer
		}
		return kept{kind: kind, data: slices.Clone(data)}
	}
	switch class := native.TypeName(v); class {
	case "Date":
		if t, ok := obj.Export().(time.Time); ok {
			return kept{kind: keptDate, v: t}
		}
	case "Function", "Promise", "Map", "Set", "WeakMap", "WeakSet", "RegExp":
		hint := ""
		if class == "Promise" {
			hint = " (is an await missing?)"
		}
		c.vm.ThrowType("ctx.set(%q): a %s cannot be kept%s; use a string, number, boolean, plain object, array, Date or ArrayBuffer", key, class, hint)
	}
	data, err := c.vm.Stringify(v)
	if err != nil {
		c.vm.Throw(err)
	}
	if data == nil {
		return kept{v: goja.Undefined()}
	}
	return kept{kind: keptJSON, data: data}
}

// primitive is the Go form of a JavaScript primitive; strings of goja cannot be
// shared between VMs because they find out lazily whether they are ASCII.
func primitive(v goja.Value) any { return v.Export() }

// value makes the kept value on c's VM.
func (k kept) value(c *vmCache) goja.Value {
	switch k.kind {
	case keptJSON:
		v, err := c.vm.ParseJSON(k.data)
		if err != nil {
			c.vm.Throw(err)
		}
		return v
	case keptBuffer:
		return c.vm.ArrayBuffer(slices.Clone(k.data))
	case keptBytes:
		return native.Construct(c.vm, "Uint8Array", c.vm.ArrayBuffer(slices.Clone(k.data)))
	case keptDate:
		return native.Construct(c.vm, "Date", c.rt.ToValue(k.v.(time.Time).UnixMilli()))
	}
	if v, ok := k.v.(goja.Value); ok {
		return v // undefined and null, the same on every VM
	}
	return c.rt.ToValue(k.v)
}
