package raftstorage

import (
	"errors"
	"os"
	"strings"
	"sync"

	"github.com/hashicorp/raft"
)

// Bounds of the entries in one request, in bytes; raft itself only counts them.
const (
	maxAppendBytes = 4 << 20
	// minAppendBytes gets through within raftTimeout at 250 kbit/s. One entry is hardly larger.
	minAppendBytes = 256 << 10
)

// rooms are how large requests to servers can be: over a slow link one of the usual size would not
// arrive before its time is up, nor would it when it is sent again.
type rooms struct {
	mu    sync.Mutex
	bytes map[raft.ServerID]int // less than maxAppendBytes
}

// of is the bound for a server.
func (r *rooms) of(id raft.ServerID) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n, ok := r.bytes[id]; ok {
		return n
	}
	return maxAppendBytes
}

// learn halves the bound when a request took too long, and doubles it when one that filled it arrived.
func (r *rooms) learn(id raft.ServerID, sent int, err error) {
	slow := sent > 0 && tookTooLong(err)
	r.mu.Lock()
	defer r.mu.Unlock()
	now, bounded := r.bytes[id]
	if !bounded {
		now = maxAppendBytes
	}
	switch {
	case slow:
		if r.bytes == nil {
			r.bytes = map[raft.ServerID]int{}
		}
		r.bytes[id] = max(min(now, sent)/2, minAppendBytes)
	case err == nil && bounded && sent > now/2:
		if r.bytes[id] = 2 * now; r.bytes[id] >= maxAppendBytes {
			delete(r.bytes, id)
		}
	}
}

// tookTooLong tells timeouts of a connection. Raft's encoder keeps only their text.
func tookTooLong(err error) bool {
	return err != nil && (errors.Is(err, os.ErrDeadlineExceeded) || strings.Contains(err.Error(), os.ErrDeadlineExceeded.Error()))
}

// shorten leaves off entries that are too much for one request, and tells how many bytes the rest has.
// Raft goes on from what was sent.
func shorten(args *raft.AppendEntriesRequest, room int) (size int) {
	for i, e := range args.Entries {
		next := size + len(e.Data) + len(e.Extensions)
		if next > room && i > 0 {
			args.Entries = args.Entries[:i]
			break
		}
		size = next
	}
	return size
}
