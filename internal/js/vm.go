package js

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/dop251/goja"
	"go.uber.org/zap"
)

// VM is a goja runtime with a program loaded. It belongs to one goroutine at a
// time: whoever got it from the pool, until it is put back. Only the functions
// that Pending returns may be called from elsewhere.
type VM struct {
	rt     *goja.Runtime
	engine *Engine
	prog   *Program
	limits Limits
	log    *zap.Logger
	pool   *Pool

	slot   slot
	loop   loop
	run    Run
	hooks  []goja.Callable // by bit; nil where the entry has none
	member uint32          // by bit: found under one of Options.Members

	ctx     context.Context // of the caller
	scope   any
	call    uint64 // counts the calls
	active  bool   // a call has begun and not ended
	foreign bool   // whether a continuation of an earlier call is running
	token   *callToken

	own    context.Context // derived from ctx on demand, with the time limit
	cancel context.CancelFunc

	values    map[any]any
	original  *goja.Object      // goja's own global object
	joining   []*goja.Object    // arrays that are being joined
	nested    int               // calls that limitDepth counts
	unnamed   []unnamedMethod   // hidden and not asked for yet
	typed     bool              // what typed arrays have in common is limited
	interned  map[string]string // keys of JSON objects
	causes    []cause           // Go errors that this call has seen as objects
	rejected  []*goja.Promise   // rejected without a handler, in this call
	args      [4]goja.Value
	uses      int
	idleSince time.Time
	sentry    sentry
	matches   int         // built-ins that match, one inside of the other
	outOfTime bool        // it was interrupted because a match was out of time
	halt      atomic.Bool // it was interrupted
	dead      bool        // interrupted, overflowed or panicked: must not run again
}

// Runtime returns the goja runtime. While a script is running, its RunString and
// RunScript panic as eval does: scripts compile nothing from strings. Host code
// that needs a piece of JavaScript compiles it once per process with
// goja.Compile, and calls RunProgram.
func (vm *VM) Runtime() *goja.Runtime { return vm.rt }

// Limits returns the limits of the VM's pool, with defaults filled in.
func (vm *VM) Limits() Limits { return vm.limits }

// Member reports whether the hook with that number was found under one of the
// names of Options.Members, and may thus have other parameters.
func (vm *VM) Member(hook int) bool { return vm.member&(1<<hook) != 0 }

// Logger returns where the console of this VM goes.
func (vm *VM) Logger() *zap.Logger { return vm.log }

// Scope returns what the running call was given in Start; nil while the top
// level runs, after the call has ended, and while code of an earlier call runs
// because this one has settled a promise that the earlier one waits for.
func (vm *VM) Scope() any {
	if vm.foreign {
		return nil
	}
	return vm.scope
}

// Call returns the number of the running call on this VM, from 1, or 0 where
// Scope returns nil because no call is running. A host object that remembers
// the number of the call that made it can tell that this call has ended.
func (vm *VM) Call() uint64 {
	if !vm.active || vm.foreign {
		return 0
	}
	return vm.call
}

// Context returns the context of the running call. It ends with the call, when
// the time limit has passed and when the caller's context ends. Outside of a
// call it is a context that has ended.
func (vm *VM) Context() context.Context {
	if !vm.active {
		return ended
	}
	if vm.own == nil {
		vm.own, vm.cancel = context.WithTimeout(vm.ctx, vm.limits.Timeout)
	}
	return vm.own
}

// ended is a context that is done.
var ended = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

// Value returns the value stored under key on this VM, made on first use. Host
// packages keep prototypes, method objects and interned keys in it; keys
// should be of a type of their own, as with context.WithValue.
func (vm *VM) Value(key any, make func(*VM) any) any {
	if v, ok := vm.values[key]; ok {
		return v
	}
	v := make(vm)
	if vm.values == nil {
		vm.values = map[any]any{}
	}
	vm.values[key] = v
	return v
}

// Func returns a native function. Each costs 0.75 KiB, so it should be made
// once per VM and on demand; see Value.
func (vm *VM) Func(name string, arity int, fn func(goja.FunctionCall) goja.Value) *goja.Object {
	f := vm.rt.ToValue(fn).(*goja.Object)
	_ = f.DefineDataProperty("name", vm.rt.ToValue(name), goja.FLAG_FALSE, goja.FLAG_TRUE, goja.FLAG_FALSE)
	if arity > 0 {
		_ = f.DefineDataProperty("length", vm.rt.ToValue(arity), goja.FLAG_FALSE, goja.FLAG_TRUE, goja.FLAG_FALSE)
	}
	return f
}
