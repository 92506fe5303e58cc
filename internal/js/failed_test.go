package js

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/dop251/goja"
	"github.com/google/go-cmp/cmp"
)

// tally collects what Options.Failed is told.
type tally struct {
	mu    sync.Mutex
	lines []string
}

func (f *tally) failed(hook string, kind Kind) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lines = append(f.lines, hook+" "+kind.String())
}

// TestFailed has every failure reported once.
func TestFailed(t *testing.T) {
	tests := map[string]struct {
		code string
		want []string
	}{
		"none":           {`export const requestHandler = () => 1`, nil},
		"throw":          {`export const requestHandler = () => { throw 1 }`, []string{"requestHandler throw"}},
		"reject":         {`export const requestHandler = async () => { throw 1 }`, []string{"requestHandler reject"}},
		"cpu":            {`export const requestHandler = () => { for (;;); }`, []string{"requestHandler cpu"}},
		"stack":          {`const f = () => f() + 1; export const requestHandler = f`, []string{"requestHandler stack"}},
		"never settles":  {`export const requestHandler = () => new Promise(() => {})`, []string{"requestHandler never_settles"}},
		"body":           {`export const requestHandler = () => limited()`, []string{"requestHandler body"}},
		"body, caught":   {`export const requestHandler = () => { try { limited() } catch {} }`, nil},
		"no such hook":   {`export const requestModifier = () => 1`, []string{"requestHandler not_function"}},
		"no function":    {`export const requestHandler = 1`, []string{" not_function"}},
		"syntax":         {`export const`, []string{" syntax"}},
		"import":         {`import "./nowhere"`, []string{" import"}},
		"top level":      {`throw 1`, []string{" throw"}},
		"nests too deep": {"x" + fmt.Sprint(slices.Repeat([]string{"["}, 2000)), []string{" too_large"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			f := new(tally)
			e := NewEngine(Options{Hooks: testHooks, Failed: f.failed, Globals: []Global{{"limited", func(vm *VM) goja.Value {
				return vm.Func("limited", 0, func(goja.FunctionCall) goja.Value {
					vm.Throw(fmt.Errorf("the request's %w", &LimitError{Body, "body is too large"}))
					return nil
				})
			}}}})
			lim := Limits{CPU: 100 * time.Millisecond}
			if p, err := e.Compile(t.Context(), []Source{ts(tt.code)}, lim); err == nil {
				pool := e.NewPool(p, lim, nil)
				defer pool.Close()
				vm, err := pool.Get(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				run := vm.Start(t.Context(), 0, nil)
				_, _ = run.Wait()
				run.End()
				pool.Put(vm)
			}
			if diff := cmp.Diff(tt.want, f.lines); diff != "" {
				t.Errorf("told of (-want +got):\n%s", diff)
			}
		})
	}
}

// TestFailedGet has calls that get no VM reported, and counts VMs.
func TestFailedGet(t *testing.T) {
	f := new(tally)
	e := NewEngine(Options{Hooks: testHooks, Failed: f.failed})
	lim := Limits{VMs: 1}
	pool := e.NewPool(compiled(t, e, lim, ts(`export const requestHandler = () => 1`)), lim, nil)
	defer pool.Close()
	vm, err := pool.Get(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := pool.Get(ctx); KindOf(err) != Cancelled {
		t.Errorf("got %v, want kind cancelled", err)
	}
	if e.VMs() != 1 || e.Idle() != 0 {
		t.Errorf("%d VMs, %d idle while one is lent out", e.VMs(), e.Idle())
	}
	pool.Put(vm)
	if e.VMs() != 1 || e.Idle() != 1 {
		t.Errorf("%d VMs, %d idle", e.VMs(), e.Idle())
	}
	if diff := cmp.Diff([]string{" cancelled"}, f.lines); diff != "" {
		t.Errorf("told of (-want +got):\n%s", diff)
	}
}
