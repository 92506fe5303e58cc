package gateway

import (
	"sync/atomic"
	"time"
)

// Bounds are the upper bounds of the buckets that durations are counted in. Hooks take
// microseconds, event streams hours.
var Bounds = [...]time.Duration{
	100 * time.Microsecond, 250 * time.Microsecond, 500 * time.Microsecond,
	time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond,
	10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond,
	100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond,
	time.Second, 2500 * time.Millisecond, 5 * time.Second, 10 * time.Second,
}

// Durations counts how long something took. It is a fifth of the size of a Prometheus histogram,
// of which every route, service and hook would need its own. Its methods may be called from any
// goroutine.
type Durations struct {
	buckets [len(Bounds) + 1]atomic.Uint64
	sum     atomic.Int64 // nanoseconds
}

// Observe counts one.
func (d *Durations) Observe(took time.Duration) {
	i := 0
	for i < len(Bounds) && took > Bounds[i] {
		i++
	}
	d.buckets[i].Add(1)
	d.sum.Add(int64(took))
}

// Read returns how many took at most as long as each of [Bounds], how many there were, and how
// long they took together.
func (d *Durations) Read() (atMost [len(Bounds)]uint64, count uint64, sum time.Duration) {
	for i := range atMost {
		count += d.buckets[i].Load()
		atMost[i] = count
	}
	return atMost, count + d.buckets[len(Bounds)].Load(), time.Duration(d.sum.Load())
}
