package raftstorage

import (
	"sync"

	"github.com/hashicorp/raft"
)

// Bounds of the entries that are kept in memory for followers that are nearly up to date.
const (
	cachedEntries = 512
	cachedSize    = 64 << 10 // bytes; larger ones are read from the file
)

// logCache is the log with its newest entries in memory.
type logCache struct {
	raft.LogStore

	mu   sync.RWMutex
	ring [cachedEntries]*raft.Log
}

func newLogCache(logs raft.LogStore) *logCache { return &logCache{LogStore: logs} }

// IsMonotonic implements raft.MonotonicLogStore: when a snapshot replaces what a log has, all of
// it goes, and no gap is left.
func (c *logCache) IsMonotonic() bool { return true }

// GetLog implements raft.LogStore.
func (c *logCache) GetLog(index uint64, entry *raft.Log) error {
	c.mu.RLock()
	cached := c.ring[index%cachedEntries]
	c.mu.RUnlock()
	if cached != nil && cached.Index == index {
		*entry = *cached
		return nil
	}
	return c.LogStore.GetLog(index, entry)
}

// StoreLog implements raft.LogStore.
func (c *logCache) StoreLog(entry *raft.Log) error { return c.StoreLogs([]*raft.Log{entry}) }

// StoreLogs implements raft.LogStore. Only what is in the file is kept.
func (c *logCache) StoreLogs(entries []*raft.Log) error {
	if err := c.LogStore.StoreLogs(entries); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range entries {
		at := &c.ring[e.Index%cachedEntries]
		if *at = nil; len(e.Data) <= cachedSize {
			*at = e
		}
	}
	return nil
}

// DeleteRange implements raft.LogStore.
func (c *logCache) DeleteRange(first, last uint64) error {
	c.mu.Lock()
	for i, e := range c.ring {
		if e != nil && e.Index >= first && e.Index <= last {
			c.ring[i] = nil
		}
	}
	c.mu.Unlock()
	return c.LogStore.DeleteRange(first, last)
}

var _ raft.MonotonicLogStore = (*logCache)(nil)
