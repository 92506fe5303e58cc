package js

import (
	"runtime"
	"runtime/metrics"
	"sync"
)

// heapReader reads the size of the heap without stopping the world, which
// takes about 7 us.
type heapReader struct {
	samples [3]metrics.Sample
	objects uint64 // bytes in objects, dead ones included that are not swept yet
	goal    uint64 // up to which the heap grows before it is collected
	live    uint64 // bytes that the last collection has left
}

// read takes a new reading.
func (h *heapReader) read() {
	if h.samples[0].Name == "" {
		h.samples[0].Name = "/memory/classes/heap/objects:bytes"
		h.samples[1].Name = "/gc/heap/goal:bytes"
		h.samples[2].Name = "/gc/heap/live:bytes"
	}
	metrics.Read(h.samples[:])
	h.objects = h.samples[0].Value.Uint64()
	h.goal = h.samples[1].Value.Uint64()
	h.live = h.samples[2].Value.Uint64()
}

// baseline returns the size from which the growth of a call counts. The heap
// of a process that is doing nothing unusual swings between what is live and
// the collector's goal, so growth counts from the top of that swing: counted
// from the present size, a large heap would blame a script for other people's
// garbage. Where the goal says little because the collector is switched off or
// led by a memory limit, four times the live heap stands in for it.
func (h *heapReader) baseline() uint64 {
	return max(h.objects, min(h.goal, 4*h.live+64<<20))
}

// collector collects the garbage of scripts that were interrupted. Until then it
// would count as normal, and the next such script would be allowed that much more.
type collector struct {
	mu   sync.Mutex // held while collecting
	heap heapReader
	left uint64 // bytes that were live after the last collection here
}

// collect waits for a collection if the heap has grown by more than it does by
// itself and much. Thus a caller who sends one such script after the other is
// held up, and nobody else is. It reports whether there was one.
func (c *collector) collect(much uint64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.heap.read(); c.heap.objects <= 2*c.left+much {
		return false // or one that was waited for has done it
	}
	runtime.GC()
	c.heap.read()
	c.left = c.heap.live
	return true
}
