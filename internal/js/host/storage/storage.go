// Package storage is the module "dgate/storage": a cache for what scripts have
// worked out or fetched. It is one cache per process, shared by all virtual
// machines and separate for each namespace. It is not replicated, does not outlive
// the process, and may forget anything at any time: what must last is a document
// of "dgate/state".
package storage

import (
	"math"
	"time"

	"github.com/dop251/goja"
	"github.com/dustin/go-humanize"

	"github.com/dgate-io/caddy-dgate/internal/js"
	"github.com/dgate-io/caddy-dgate/internal/js/host/native"
)

// Module returns the module.
func (c *Cache) Module() js.Module {
	return js.Module{Name: "dgate/storage", Exports: []js.Export{
		native.Function("setCache", 3, c.setCache),
		native.Function("getCache", 1, c.getCache),
		native.Function("deleteCache", 1, c.deleteCache),
	}}
}

// keyOf makes the key of the id that a function was called with.
func keyOf(vm *js.VM, what string, id goja.Value) key {
	if !goja.IsString(id) {
		vm.ThrowType("%s: expected the id of the cached value, a string, got %s", what, native.TypeName(id))
	}
	if id.String() == "" {
		vm.ThrowType("cache id cannot be empty")
	}
	return key{native.Namespace(vm, what), id.String()}
}

// setCache is setCache(id, value, {ttl}): it keeps a copy of the value, as JSON.
func (c *Cache) setCache(vm *js.VM, call goja.FunctionCall) goja.Value {
	k := keyOf(vm, "setCache", call.Argument(0))
	lives := ttl(vm, call.Argument(2))
	data, err := vm.Stringify(call.Argument(1))
	if err != nil {
		panic(err)
	}
	if data == nil {
		vm.ThrowType("setCache: %s cannot be kept: it is not JSON", native.TypeName(call.Argument(1)))
	}
	if len(data) > maxValue {
		vm.Throw(&js.RangeError{Message: "setCache: the value is larger than " + humanize.IBytes(maxValue)})
	}
	switch {
	case lives == 0:
		c.remove(k)
	case lives < 0:
		c.set(k, data, time.Time{})
	default:
		c.set(k, data, time.Now().Add(lives))
	}
	return goja.Undefined()
}

// ttl reads how long a value is to be kept; less than 0 is for ever.
func ttl(vm *js.VM, options goja.Value) time.Duration {
	const forever = -1
	if native.Missing(options) {
		return forever
	}
	obj, ok := options.(*goja.Object)
	if !ok {
		vm.ThrowType("setCache: expected options like { ttl: 60 }, got %s", native.TypeName(options))
	}
	v := obj.Get("ttl")
	if native.Missing(v) {
		return forever
	}
	seconds := v.ToFloat()
	switch {
	case !goja.IsNumber(v) || math.IsNaN(seconds):
		vm.ThrowType("setCache: expected ttl as a number of seconds, got %s", describe(v))
	case seconds < 0:
		vm.Throw(&js.RangeError{Message: "TTL cannot be negative"})
	case seconds > math.MaxInt64/float64(time.Second)/2: // longer than anybody waits
		return forever
	}
	return time.Duration(seconds * float64(time.Second))
}

// describe shows a number as it is, and the type of anything else.
func describe(v goja.Value) string {
	if goja.IsNumber(v) {
		return v.String()
	}
	return native.TypeName(v)
}

// getCache is getCache(id): a copy of the value, or null.
func (c *Cache) getCache(vm *js.VM, call goja.FunctionCall) goja.Value {
	data := c.get(keyOf(vm, "getCache", call.Argument(0)))
	if data == nil {
		return goja.Null()
	}
	v, err := vm.ParseJSON(data)
	if err != nil {
		vm.Throw(err)
	}
	return v
}

// deleteCache is deleteCache(id): whether there was something to remove.
func (c *Cache) deleteCache(vm *js.VM, call goja.FunctionCall) goja.Value {
	return vm.Runtime().ToValue(c.remove(keyOf(vm, "deleteCache", call.Argument(0))))
}
