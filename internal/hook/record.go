package hook

import (
	"strings"

	"github.com/dop251/goja"

	"github.com/dgate-io/caddy-dgate/internal/js/host/native"
)

// field is one property of a record. Its value is a string, an int64, a bool or a []string.
type field struct {
	name  string
	value any
}

// record shows plain data of the gateway to scripts, read-only. The names with a
// suffix ",omitempty", which the original gateway had, are understood but not listed.
type record struct {
	f      *frame
	fields []field
}

var _ goja.DynamicObject = (*record)(nil)

func (r *record) find(key string) *field {
	key = strings.TrimSuffix(key, ",omitempty")
	for i := range r.fields {
		if r.fields[i].name == key {
			return &r.fields[i]
		}
	}
	return nil
}

// Get implements goja.DynamicObject.
func (r *record) Get(key string) goja.Value {
	r.f.Check()
	found := r.find(key)
	if found == nil {
		return r.f.c.record.Get(r.f.vm, r.f.c, key)
	}
	switch v := found.value.(type) {
	case string:
		return r.f.c.str(v)
	case []string:
		return native.Strings(r.f.vm, v)
	case nil:
		return goja.Null()
	default:
		return r.f.c.rt.ToValue(v) // an int64 or a bool
	}
}

// Set implements goja.DynamicObject: nothing can be set.
func (r *record) Set(key string, _ goja.Value) bool {
	r.f.vm.ThrowType("%s is read-only: services, routes and namespaces are changed through the admin API", key)
	return false
}

// Has implements goja.DynamicObject.
func (r *record) Has(key string) bool { return r.find(key) != nil }

// Delete implements goja.DynamicObject: nothing can be deleted.
func (r *record) Delete(key string) bool { return r.find(key) == nil }

// Keys implements goja.DynamicObject.
func (r *record) Keys() []string {
	keys := make([]string, len(r.fields))
	for i := range r.fields {
		keys[i] = r.fields[i].name
	}
	return keys
}

var recordMethods = map[string]method{
	"getName": {Arity: 0, Call: func(c *vmCache, call goja.FunctionCall) goja.Value {
		if obj, ok := call.This.(*goja.Object); ok {
			return obj.Get("name")
		}
		return goja.Undefined()
	}},
}
