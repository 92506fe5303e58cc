package js

import (
	"context"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/dop251/goja"
	"go.uber.org/zap"
)

// Module is a host module: what scripts import under a name that is not a
// module of their own, such as "dgate/http".
type Module struct {
	Name    string
	Exports []Export
}

// Export is one export of a host module. New makes its value; it runs once
// per VM, on the VM's goroutine, the first time a script refers to it.
type Export struct {
	Name string
	New  func(*VM) goja.Value
}

// Global is a name in the global scope, made on first use like an Export.
type Global = Export

// Options configure an Engine. They must not be changed afterwards.
type Options struct {
	// Hooks are the names of the functions looked for in the entry module, in
	// bit order. At most 32.
	Hooks []string
	// Aliases map other names of hooks to the name in Hooks. An alias counts
	// only where the hook itself is absent.
	Aliases map[string]string
	// Members map names of methods to the name in Hooks that they stand for. They
	// are only looked for in the default export, and count only where the hook and
	// its aliases are absent; see VM.Member.
	Members map[string]string
	// Modules are the host modules.
	Modules []Module
	// Globals are made when a script first uses them.
	Globals []Global
	// Env returns process.env; nil means that it is empty. It is called once
	// per VM that reads it, with the context of the call that does.
	Env func(context.Context) map[string]string
	// Failed is told of each call, load or compilation of a script that has
	// failed, once. hook is empty for what is not a call of one. It must not
	// block. Default: nobody is.
	Failed func(hook string, kind Kind)
	// Logger takes what compilations and checks write to the console. Default: none.
	Logger *zap.Logger
}

// Engine compiles modules and runs them. There is one per process. An Engine
// needs no closing: its watchdog ends by itself when no script is running.
type Engine struct {
	hooks   []hookName
	modules map[string]*Module
	globals map[string]*Export
	env     func(context.Context) map[string]string
	failed  func(hook string, kind Kind)
	log     *zap.Logger

	dog     *watchdog
	cache   programCache
	garbage collector

	vms   atomic.Int64  // how many there are
	vmMax atomic.Int64  // how many there may be: four times the largest Limits.VMs of a pool
	freed chan struct{} // cap 1: a VM was given up, so a pool that waits for the cap may try again

	poolsMu sync.Mutex
	pools   []*Pool // those that may have VMs
}

// hookName is a hook and the other names it is found under.
type hookName struct {
	name    string
	aliases []string
	members []string
}

// NewEngine returns an engine. It panics if there are more than 32 hooks.
func NewEngine(o Options) *Engine {
	if len(o.Hooks) > 32 {
		panic("js: more than 32 hooks")
	}
	e := &Engine{
		modules: make(map[string]*Module, len(o.Modules)),
		globals: make(map[string]*Export, len(o.Globals)+len(builtinGlobals)),
		env:     o.Env,
		failed:  o.Failed,
		log:     o.Logger,
		freed:   make(chan struct{}, 1),
	}
	if e.failed == nil {
		e.failed = func(string, Kind) {}
	}
	if e.log == nil {
		e.log = zap.NewNop()
	}
	for _, name := range o.Hooks {
		h := hookName{name: name}
		for alias, hook := range o.Aliases {
			if hook == name {
				h.aliases = append(h.aliases, alias)
			}
		}
		for member, hook := range o.Members {
			if hook == name {
				h.members = append(h.members, member)
			}
		}
		slices.Sort(h.aliases)
		slices.Sort(h.members)
		e.hooks = append(e.hooks, h)
	}
	for i := range o.Modules {
		e.modules[o.Modules[i].Name] = &o.Modules[i]
	}
	for i := range builtinGlobals {
		e.globals[builtinGlobals[i].Name] = &builtinGlobals[i]
	}
	for i := range o.Globals {
		e.globals[o.Globals[i].Name] = &o.Globals[i]
	}
	e.dog = newWatchdog()
	return e
}

// moduleNames returns the names of the host modules, sorted.
func (e *Engine) moduleNames() []string {
	return slices.Sorted(maps.Keys(e.modules))
}
