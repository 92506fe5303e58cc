package js

import "slices"

// reserve counts one more VM for p if the engine's cap allows. At the cap, an
// idle VM of another pool is given up for it. p.mu is held.
func (e *Engine) reserve(p *Pool) bool {
	e.poolsMu.Lock()
	defer e.poolsMu.Unlock()
	if !p.listed && !p.closed {
		p.listed = true
		e.pools = append(e.pools, p)
	}
	if e.vms.Add(1) <= e.vmMax.Load() {
		return true
	}
	for _, other := range e.pools {
		if other == p || !other.mu.TryLock() { // its holder may be waiting for poolsMu
			continue
		}
		if len(other.idle) > 0 {
			other.drop(1)
		}
		other.mu.Unlock()
		if e.vms.Load() <= e.vmMax.Load() {
			return true
		}
	}
	e.vms.Add(-1)
	return false
}

// unreserve counts one VM less, and wakes a pool that waits for the cap.
func (e *Engine) unreserve() {
	e.vms.Add(-1)
	select {
	case e.freed <- struct{}{}:
	default:
	}
}

// forget removes a closed pool from those that may be asked for a VM.
func (e *Engine) forget(p *Pool) {
	e.poolsMu.Lock()
	defer e.poolsMu.Unlock()
	if i := slices.Index(e.pools, p); i >= 0 {
		e.pools = slices.Delete(e.pools, i, i+1)
	}
}

// VMs returns how many VMs the engine has, in all pools.
func (e *Engine) VMs() int { return int(e.vms.Load()) }

// Idle returns how many of them are lent to nobody.
func (e *Engine) Idle() (idle int) {
	e.poolsMu.Lock()
	pools := slices.Clone(e.pools)
	e.poolsMu.Unlock()
	for _, p := range pools { // their locks come before poolsMu
		_, n := p.Stats()
		idle += n
	}
	return idle
}
