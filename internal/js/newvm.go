package js

import (
	"context"
	"fmt"
	"reflect"
	"strings"

	"github.com/dop251/goja"
	"github.com/dop251/goja/parser"
	"go.uber.org/zap"
)

// newVM makes a VM and runs the top level of its modules under the limits. If
// that fails the error says how, and the VM is given up.
func (e *Engine) newVM(ctx context.Context, p *Program, lim Limits, log *zap.Logger) (*VM, error) {
	if log == nil {
		log = zap.NewNop()
	}
	vm := &VM{rt: goja.New(), engine: e, prog: p, limits: lim, log: log}
	vm.slot.cpu, vm.slot.timeout, vm.slot.heap = ticks(lim.CPU), ticks(lim.Timeout), lim.Heap
	vm.slot.fire = func(k Kind) { vm.halt.Store(true); vm.rt.Interrupt(k) }
	e.dog.add(&vm.slot)
	if err := vm.load(ctx); err != nil {
		e.giveUp(vm)
		return nil, err
	}
	return vm, nil
}

// load prepares the runtime and runs the program.
func (vm *VM) load(ctx context.Context) error {
	r := vm.begin(ctx, "", nil)
	defer r.End()
	b := &bundleArg{vm: vm}
	r.start(func(goja.Value, ...goja.Value) (goja.Value, error) { return goja.Undefined(), b.run() }, nil)
	if r.err == nil {
		if vm.hooks, r.err = b.extract(); r.err != nil {
			r.fail(r.err)
		}
	}
	if r.err == nil {
		if vm.loop.outstanding() {
			vm.log.Warn("the top level of a module has set timers or started work that will not be waited for", zap.String("module", vm.prog.entry))
		}
		return nil
	}
	r.err.touched = b.touched()
	return r.err
}

// prepare sets up the runtime before any script runs.
func (vm *VM) prepare() error {
	rt := vm.rt
	rt.SetMaxCallStackSize(vm.limits.Stack)
	rt.SetParserOptions(vm.refuseParsing())
	rt.SetPromiseRejectionTracker(vm.rejection)
	rt.SetAsyncContextTracker((*asyncTracker)(vm))
	return vm.installGlobals()
}

// refuseParsing returns a parser option that throws. goja consults the options
// when eval or one of the Function constructors is about to parse, so nothing
// is ever compiled from a string: its parser can be made to overflow the Go
// stack, which ends the process. The parameter of the option's type is not
// exported, hence reflect.
func (vm *VM) refuseParsing() parser.Option {
	t := reflect.TypeFor[parser.Option]()
	return reflect.MakeFunc(t, func([]reflect.Value) []reflect.Value {
		if vm.slot.since.Load() == 0 {
			return nil // Go code, while no script is running
		}
		panic(vm.rt.NewTypeError("code generation from strings is not allowed"))
	}).Interface().(parser.Option)
}

// bundleArg is the object that a bundle is called with.
type bundleArg struct {
	vm  *VM
	obj *goja.Object
}

// run runs the top level.
func (b *bundleArg) run() error {
	vm := b.vm
	if err := vm.prepare(); err != nil {
		return err
	}
	v, err := vm.rt.RunProgram(vm.prog.code)
	if err != nil {
		return err
	}
	bundle, ok := goja.AssertFunction(v)
	if !ok {
		return fmt.Errorf("js: the bundle is no function")
	}
	b.obj = vm.rt.NewObject()
	if vm.prog.features.host {
		if err := b.obj.Set("host", vm.hostExport); err != nil {
			return err
		}
	}
	_, err = bundle(goja.Undefined(), b.obj)
	return err
}

// touched reports whether a module that is not checked was used.
func (b *bundleArg) touched() bool {
	if b.obj == nil {
		return false
	}
	v := b.obj.Get("touched")
	return v != nil && v.ToBoolean()
}

// extract finds the hooks in what the bundle has handed out. A hook is, in
// this order: a named export, a member of the default export, the default
// export itself if it is a function of that name, what is declared in the
// entry module under that name, and a member of the default export that stands
// for it. null counts as absent; anything else that is no function is an error.
// A member is called as a method of the default export, everything else without this.
func (b *bundleArg) extract() ([]goja.Callable, *Error) {
	vm := b.vm
	hooks := make([]goja.Callable, len(vm.engine.hooks))
	var failed *Error
	ex := vm.rt.Try(func() {
		for i, h := range vm.engine.hooks {
			if hooks[i], failed = b.hook(i, h); failed != nil {
				return
			}
		}
	})
	if ex != nil {
		return nil, vm.failure(ex, Throw)
	}
	return hooks, failed
}

// hook finds one hook.
func (b *bundleArg) hook(i int, h hookName) (goja.Callable, *Error) {
	for _, name := range append([]string{h.name}, h.aliases...) {
		if v, this := b.find(name); v != nil {
			return b.callable(name, v, this)
		}
	}
	for _, name := range h.members {
		if def := b.defaultExport(); def != nil {
			if v := present(def, name); v != nil {
				b.vm.member |= 1 << i
				return b.callable(name, v, def)
			}
		}
	}
	return nil, nil
}

// callable makes a hook of what was found under a name; this is nil if it has none.
func (b *bundleArg) callable(name string, v goja.Value, this *goja.Object) (goja.Callable, *Error) {
	fn, ok := goja.AssertFunction(v)
	switch {
	case !ok:
		return nil, &Error{Kind: NotFunction, Message: name + " must be a function", File: b.vm.prog.entryFile}
	case this != nil:
		return func(_ goja.Value, args ...goja.Value) (goja.Value, error) { return fn(this, args...) }, nil
	}
	return fn, nil
}

// find returns what is there under the name of a hook, nil if nothing is, and
// the default export if it is a member of that.
func (b *bundleArg) find(name string) (v goja.Value, this *goja.Object) {
	exported, _ := b.obj.Get("exported").(*goja.Object)
	if exported == nil {
		return nil, nil
	}
	if v := present(exported, name); v != nil {
		return v, nil
	}
	if def := b.defaultExport(); def != nil {
		if v := present(def, name); v != nil {
			return v, def
		}
		if _, ok := goja.AssertFunction(def); ok && plainName(def) == name {
			return def, nil
		}
	}
	declared, _ := b.obj.Get("declared").(*goja.Object)
	if declared == nil {
		return nil, nil
	}
	if exports, _ := declared.Get("exports").(*goja.Object); exports != nil {
		if v := present(exports, name); v != nil {
			return v, nil
		}
	}
	return present(declared, name), nil
}

// defaultExport returns the default export if it is an object or a function, else nil.
func (b *bundleArg) defaultExport() *goja.Object {
	exported, _ := b.obj.Get("exported").(*goja.Object)
	if exported == nil {
		return nil
	}
	def, _ := exported.Get("default").(*goja.Object)
	return def
}

// plainName returns the name of a function without the number that esbuild
// adds where names would collide.
func plainName(fn *goja.Object) string {
	return strings.TrimRight(fn.Get("name").String(), "0123456789")
}

// present returns a property, nil if it is missing, undefined or null.
func present(obj *goja.Object, name string) goja.Value {
	v := obj.Get(name)
	if v == nil || goja.IsUndefined(v) || goja.IsNull(v) {
		return nil
	}
	return v
}
