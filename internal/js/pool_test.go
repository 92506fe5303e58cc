package js

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestPoolIsLIFO(t *testing.T) {
	e := newTestEngine()
	pool := e.NewPool(compiled(t, e, Limits{}, ts(`let n = 0; export const requestHandler = () => ++n`)), Limits{}, nil)
	if total, _ := pool.Stats(); total != 0 {
		t.Errorf("%d VMs before the first call", total)
	}
	a, _ := pool.Get(t.Context())
	b, _ := pool.Get(t.Context())
	pool.Put(a)
	pool.Put(b)
	if c, _ := pool.Get(t.Context()); c != b {
		t.Error("the VM used last was not lent out first")
	} else {
		pool.Put(c)
	}
	if total, idle := pool.Stats(); total != 2 || idle != 2 {
		t.Errorf("%d VMs, %d idle, want 2, 2", total, idle)
	}
	d, _ := pool.Get(t.Context())
	pool.Close()
	if e.VMs() != 1 || len(e.pools) != 0 {
		t.Errorf("%d VMs, %d pools after Close", e.VMs(), len(e.pools))
	}
	pool.Put(d)
	if e.VMs() != 0 || len(e.dog.slots) != 0 {
		t.Errorf("%d VMs, %d slots after the last came back", e.VMs(), len(e.dog.slots))
	}
	late, err := pool.Get(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	pool.Put(late)
	if e.VMs() != 0 {
		t.Error("a closed pool keeps VMs")
	}
}

// poolInBubble is inBubble for pools.
func poolInBubble(t *testing.T, lim Limits, code string, test func(t *testing.T, e *Engine, p *Program)) {
	t.Helper()
	p := compiled(t, newTestEngine(), lim, ts(code))
	synctest.Test(t, func(t *testing.T) { test(t, newTestEngine(), p) })
}

func TestPoolBusy(t *testing.T) {
	poolInBubble(t, Limits{}, `export const requestHandler = () => 1`, func(t *testing.T, e *Engine, p *Program) {
		pool := e.NewPool(p, Limits{VMs: 2}, nil)
		defer pool.Close()
		a, _ := pool.Get(t.Context())
		b, _ := pool.Get(t.Context())
		start := time.Now()
		if _, err := pool.Get(t.Context()); KindOf(err) != Busy || time.Since(start) != poolWait {
			t.Errorf("got %v after %v, want kind busy after %v", err, time.Since(start), poolWait)
		}
		ctx, cancel := context.WithTimeout(t.Context(), poolWait/2)
		if _, err := pool.Get(ctx); KindOf(err) != Timeout {
			t.Errorf("got %v, want kind timeout", err)
		}
		cancel()
		// One comes back, another is thrown away: both make room.
		time.AfterFunc(poolWait/4, func() { pool.Put(a) })
		c, err := pool.Get(t.Context())
		if err != nil || c != a {
			t.Errorf("got %p, %v, want the VM that came back", c, err)
		}
		time.AfterFunc(poolWait/4, func() { b.dead = true; pool.Put(b) })
		d, err := pool.Get(t.Context())
		if err != nil || d == b {
			t.Errorf("got %p, %v, want a new VM", d, err)
		}
		pool.Put(c)
		pool.Put(d)
	})
}

func TestEngineCap(t *testing.T) {
	poolInBubble(t, Limits{}, `export const requestHandler = () => 1`, func(t *testing.T, e *Engine, p *Program) {
		lim := Limits{VMs: 1} // four in all
		var pools []*Pool
		var vms []*VM
		for range 4 {
			pool := e.NewPool(p, lim, nil)
			vm, err := pool.Get(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			pools, vms = append(pools, pool), append(vms, vm)
		}
		fifth := e.NewPool(p, lim, nil)
		if _, err := fifth.Get(t.Context()); KindOf(err) != Busy {
			t.Errorf("got %v, want kind busy", err)
		}
		pools[0].Put(vms[0]) // idle now, so it can be given up for the fifth
		vm, err := fifth.Get(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if total, _ := pools[0].Stats(); total != 0 || e.VMs() != 4 {
			t.Errorf("%d VMs in the first pool, %d in all", total, e.VMs())
		}
		// And room that appears while waiting is taken.
		time.AfterFunc(poolWait/2, func() { vms[1].dead = true; pools[1].Put(vms[1]) })
		again, err := pools[0].Get(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		pools[0].Put(again)
		pools[2].Put(vms[2])
		pools[3].Put(vms[3])
		fifth.Put(vm)
		for _, pool := range append(pools, fifth) {
			pool.Close()
		}
		if e.VMs() != 0 {
			t.Errorf("%d VMs are left", e.VMs())
		}
	})
}

func TestPoolTrims(t *testing.T) {
	poolInBubble(t, Limits{}, `export const requestHandler = () => 1`, func(t *testing.T, e *Engine, p *Program) {
		pool := e.NewPool(p, Limits{}, nil)
		var vms []*VM
		for range 5 {
			vm, err := pool.Get(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			vms = append(vms, vm)
		}
		for _, vm := range vms {
			pool.Put(vm)
		}
		for range 10 { // one is used now and then
			time.Sleep(poolIdle / 4)
			vm, _ := pool.Get(t.Context())
			pool.Put(vm)
		}
		if total, _ := pool.Stats(); total != 1 {
			t.Errorf("%d VMs, want 1", total)
		}
		time.Sleep(3 * poolIdle)
		if total, _ := pool.Stats(); total != 0 || pool.trimmer != nil {
			t.Errorf("%d VMs, want none", total)
		}
	})
}

func TestPoolReplacesVMs(t *testing.T) {
	e := newTestEngine()
	pool := e.NewPool(compiled(t, e, Limits{}, ts(`export const requestHandler = () => 1`)), Limits{}, nil)
	defer pool.Close()
	vm, _ := pool.Get(t.Context())
	vm.uses = poolUses
	pool.Put(vm)
	if next, _ := pool.Get(t.Context()); next == vm {
		t.Error("a VM past its uses was kept")
	}
	vm, _ = pool.Get(t.Context())
	vm.Start(t.Context(), 0, "scope") // not ended by its caller
	pool.Put(vm)
	if vm.active || vm.Scope() != nil {
		t.Error("the call was not ended")
	}
}

// TestPoolInParallel is for the race detector.
func TestPoolInParallel(t *testing.T) {
	e := newTestEngine()
	lim := Limits{VMs: 4}
	p := compiled(t, e, lim, ts(`import { later } from "dgate/test"; let n = 0; export const requestHandler = async () => { n++; await later("x"); await new Promise(r => setTimeout(r)); return n }`))
	pools := []*Pool{e.NewPool(p, lim, nil), e.NewPool(p, lim, nil)}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 20 {
				pool := pools[i%2]
				vm, err := pool.Get(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				run := vm.Start(t.Context(), 0, nil)
				if i%3 > 0 { // some leave early
					if _, err := run.Wait(); err != nil {
						t.Error(err)
					}
				}
				run.End()
				pool.Put(vm)
			}
		})
	}
	wg.Wait()
	for _, pool := range pools {
		pool.Close()
	}
	if e.VMs() != 0 || len(e.dog.slots) != 0 {
		t.Errorf("%d VMs, %d slots are left", e.VMs(), len(e.dog.slots))
	}
}

func TestPoolReportsFailedLoad(t *testing.T) {
	e := newTestEngine()
	// It loads the first time only: at compilation.
	loads := 0
	e.env = func(context.Context) map[string]string {
		loads++
		return map[string]string{"N": string(rune('0' + loads))}
	}
	p := compiled(t, e, Limits{}, ts(`if (process.env.N !== "1") throw new Error("load " + process.env.N)`))
	pool := e.NewPool(p, Limits{}, nil)
	if _, err := pool.Get(t.Context()); KindOf(err) != Throw {
		t.Errorf("got %v, want kind throw", err)
	}
	if total, _ := pool.Stats(); total != 0 || e.VMs() != 0 || len(e.dog.slots) != 0 {
		t.Error("something is left of the VM that failed")
	}
}
