package js

import (
	"context"
	"testing"
	"time"

	"github.com/dop251/goja"
)

// A script that is stuck inside of Go code cannot be stopped. It must not keep the others from
// running, nor a longer CPU limit from being compiled for.
func TestStuckScriptIsWaitedForInVain(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	e := NewEngine(Options{Hooks: testHooks, Modules: []Module{{Name: "dgate/stuck", Exports: []Export{
		{"wait", func(vm *VM) goja.Value {
			return vm.Func("wait", 0, func(goja.FunctionCall) goja.Value {
				close(entered)
				<-release
				return goja.Undefined()
			})
		}},
	}}}})
	call := func(code string, lim Limits) error {
		pool := e.NewPool(compiled(t, e, lim, ts(code)), lim, nil)
		defer pool.Close()
		vm, err := pool.Get(t.Context())
		if err != nil {
			return err
		}
		defer pool.Put(vm)
		run := vm.Start(context.Background(), 0, nil)
		defer run.End()
		_, err = run.Wait()
		return err
	}
	done := make(chan error)
	go func() {
		done <- call(`import { wait } from "dgate/stuck"; export const requestHandler = () => wait()`, Limits{})
	}()
	<-entered
	longer := regexClock.cover(0) + time.Second
	if err := call(`export const requestHandler = () => 1`, Limits{CPU: longer}); err != nil {
		t.Errorf("another script, under a longer limit: %v", err)
	}
	close(release)
	// It has waited and not computed, but the processor time that others took meanwhile may count.
	if err := <-done; err != nil && KindOf(err) != CPU {
		t.Errorf("the stuck script: %v", err)
	}
	if got := regexClock.cover(longer); got != longer {
		t.Errorf("afterwards the limit is %v, want %v", got, longer)
	}
}
