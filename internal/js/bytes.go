package js

import (
	"reflect"

	"github.com/dop251/goja"
)

// Bytes returns the bytes of a string (as UTF-8), an ArrayBuffer, a typed array
// or a DataView; false for anything else. Those of buffers are not copied: they
// must not be changed, nor kept beyond the call unless copied.
func (vm *VM) Bytes(v goja.Value) ([]byte, bool) {
	if s, ok := v.(goja.String); ok {
		return []byte(s.String()), true
	}
	obj, ok := v.(*goja.Object)
	if !ok {
		return nil, false
	}
	if isBuffer(obj) {
		return bufferBytes(obj)
	}
	if obj.ClassName() == "String" {
		return []byte(obj.String()), true
	}
	view, ok := obj.Get("buffer").(*goja.Object)
	if !ok || !isBuffer(view) {
		return nil, false
	}
	data, ok := bufferBytes(view)
	if !ok {
		return nil, false
	}
	offset, length := integer(obj.Get("byteOffset")), integer(obj.Get("byteLength"))
	if offset < 0 || length < 0 || offset > int64(len(data)) || length > int64(len(data))-offset {
		return nil, false
	}
	return data[offset : offset+length : offset+length], true
}

var arrayBufferType = reflect.TypeFor[goja.ArrayBuffer]()

// isBuffer tells whether obj is an ArrayBuffer; its class, in goja, is just Object.
func isBuffer(obj *goja.Object) bool { return obj.ExportType() == arrayBufferType }

func bufferBytes(obj *goja.Object) ([]byte, bool) {
	b, ok := obj.Export().(goja.ArrayBuffer)
	if !ok || b.Detached() {
		return nil, false
	}
	return b.Bytes(), true
}

func integer(v goja.Value) int64 {
	if v == nil {
		return -1
	}
	return v.ToInteger()
}

// ArrayBuffer returns an ArrayBuffer over b, which is not copied and belongs to
// the script from now on.
func (vm *VM) ArrayBuffer(b []byte) goja.Value {
	vm.rt.Get("ArrayBuffer") // sees to it that its constructor is the capped one
	return vm.rt.ToValue(vm.rt.NewArrayBuffer(b))
}
