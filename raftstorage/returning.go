package raftstorage

import (
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

// returnWait bounds how long one request waits for a server that cannot be reached.
const returnWait = 30 * time.Second

// returns lets entries for a server that cannot be reached wait until it answers a heartbeat. Raft
// would try again and again by itself, with pauses that grow to ten seconds: a server that was
// restarted would serve old data for so long, although it hears of its leader.
type returns struct {
	mu      sync.Mutex
	waiting map[raft.ServerID]chan struct{} // closed when the server has answered
}

// heard notes that a server has answered a heartbeat.
func (r *returns) heard(id raft.ServerID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if back := r.waiting[id]; back != nil {
		close(back)
		delete(r.waiting, id)
	}
}

// await tells whether a server has answered a heartbeat before too long, and before done.
func (r *returns) await(id raft.ServerID, done <-chan struct{}) bool {
	r.mu.Lock()
	back := r.waiting[id]
	if back == nil {
		back = make(chan struct{})
		if r.waiting == nil {
			r.waiting = map[raft.ServerID]chan struct{}{}
		}
		r.waiting[id] = back
	}
	r.mu.Unlock()
	bound := time.NewTimer(returnWait)
	defer bound.Stop()
	select {
	case <-back:
		return true
	case <-bound.C:
	case <-done:
	}
	return false
}

// isHeartbeat tells requests that have no entries and want none to be applied.
func isHeartbeat(args *raft.AppendEntriesRequest) bool {
	return args.PrevLogEntry == 0 && args.PrevLogTerm == 0 && args.LeaderCommitIndex == 0 && len(args.Entries) == 0
}
