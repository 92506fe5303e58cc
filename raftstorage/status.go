package raftstorage

import (
	"time"

	"github.com/hashicorp/raft"
)

// Status is what a node knows about itself and its group.
type Status struct {
	// ID is the server id, made with the data directory.
	ID string
	// Name is what people call this node; "" without a cluster.
	Name string
	// Address is where other members reach this node; "" without a cluster.
	Address string
	// ClusterID is the id that all members have in common.
	ClusterID string
	// Role is what this node is at the moment.
	Role Role
	// Leader is the id of the leading server, or "" if there is none.
	Leader string
	// LeaderAddress is where that is reached; "" without a cluster.
	LeaderAddress string
	// Term is raft's term.
	Term uint64
	// LastIndex is the last entry of the log.
	LastIndex uint64
	// Applied is the last entry that the state contains.
	Applied uint64
	// Hash is the rolling hash of all changes; equal on all nodes at equal index.
	Hash string
	// StorageFailed says what cannot be read or written at the moment, or "".
	StorageFailed string
	// Halted says why this node does not apply changes any more, or "".
	Halted string
	// SnapshotIndex is the last entry of the newest snapshot, or 0.
	SnapshotIndex uint64
	// SnapshotTime is when that was taken. It is zero if there is none, or in memory before the first.
	SnapshotTime time.Time
	// Rebuilt says why the state was rebuilt when the node was opened, or "".
	Rebuilt string
	// Members is how many servers the cluster has, and FaultTolerance how many voters can be lost
	// before nothing can be changed any more.
	Members, FaultTolerance int
	// Edge is whether this node never votes. One that shall not any more has its vote for a moment.
	Edge bool
	// Joining says why this node is not yet a member of a cluster, or takes no part in it, or "".
	Joining string
	// Removed is whether this node was taken out of its cluster. It goes on serving what it has.
	Removed bool
	// Superseded is whether another process, with a copy of the data directory, is this member now.
	Superseded bool
	// Elsewhere says that other members are in another cluster now, because that was recovered without
	// this node, and that nobody leads here; otherwise it is "".
	Elsewhere string
	// Apart says why this node hears of no leader although others are there: they do not accept each
	// other, or cannot reach this node. Otherwise it is "".
	Apart string
	// Diverged says how the state differs from that of the leader, or "". It is replaced then.
	Diverged string
}

// Status tells how the node is. Before Open and after Close it is empty.
func (n *Node) Status() Status {
	s, err := n.current()
	if err != nil {
		return Status{}
	}
	m := s.member.Load()
	if m == nil {
		return Status{}
	}
	at, leader := m.raft.LeaderWithID()
	st := Status{
		ID:            string(s.id()),
		ClusterID:     s.db.ClusterID(),
		Role:          roleOf(m.raft.State()),
		Leader:        string(leader),
		Term:          m.raft.CurrentTerm(),
		LastIndex:     m.raft.LastIndex(),
		Applied:       s.db.Applied(),
		Hash:          s.db.Hash(),
		SnapshotIndex: s.upkeep.snapshotIndex.Load(),
		Rebuilt:       s.rebuilt,
		Joining:       s.waiting(),
		Elsewhere:     s.recovered(),
		Apart:         s.severed(),
	}
	if s.cluster.Load() != nil {
		st.LeaderAddress = string(at)
	}
	m.inCluster(&st)
	if taken := s.upkeep.taken.Load(); taken > 0 {
		st.SnapshotTime = time.Unix(0, taken)
	}
	if err := s.storageFailure(); err != nil {
		st.StorageFailed = err.Error()
	}
	if err := s.db.Halted(); err != nil {
		st.Halted = err.Error()
	}
	return st
}

// inCluster adds what a node knows about the others.
func (m *member) inCluster(st *Status) {
	voters, self, votes := 0, false, false
	servers := m.servers()
	for _, server := range servers {
		if server.Suffrage == raft.Voter {
			voters++
			votes = votes || server.ID == m.s.id()
		}
		self = self || server.ID == m.s.id()
	}
	st.Members, st.FaultTolerance = len(servers), max(voters-1, 0)/2
	st.Removed = len(servers) > 0 && (!self || m.s.isRemoved())
	st.Superseded = m.s.members.isReplaced()
	if why := m.s.diverged.Load(); why != nil {
		st.Diverged = *why
	}
	if c := m.s.cluster.Load(); c != nil {
		st.Name, st.Address, st.Edge = c.NodeName, string(m.address), c.Edge && !votes
	}
}
