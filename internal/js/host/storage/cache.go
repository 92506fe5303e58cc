package storage

import (
	"math"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// The bounds of a cache, in bytes.
const (
	maxTotal = 64 << 20
	maxValue = maxTotal / 8
	overhead = 256 // what an entry takes beside its id and value, about
)

// Cache keeps JSON texts for some time, of all namespaces together not more than
// 64 MiB: then what was not used for longest goes first. What has expired takes
// room until it is looked up or goes for want of room; there is no goroutine.
type Cache struct {
	mu      sync.Mutex
	entries *simplelru.LRU[key, entry]
	size    int
}

// key names an entry.
type key struct{ namespace, id string }

// entry is what is kept under a key. The value is not changed any more.
type entry struct {
	value   []byte
	expires time.Time // zero: never
}

func (k key) size(e entry) int { return len(k.namespace) + len(k.id) + len(e.value) + overhead }

// New makes an empty cache.
func New() *Cache {
	c := new(Cache)
	c.entries, _ = simplelru.NewLRU(math.MaxInt, func(k key, e entry) { c.size -= k.size(e) }) // fails only for sizes below 1
	return c
}

// get returns the value, or nil. It must not be changed.
func (c *Cache) get(k key) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.entries.Get(k)
	if ok && !e.expires.IsZero() && !time.Now().Before(e.expires) {
		c.entries.Remove(k)
		return nil
	}
	return e.value
}

// set keeps a value until the time, or until room is needed if that is zero.
func (c *Cache) set(k key, value []byte, expires time.Time) {
	e := entry{value, expires}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.entries.Remove(k)
	c.entries.Add(k, e)
	for c.size += k.size(e); c.size > maxTotal; {
		c.entries.RemoveOldest()
	}
}

// remove tells whether there was something to remove that has not expired.
func (c *Cache) remove(k key) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.entries.Peek(k)
	c.entries.Remove(k)
	return ok && (e.expires.IsZero() || time.Now().Before(e.expires))
}
