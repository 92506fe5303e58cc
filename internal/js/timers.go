package js

import (
	"math"
	"slices"
	"time"

	"github.com/dop251/goja"
	"go.uber.org/zap"
)

// timer is one setTimeout, setInterval or setImmediate.
type timer struct {
	id    int64
	due   time.Time
	every time.Duration // 0: once
	fn    goja.Callable
	args  []goja.Value
}

// timers are kept in the order in which they are due. Scripts have few, so a
// sorted slice is enough.
type timers struct {
	list  []timer
	last  int64
	clock *time.Timer // one for all, made on first use
}

// maxTimers is how many timers a call may have at a time.
const maxTimers = 10000

func (t *timers) len() int { return len(t.list) }

// add inserts a timer behind those that are due at the same time.
func (t *timers) add(e timer) int64 {
	t.last++
	e.id = t.last
	t.insert(e)
	return e.id
}

func (t *timers) insert(e timer) {
	i := len(t.list)
	for i > 0 && t.list[i-1].due.After(e.due) {
		i--
	}
	t.list = slices.Insert(t.list, i, e)
}

func (t *timers) clear(id int64) {
	if i := slices.IndexFunc(t.list, func(e timer) bool { return e.id == id }); i >= 0 {
		t.list = slices.Delete(t.list, i, i+1)
	}
}

// due reports whether a timer is.
func (t *timers) due() bool {
	return len(t.list) > 0 && !t.list[0].due.After(time.Now())
}

// next runs the first timer if it is due.
func (t *timers) next(vm *VM) bool {
	if !t.due() {
		return false
	}
	e := t.list[0]
	t.list = slices.Delete(t.list, 0, 1)
	if e.every > 0 {
		again := e
		again.due = time.Now().Add(e.every)
		t.insert(again)
	}
	if _, err := vm.invoke(e.fn, e.args); err != nil {
		vm.uncaught(err, "uncaught exception in a timer")
	}
	return true
}

// arm returns a channel that receives when the first timer is due.
func (t *timers) arm() <-chan time.Time {
	d := time.Until(t.list[0].due)
	if t.clock == nil {
		t.clock = time.NewTimer(d)
	} else {
		t.clock.Reset(d)
	}
	return t.clock.C
}

func (t *timers) reset() {
	if len(t.list) > 0 {
		clear(t.list)
		t.list = t.list[:0]
	}
	if t.clock != nil {
		t.clock.Stop()
	}
}

// uncaught handles an error out of a callback that the script's own code does
// not wait for: an exception is logged, anything worse fails the run.
func (vm *VM) uncaught(err error, msg string) {
	e := vm.failure(err, Throw)
	if vm.dead {
		vm.run.fail(e)
		return
	}
	vm.log.Error(msg, zap.String("hook", vm.run.hook), zap.String("error", e.Message), zap.String("stack", e.Stack))
}

// complete runs a completion.
func (vm *VM) complete(fn func()) {
	err := vm.protect(fn)
	if err != nil {
		vm.run.fail(vm.failure(err, Throw))
	}
}

// newTimer returns a function that makes timers. delay says whether the second
// argument is a delay in milliseconds.
func newTimer(name string, delay, repeat bool) func(*VM) goja.Value {
	return func(vm *VM) goja.Value {
		return vm.Func(name, 1, func(call goja.FunctionCall) goja.Value {
			fn, ok := goja.AssertFunction(call.Argument(0))
			if !ok {
				vm.ThrowType("%s: the callback must be a function", name)
			}
			if !vm.active {
				return vm.rt.ToValue(0)
			}
			if vm.loop.timers.len() >= maxTimers {
				vm.Throw(errTimers)
			}
			e := timer{fn: fn, due: time.Now()}
			skip := 1
			if delay {
				d := milliseconds(call.Argument(1))
				e.due = e.due.Add(d)
				if skip = 2; repeat {
					e.every = max(d, time.Millisecond)
				}
			}
			if len(call.Arguments) > skip {
				e.args = slices.Clone(call.Arguments[skip:])
			}
			return vm.rt.ToValue(vm.loop.timers.add(e))
		})
	}
}

// newClearTimer returns a function that removes timers.
func newClearTimer(name string) func(*VM) goja.Value {
	return func(vm *VM) goja.Value {
		return vm.Func(name, 1, func(call goja.FunctionCall) goja.Value {
			if v := call.Argument(0); goja.IsNumber(v) {
				vm.loop.timers.clear(v.ToInteger())
			}
			return goja.Undefined()
		})
	}
}

// milliseconds converts a delay; what is no number or negative is 0.
func milliseconds(v goja.Value) time.Duration {
	ms := v.ToFloat()
	if !(ms > 0) {
		return 0
	}
	return time.Duration(min(ms, math.MaxInt32) * float64(time.Millisecond))
}
