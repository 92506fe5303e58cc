package state

import (
	"encoding/hex"
	"sort"
	"sync"
)

// hashesKept is of how many changes the hash is remembered.
const hashesKept = 4096

// hashes are those of the state after each of its last changes.
type hashes struct {
	mu    sync.Mutex
	floor uint64 // nothing is known of what was before
	list  []hashAt
}

type hashAt struct {
	index uint64
	hash  [32]byte
}

// reset forgets everything, and begins with the one that has been since the last change.
func (h *hashes) reset(m meta) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.floor, h.list = m.latestIndex, []hashAt{{m.latestIndex, m.hash}}
}

// add remembers more, in order.
func (h *hashes) add(more []hashAt) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.list = append(h.list, more...)
	if len(h.list) > 2*hashesKept {
		h.list = append([]hashAt(nil), h.list[len(h.list)-hashesKept:]...)
		h.floor = h.list[0].index
	}
}

// AppliedHash gives [DB.Applied] and [DB.Hash] of one moment.
func (db *DB) AppliedHash() (index uint64, hash string) {
	m := db.current()
	return m.index, hex.EncodeToString(m.hash[:])
}

// HashAt is what [DB.Hash] was when index was applied; false if that is too long ago or to come.
func (db *DB) HashAt(index uint64) (string, bool) {
	if index > db.Applied() {
		return "", false
	}
	h := &db.hashes
	h.mu.Lock()
	defer h.mu.Unlock()
	if index < h.floor {
		return "", false
	}
	i := sort.Search(len(h.list), func(i int) bool { return h.list[i].index > index })
	if i == 0 {
		return "", false
	}
	return hex.EncodeToString(h.list[i-1].hash[:]), true
}
