package raftstorage

import (
	"context"
	"sync"

	"github.com/hashicorp/raft"
)

// A follower learns what is agreed on with the next message of the leader, which comes 20 to 40 ms
// later when nothing else is written. Whoever has forwarded a command waits for that. So the leader
// sends one more to the server that has: an AppendEntries without entries, behind the entry of the
// command, exactly as raft itself sends them when it has nothing to send.
//
// It is safe whenever it comes, in any order with raft's own: the entry is agreed on, the follower
// looks whether it has it, and nothing in its log is changed.

// nudges are the servers that wait for such a message.
type nudges struct {
	mu      sync.Mutex
	waiting map[raft.ServerID]uint64 // up to which entry
	wake    chan struct{}
}

// add has a server told that everything up to index is agreed on.
func (n *nudges) add(id raft.ServerID, index uint64) {
	n.mu.Lock()
	if n.waiting == nil {
		n.waiting = map[raft.ServerID]uint64{}
	}
	n.waiting[id] = max(n.waiting[id], index)
	n.mu.Unlock()
	n.wakeUp()
}

func (n *nudges) wakeUp() {
	select {
	case n.wake <- struct{}{}:
	default: // it is awake
	}
}

// take gives what a server is to be told.
func (n *nudges) take(busy map[raft.ServerID]bool) map[raft.ServerID]uint64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	taken := map[raft.ServerID]uint64{}
	for id, index := range n.waiting {
		if !busy[id] {
			taken[id] = index
			delete(n.waiting, id)
		}
	}
	return taken
}

// nudge sends what waits, one message at a time to each server.
func (m *member) nudge(ctx context.Context) {
	var sending sync.WaitGroup
	defer sending.Wait()
	busy := map[raft.ServerID]bool{}
	sent := make(chan raft.ServerID)
	for {
		select {
		case <-m.nudges.wake:
		case id := <-sent:
			delete(busy, id)
		case <-ctx.Done():
			return
		}
		for id, index := range m.nudges.take(busy) {
			busy[id] = true
			sending.Go(func() {
				m.sendNudge(id, index)
				select {
				case sent <- id:
				case <-ctx.Done():
				}
			})
		}
	}
}

// sendNudge tells a server that the entry at index is agreed on, if this one leads. What becomes of it
// does not matter: raft says the same a moment later.
func (m *member) sendNudge(id raft.ServerID, index uint64) {
	t, ok := m.transport.(*network)
	server, found := findServer(m.servers(), string(id))
	var entry raft.Log
	if !ok || !found || id == t.self || m.logs.GetLog(index, &entry) != nil {
		return
	}
	// The term is the one that this server leads: it was the same before and after it led, and
	// terms do not come back.
	term := m.raft.CurrentTerm()
	if m.raft.State() != raft.Leader || m.raft.CurrentTerm() != term {
		return
	}
	self := t.EncodePeer(t.self, t.LocalAddr())
	request := &raft.AppendEntriesRequest{
		RPCHeader:    raft.RPCHeader{ProtocolVersion: raft.ProtocolVersionMax, ID: []byte(t.self), Addr: self},
		Term:         term,
		PrevLogEntry: index, PrevLogTerm: entry.Term,
		LeaderCommitIndex: index,
	}
	_ = t.append(id, server.Address, request, new(raft.AppendEntriesResponse))
}
