package js

import "github.com/dop251/goja"

// lazyObject is an object whose properties are made when they are first read.
type lazyObject struct {
	vm      *VM
	exports []Export
	made    map[string]goja.Value
}

// Lazy returns an object with a property for each export, made on first use.
func (vm *VM) Lazy(exports []Export) *goja.Object {
	return vm.rt.NewDynamicObject(&lazyObject{vm: vm, exports: exports})
}

func (o *lazyObject) Get(key string) goja.Value {
	if v, ok := o.made[key]; ok {
		return v
	}
	for i := range o.exports {
		if o.exports[i].Name == key {
			v := o.exports[i].New(o.vm)
			o.Set(key, v)
			return v
		}
	}
	return nil
}

func (o *lazyObject) Set(key string, v goja.Value) bool {
	if o.made == nil {
		o.made = map[string]goja.Value{}
	}
	o.made[key] = v
	return true
}

func (o *lazyObject) Has(key string) bool {
	if v, ok := o.made[key]; ok {
		return v != nil
	}
	for i := range o.exports {
		if o.exports[i].Name == key {
			return true
		}
	}
	return false
}

func (o *lazyObject) Delete(key string) bool {
	if o.Has(key) {
		o.Set(key, nil)
	}
	return true
}

func (o *lazyObject) Keys() []string {
	var keys []string
	for i := range o.exports {
		if o.Has(o.exports[i].Name) {
			keys = append(keys, o.exports[i].Name)
		}
	}
	for key, v := range o.made {
		if v != nil && !o.declares(key) {
			keys = append(keys, key)
		}
	}
	return keys
}

func (o *lazyObject) declares(key string) bool {
	for i := range o.exports {
		if o.exports[i].Name == key {
			return true
		}
	}
	return false
}

// hostModules is the key of the cache of host module objects in VM.Value.
type hostModules struct{}

// hostExport is what a bundle calls to get an export of a host module, or,
// without a second argument, the module as an object.
func (vm *VM) hostExport(call goja.FunctionCall) goja.Value {
	name := call.Argument(0).String()
	m := vm.engine.modules[name]
	if m == nil {
		vm.ThrowType("module %q not found", name)
	}
	cache := vm.Value(hostModules{}, func(*VM) any { return map[string]*goja.Object{} }).(map[string]*goja.Object)
	obj := cache[name]
	if obj == nil {
		obj = vm.Lazy(m.Exports)
		cache[name] = obj
	}
	if len(call.Arguments) < 2 {
		return obj
	}
	if v := obj.Get(call.Arguments[1].String()); v != nil {
		return v
	}
	return goja.Undefined()
}
