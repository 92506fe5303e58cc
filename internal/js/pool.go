package js

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"
)

const (
	// poolWait is how long Get waits for a VM when all are in use.
	poolWait = time.Second
	// poolIdle is how long a VM may lie unused.
	poolIdle = time.Minute
	// poolUses is after how many calls a VM is replaced, so that a module
	// that collects something in its variables does not do so for ever.
	poolUses = 100000
)

// Pool lends out the VMs of one program. The VM used last is lent out first, so
// that those which are not needed grow cold and are given up after a minute. A
// Pool has no VM until the first Get.
type Pool struct {
	engine *Engine
	prog   *Program
	limits Limits
	log    *zap.Logger

	mu      sync.Mutex
	idle    []*VM // the coldest first
	count   int   // idle and lent out
	waiting []chan *VM
	trimmer *time.Timer
	listed  bool // in Engine.pools
	closed  bool
}

// NewPool returns a pool of VMs that run p under lim and whose console goes to
// log; nil means nowhere.
func (e *Engine) NewPool(p *Program, lim Limits, log *zap.Logger) *Pool {
	lim = lim.withDefaults()
	if log == nil {
		log = zap.NewNop()
	}
	for cap := int64(lim.VMs) * 4; ; {
		old := e.vmMax.Load()
		if cap <= old || e.vmMax.CompareAndSwap(old, cap) {
			break
		}
	}
	return &Pool{engine: e, prog: p, limits: lim, log: log}
}

// Get returns a VM that nobody else uses. It makes one if there is none and
// the limits allow, which runs the top level of the modules; else it waits, up
// to a second, and fails with kind Busy. The error is an *Error.
func (p *Pool) Get(ctx context.Context) (*VM, error) {
	p.mu.Lock()
	if n := len(p.idle); n > 0 {
		vm := p.idle[n-1]
		p.idle[n-1] = nil
		p.idle = p.idle[:n-1]
		p.mu.Unlock()
		return vm, nil
	}
	if p.reserve() {
		p.mu.Unlock()
		return p.create(ctx)
	}
	turn := make(chan *VM, 1)
	freed := p.queue(turn)
	p.mu.Unlock()
	return p.wait(ctx, turn, freed)
}

// reserve counts one more VM if that is allowed. p.mu is held.
func (p *Pool) reserve() bool {
	if p.count >= p.limits.VMs || !p.engine.reserve(p) {
		return false
	}
	p.count++
	return true
}

// create makes a VM for which room is reserved.
func (p *Pool) create(ctx context.Context) (*VM, error) {
	vm, err := p.engine.newVM(ctx, p.prog, p.limits, p.log)
	if err != nil {
		p.release()
		return nil, err
	}
	vm.pool = p
	return vm, nil
}

// queue puts turn into the queue. Where it is the engine's cap that stands in
// the way, it returns the channel that tells of room there. p.mu is held.
func (p *Pool) queue(turn chan *VM) (freed <-chan struct{}) {
	if !slices.Contains(p.waiting, turn) {
		p.waiting = append(p.waiting, turn)
	}
	if p.count < p.limits.VMs {
		return p.engine.freed
	}
	return nil
}

// wait waits for turn, on which a VM arrives, or nil for the right to try again.
func (p *Pool) wait(ctx context.Context, turn chan *VM, freed <-chan struct{}) (*VM, error) {
	patience := time.NewTimer(poolWait)
	defer patience.Stop()
	for {
		select {
		case vm := <-turn:
			if vm != nil {
				return vm, nil
			}
		case <-freed:
		case <-ctx.Done():
			return nil, p.giveUp(turn, contextError(ctx))
		case <-patience.C:
			return nil, p.giveUp(turn, &Error{Kind: Busy, Message: fmt.Sprintf("none of %d VMs was free for %s", p.limits.VMs, poolWait)})
		}
		p.mu.Lock()
		if p.reserve() {
			p.leaveQueue(turn)
			p.mu.Unlock()
			if vm := received(turn); vm != nil { // arrived meanwhile: one is enough
				p.release()
				return vm, nil
			}
			return p.create(ctx)
		}
		freed = p.queue(turn)
		p.mu.Unlock()
	}
}

// giveUp leaves the queue and returns e.
func (p *Pool) giveUp(turn chan *VM, e *Error) error {
	e.Module = p.prog.entry
	p.engine.failed("", e.Kind)
	p.mu.Lock()
	p.leaveQueue(turn)
	p.mu.Unlock()
	if vm := received(turn); vm != nil {
		p.Put(vm)
	}
	return e
}

// leaveQueue takes turn out of the queue. p.mu is held; nothing is sent to
// turn afterwards.
func (p *Pool) leaveQueue(turn chan *VM) {
	if i := slices.Index(p.waiting, turn); i >= 0 {
		p.waiting = slices.Delete(p.waiting, i, i+1)
	}
}

func received(turn chan *VM) *VM {
	select {
	case vm := <-turn:
		return vm
	default:
		return nil
	}
}

// Put takes back a VM that Get has returned. It is given up rather than kept if
// it must not run again, has served long enough, or the pool is closed. A call
// that has not ended is ended.
func (p *Pool) Put(vm *VM) {
	if vm.active {
		vm.run.End()
	}
	if vm.dead || vm.uses >= poolUses {
		p.discard(vm)
		return
	}
	p.mu.Lock()
	switch {
	case p.closed:
		p.mu.Unlock()
		p.discard(vm)
		return
	case len(p.waiting) > 0:
		p.pop() <- vm
	default:
		vm.idleSince = time.Now()
		p.idle = append(p.idle, vm)
		if p.trimmer == nil {
			p.trimmer = time.AfterFunc(poolIdle, p.trim)
		}
	}
	p.mu.Unlock()
}

// pop takes the first out of the queue. p.mu is held.
func (p *Pool) pop() chan *VM {
	turn := p.waiting[0]
	p.waiting = slices.Delete(p.waiting, 0, 1)
	return turn
}

// discard gives up a VM that is not idle.
func (p *Pool) discard(vm *VM) {
	p.engine.giveUp(vm)
	p.release()
}

// giveUp lets go of a VM that will not run again, and collects what it leaves behind if
// it was interrupted. Whatever it was for, a script that allocates all the time has left
// a multiple of what is live.
func (e *Engine) giveUp(vm *VM) {
	e.dog.remove(&vm.slot)
	if vm.slot.fired != 0 {
		vm.forget()
		if e.garbage.collect(vm.limits.Heap / 4) {
			e.dog.reread()
		}
	}
}

// forget lets go of what a VM holds that will not run again, even while someone
// still holds the VM.
func (vm *VM) forget() {
	vm.rt, vm.original, vm.hooks, vm.values, vm.interned = nil, nil, nil, nil, nil
	vm.joining, vm.loop.timers.list = nil, nil
}

// release gives back the room of one VM.
func (p *Pool) release() {
	p.mu.Lock()
	p.count--
	p.engine.unreserve()
	if len(p.waiting) > 0 {
		p.pop() <- nil
	}
	p.mu.Unlock()
}

// trim gives up the VMs that have been idle for long.
func (p *Pool) trim() {
	p.mu.Lock()
	defer p.mu.Unlock()
	old := time.Now().Add(-poolIdle)
	n := 0
	for n < len(p.idle) && !p.idle[n].idleSince.After(old) {
		n++
	}
	p.drop(n)
	if len(p.idle) == 0 {
		p.trimmer = nil
		return
	}
	p.trimmer.Reset(max(time.Until(p.idle[0].idleSince.Add(poolIdle)), time.Second))
}

// drop gives up the n coldest idle VMs. p.mu is held.
func (p *Pool) drop(n int) {
	for _, vm := range p.idle[:n] {
		p.engine.dog.remove(&vm.slot)
		p.engine.unreserve()
	}
	p.count -= n
	p.idle = slices.Delete(p.idle, 0, n)
}

// Close gives up the idle VMs; those that are lent out are given up when they
// come back. Get still works, for calls that have the pool in hand already.
func (p *Pool) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	p.drop(len(p.idle))
	if p.trimmer != nil {
		p.trimmer.Stop()
		p.trimmer = nil
	}
	p.engine.forget(p)
}

// Stats returns how many VMs the pool has, and how many of them are idle.
func (p *Pool) Stats() (total, idle int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.count, len(p.idle)
}
