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

// watchdog interrupts scripts that break their limits. Its goroutine exists
// only while scripts are running, and for linger afterwards.
//
// Entering and leaving a script costs two atomic writes and three reads: the
// time is a counter that the goroutine advances, no clock is read.
type watchdog struct {
	now     atomic.Int64 // counts ticks, from 1
	running atomic.Bool  // whether the goroutine exists
	paused  atomic.Bool  // whether scripts have to wait before they enter

	mu    sync.Mutex
	slots []*slot
	gate  chan struct{} // closed when a pause ends
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
	timeout int64           // ticks of the call
	heap    uint64          // bytes of growth

	base uint64 // where growth is counted from; 0 until first seen in this call
}

func newWatchdog() *watchdog {
	w := new(watchdog)
	w.now.Store(1)
	regexClock.add(w)
	return w
}

// add registers a slot.
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
	for {
		s.since.Store(max(w.now.Load()-used, 1))
		if !w.paused.Load() {
			break
		}
		s.leave()
		w.waitOpen()
	}
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

// start makes the goroutine, unless there is one.
func (w *watchdog) start() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.running.Swap(true) {
		go w.watch()
	}
}

// watch looks at the scripts once per tick. What it counts is the time that has
// passed or, if that is less, the CPU time that the process was given: a
// script on a machine that is busy with other things has not computed.
func (w *watchdog) watch() {
	t := time.NewTicker(tick)
	defer t.Stop()
	var (
		heap  heapReader
		count time.Duration
		idle  int
		wall  = time.Now()
		cpu   = cpuTime(wall)
	)
	for {
		<-t.C
		now := time.Now()
		spent := cpuTime(now)
		count += min(now.Sub(wall), spent-cpu)
		wall, cpu = now, spent
		at := w.now.Add(int64(count / tick))
		count %= tick
		if w.look(at, &heap) {
			idle = 0
		} else if idle++; idle >= int(linger/tick) && w.stop() {
			return
		}
	}
}

// look inspects every slot in which a script is running, and reports whether
// there was one.
func (w *watchdog) look(now int64, heap *heapReader) (busy bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.slots {
		since := s.since.Load()
		if since <= 0 {
			continue
		}
		if !busy {
			busy = true
			heap.read()
		}
		s.inspect(since, now-since, heap)
	}
	return busy
}

// inspect looks at one slot, which was entered at since.
func (s *slot) inspect(since, age int64, heap *heapReader) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.since.CompareAndSwap(since, -since) {
		return // it has left meanwhile
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
func (s *slot) verdict(age int64, heap *heapReader) Kind {
	switch {
	case age > s.cpu:
		return CPU
	case age > s.timeout:
		return Timeout
	case s.ctx != nil && s.ctx.Err() != nil:
		return contextKind(s.ctx)
	case s.base == 0:
		s.base = heap.baseline()
	case heap.objects > s.base && heap.objects-s.base > s.heap:
		return Heap
	}
	return 0
}

// stop ends the goroutine, unless a script has entered meanwhile.
func (w *watchdog) stop() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.running.Store(false)
	for _, s := range w.slots {
		if s.since.Load() != 0 {
			w.running.Store(true)
			return false
		}
	}
	return true
}

// waitOpen blocks while scripts may not enter.
func (w *watchdog) waitOpen() {
	w.mu.Lock()
	gate := w.gate
	w.mu.Unlock()
	if gate != nil {
		<-gate
	}
}

// pause keeps scripts from entering and waits until none is running. The
// caller must call resume.
func (w *watchdog) pause() {
	w.mu.Lock()
	w.gate = make(chan struct{})
	w.paused.Store(true)
	w.mu.Unlock()
	t := time.NewTicker(tick)
	defer t.Stop()
	for !w.quiet() {
		<-t.C
	}
}

// resume ends a pause.
func (w *watchdog) resume() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.paused.Store(false)
	close(w.gate)
	w.gate = nil
}

// quiet reports whether no script is running.
func (w *watchdog) quiet() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !slices.ContainsFunc(w.slots, func(s *slot) bool { return s.since.Load() != 0 })
}

// ticks converts a limit: a stretch that is seen to be older than that has
// certainly lasted d.
func ticks(d time.Duration) int64 { return int64((d+tick-1)/tick) + 1 }
