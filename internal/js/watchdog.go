package js

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// tick is how often the watchdog looks at the scripts that are running.
	tick = 5 * time.Millisecond
	// linger is how long it goes on when none is.
	linger = time.Second
)

// watchdog interrupts scripts that break their limits. It ticks only while
// scripts are running, and for linger afterwards; between the ticks it has no
// goroutine.
//
// Entering and leaving a script costs two atomic writes and three reads: the
// time is a counter that the ticks advance, no clock is read.
type watchdog struct {
	now     atomic.Int64 // counts ticks of CPU time, from 1
	wallNow atomic.Int64 // counts ticks of real time, from 1
	running atomic.Bool  // whether it ticks

	mu        sync.Mutex
	slots     []*slot
	timer     *time.Timer
	idle      time.Duration // for how long no script was seen
	wall      time.Time     // of the last tick
	cpu       time.Duration // of the process at the last tick
	count     time.Duration // less than a tick, not counted in now yet
	wallCount time.Duration // and in wallNow
	heap      heapReader
}

// slot is what the watchdog knows of one VM.
//
// since is the hinge between the two goroutines: 0 when no script is running,
// the tick at which one has entered, and its negative while the watchdog looks
// at the other fields. Whoever leaves and finds it negative waits for mu, so
// that the fields belong to the VM's goroutine again afterwards, and a late
// interrupt is never left behind for the next call.
type slot struct {
	since atomic.Int64
	dog   *watchdog
	fire  func(Kind) // interrupts the VM

	mu    sync.Mutex // held while since is negative
	fired Kind       // what it was interrupted for

	// Set by the VM's goroutine while since is 0.
	ctx     context.Context // of the call; may be nil
	cpu     int64           // ticks of one stretch
	timeout int64           // ticks of the call, of real time
	began   int64           // the tick of real time at which the call has
	heap    uint64          // bytes of growth
	working bool            // Go work is being done for the script, which is not its computing

	base uint64 // where growth is counted from; 0 until first seen in this call
}

func newWatchdog() *watchdog {
	w := new(watchdog)
	w.now.Store(1)
	w.wallNow.Store(1)
	return w
}

// add registers a slot. Its time is CPU time: a script on a machine that is busy
// with other things has not computed.
func (w *watchdog) add(s *slot) {
	s.dog = w
	w.mu.Lock()
	w.slots = append(w.slots, s)
	w.mu.Unlock()
}

// remove forgets a slot.
func (w *watchdog) remove(s *slot) {
	w.mu.Lock()
	if i := slices.Index(w.slots, s); i >= 0 {
		last := len(w.slots) - 1
		w.slots[i] = w.slots[last]
		w.slots[last] = nil
		w.slots = w.slots[:last]
	}
	w.mu.Unlock()
}

// enter marks the start of a stretch of script that has already used that many ticks.
func (s *slot) enter(used int64) {
	w := s.dog
	s.since.Store(max(w.now.Load()-used, 1))
	if !w.running.Load() {
		w.start()
	}
}

// leave marks the end of a stretch and returns how many ticks it has taken,
// and for what the script was interrupted, 0 if it was not.
func (s *slot) leave() (used int64, fired Kind) {
	since := s.since.Swap(0)
	if since >= 0 {
		// Not being looked at now; fired is only written while it is, and
		// the last look happened before this swap.
		return s.dog.now.Load() - since, s.fired
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dog.now.Load() + since, s.fired
}

// interrupt interrupts the script from within, unless it has been already, and
// reports whether it was this that did.
func (s *slot) interrupt(kind Kind) bool {
	used, fired := s.leave()
	if fired == 0 {
		s.fired = kind
		s.fire(kind)
	}
	s.enter(used)
	return fired == 0
}

// work calls fn, whose ticks are not counted. Everything but those is still watched.
func (s *slot) work(fn func()) {
	used, _ := s.leave()
	s.working = true
	s.enter(used)
	defer func() {
		s.leave()
		s.working = false
		s.enter(used)
	}()
	fn()
}

// start makes the clock run, unless it does.
func (w *watchdog) start() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.running.Swap(true) {
		return
	}
	w.idle, w.wall = 0, time.Now()
	w.cpu = cpuTime(w.wall)
	w.heap.read()
	if w.timer == nil {
		w.timer = time.AfterFunc(tick, w.tick)
	} else {
		w.timer.Reset(tick)
	}
}

// tick looks at the scripts. What counts as CPU time of a script is the time
// that has passed or, if that is less, the CPU time that the process was given.
func (w *watchdog) tick() {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	cpu := cpuTime(now)
	passed := now.Sub(w.wall)
	w.count += min(passed, cpu-w.cpu)
	w.wallCount += passed
	w.wall, w.cpu = now, cpu
	w.now.Add(int64(w.count / tick))
	w.count %= tick
	w.wallNow.Add(int64(w.wallCount / tick))
	w.wallCount %= tick
	before := w.heap.baseline()
	w.heap.read()
	if w.look(before) {
		w.idle = 0
	} else if w.idle += tick; w.idle >= linger && w.stop() {
		return
	}
	w.timer.Reset(tick)
}

// reread takes a new reading of the heap, for scripts that start before the next tick.
func (w *watchdog) reread() {
	w.mu.Lock()
	w.heap.read()
	w.mu.Unlock()
}

// look inspects every slot in which a script is running, and reports whether
// there was one. base is from where growth counts for those not seen before: as
// it was a tick ago, which is before most of them have started. w.mu is held.
func (w *watchdog) look(base uint64) (busy bool) {
	for _, s := range w.slots {
		since := s.since.Load()
		if since <= 0 {
			continue
		}
		busy = true
		s.inspect(since, w.now.Load()-since, w.heap.objects, base)
	}
	return busy
}

// inspect looks at one slot, which was entered at since.
func (s *slot) inspect(since, age int64, heap, base uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.since.CompareAndSwap(since, -since) {
		return // it has left meanwhile
	}
	if s.base == 0 || s.base > base { // it may have been garbage of another script
		s.base = base
	}
	if s.fired == 0 {
		if kind := s.verdict(age, heap); kind != 0 {
			s.fired = kind
			s.fire(kind)
		}
	}
	s.since.CompareAndSwap(-since, since) // unless it has left meanwhile and waits for mu
}

// verdict returns the limit that the script has broken, or 0.
func (s *slot) verdict(age int64, heap uint64) Kind {
	switch {
	case age > s.cpu && !s.working:
		return CPU
	case s.dog.wallNow.Load()-s.began > s.timeout:
		return Timeout
	case s.ctx != nil && s.ctx.Err() != nil:
		return contextKind(s.ctx)
	case heap > s.base && heap-s.base > s.heap:
		return Heap
	}
	return 0
}

// stop ends the ticking, unless a script has entered meanwhile. w.mu is held.
func (w *watchdog) stop() bool {
	w.running.Store(false)
	for _, s := range w.slots {
		if s.since.Load() != 0 {
			w.running.Store(true)
			return false
		}
	}
	return true
}

// ticks converts a limit: a stretch that is seen to be older than that has
// certainly lasted d.
func ticks(d time.Duration) int64 { return int64((d+tick-1)/tick) + 1 }
