package native

import (
	"reflect"

	"github.com/dop251/goja"

	"github.com/dgate-io/caddy-dgate/internal/js"
)

// Class describes a class whose objects are Go data. C is what the package keeps per VM.
type Class[C any] struct {
	// Name of the class.
	Name string
	// Arity is the length that the constructor shows.
	Arity int
	// New makes the data of an object. It throws by panicking.
	New func(c C, call goja.ConstructorCall) goja.DynamicObject
	// Methods are those of the objects, Static those of the class itself.
	Methods, Static map[string]Method[C]
	// Iterator names the method that Symbol.iterator stands for; empty for none.
	Iterator string
}

// Made is a class on one VM.
type Made struct {
	// Constructor is what scripts know by the name of the class.
	Constructor *goja.Object
	proto       *goja.Object
	vm          *js.VM
}

// Make makes the class for a VM. The functions of its methods are made on first use.
func (class *Class[C]) Make(vm *js.VM, c C) *Made {
	rt := vm.Runtime()
	ctor := rt.ToValue(func(call goja.ConstructorCall) *goja.Object {
		obj := rt.NewDynamicObject(class.New(c, call))
		adopt(vm, obj, call.This.Prototype()) // that of a subclass, where there is one
		return obj
	}).(*goja.Object)
	proto, _ := ctor.Get("prototype").(*goja.Object)
	Define(vm, ctor, "name", rt.ToValue(class.Name))
	Define(vm, ctor, "length", rt.ToValue(class.Arity))
	for name, m := range class.Static {
		Define(vm, ctor, name, vm.Func(name, m.Arity, func(call goja.FunctionCall) goja.Value { return m.Call(c, call) }))
	}
	methods := &lazyMethods[C]{vm: vm, c: c, members: Members[C]{Table: class.Methods}}
	adopt(vm, proto, rt.NewDynamicObject(methods))
	symbol(vm, proto, goja.SymToStringTag, rt.ToValue(class.Name))
	if class.Iterator != "" {
		symbol(vm, proto, goja.SymIterator, methods.Get(class.Iterator))
	}
	return &Made{Constructor: ctor, proto: proto, vm: vm}
}

// Object makes an object of the class.
func (m *Made) Object(data goja.DynamicObject) *goja.Object {
	obj := m.vm.Runtime().NewDynamicObject(data)
	adopt(m.vm, obj, m.proto)
	return obj
}

func adopt(vm *js.VM, obj, proto *goja.Object) {
	if err := obj.SetPrototype(proto); err != nil {
		vm.Throw(err)
	}
}

func symbol(vm *js.VM, obj *goja.Object, name *goja.Symbol, v goja.Value) {
	if err := obj.DefineDataPropertySymbol(name, v, goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_FALSE); err != nil {
		vm.Throw(err)
	}
}

// Data returns the Go data behind an object of a class, if v is one of type T.
func Data[T goja.DynamicObject](v goja.Value) (data T, ok bool) {
	obj, ok := v.(*goja.Object)
	if !ok || obj.ExportType() != reflect.TypeFor[T]() {
		return data, false
	}
	data, ok = obj.Export().(T)
	return data, ok
}

// lazyMethods is the prototype of the prototype of a class: it has the methods
// that nothing has replaced.
type lazyMethods[C any] struct {
	vm      *js.VM
	c       C
	members Members[C]
}

// Get implements goja.DynamicObject.
func (l *lazyMethods[C]) Get(key string) goja.Value { return l.members.Get(l.vm, l.c, key) }

// Set implements goja.DynamicObject: methods are replaced in the prototype.
func (l *lazyMethods[C]) Set(string, goja.Value) bool { return false }

// Has implements goja.DynamicObject.
func (l *lazyMethods[C]) Has(key string) bool { return l.members.Has(key) }

// Delete implements goja.DynamicObject.
func (l *lazyMethods[C]) Delete(string) bool { return false }

// Keys implements goja.DynamicObject: methods of classes are not enumerable.
func (l *lazyMethods[C]) Keys() []string { return nil }

// Opaque is a goja.DynamicObject without properties. What embeds it can be handed
// through scripts, which learn nothing of it.
type Opaque struct{}

// Get implements goja.DynamicObject.
func (Opaque) Get(string) goja.Value { return nil }

// Set implements goja.DynamicObject.
func (Opaque) Set(string, goja.Value) bool { return false }

// Has implements goja.DynamicObject.
func (Opaque) Has(string) bool { return false }

// Delete implements goja.DynamicObject.
func (Opaque) Delete(string) bool { return true }

// Keys implements goja.DynamicObject.
func (Opaque) Keys() []string { return nil }
