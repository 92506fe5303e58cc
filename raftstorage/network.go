package raftstorage

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

// Bounds of what is sent to other members.
const (
	maxSending  = 4 // snapshots at the same time
	raftTimeout = 10 * time.Second
	raftConns   = 3 // kept per member
)

// network is raft's transport between nodes. It finds members where they say that they are, keeps
// requests small enough for slow links, and is silent while the disk of this node hangs.
type network struct {
	*raft.NetworkTransport
	addresses *addresses
	self      raft.ServerID
	starting  func()
	stalled   func() error               // why this node must not lead, or nil
	link      func(address string) error // for tests
	sending   chan struct{}
	returns   returns
	rooms     rooms
	done      <-chan struct{} // closed when the member ends
}

// network makes the transport of a member.
func (m *member) network() *network {
	trans := raft.NewNetworkTransportWithConfig(&raft.NetworkTransportConfig{
		Stream:  &ownCluster{&layer{m.port.Raft(), m.address}, m.s.boundTo, m.s.id, m.s.refused},
		MaxPool: raftConns, Timeout: raftTimeout,
		Logger: newLogger(m.s.cfg.Logger),
	})
	return &network{
		NetworkTransport: trans, addresses: &m.s.addresses, self: m.s.id(),
		starting: m.guard.start, stalled: m.guard.stalled, link: m.s.cfg.link,
		sending: make(chan struct{}, maxSending), done: m.ctx.Done(),
	}
}

// layer is the port as raft sees it, at the address where others reach it.
type layer struct {
	raft.StreamLayer
	address raft.ServerAddress
}

// Addr implements net.Listener.
func (l *layer) Addr() net.Addr { return advertised(l.address) }

// advertised is an address that need not be one of this machine.
type advertised string

func (advertised) Network() string  { return "tcp" }
func (a advertised) String() string { return string(a) }

// addresses are where servers said last that they are, which can be newer than what the
// configuration of the cluster has.
type addresses struct {
	mu    sync.Mutex
	known map[raft.ServerID]raft.ServerAddress
}

// set notes where a server says that it is.
func (a *addresses) set(id raft.ServerID, address raft.ServerAddress) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.known == nil {
		a.known = map[raft.ServerID]raft.ServerAddress{}
	}
	a.known[id] = address
}

// of is where a server is, or otherwise.
func (a *addresses) of(id raft.ServerID, otherwise raft.ServerAddress) raft.ServerAddress {
	a.mu.Lock()
	defer a.mu.Unlock()
	if address, ok := a.known[id]; ok {
		return address
	}
	return otherwise
}

// to is where a request goes and to whom, or why it does not go there.
func (t *network) to(id raft.ServerID, target raft.ServerAddress) (raft.ServerAddress, error) {
	_, target = splitTarget(target)
	target = t.addresses.of(id, target)
	if t.link != nil {
		if err := t.link(string(target)); err != nil {
			return target, err
		}
	}
	return joinTarget(id, target), nil
}

// SetHeartbeatHandler implements raft.Transport; see [loopback.SetHeartbeatHandler].
func (t *network) SetHeartbeatHandler(handler func(raft.RPC)) {
	t.NetworkTransport.SetHeartbeatHandler(handler)
	t.starting()
}

// AppendEntries implements raft.Transport. It carries heartbeats as well.
func (t *network) AppendEntries(id raft.ServerID, target raft.ServerAddress, args *raft.AppendEntriesRequest, resp *raft.AppendEntriesResponse) error {
	err := t.append(id, target, args, resp)
	switch {
	case isHeartbeat(args):
		if err == nil {
			t.returns.heard(id)
		}
	case err != nil && t.returns.await(id, t.done):
		return t.append(id, target, args, resp)
	}
	return err
}

func (t *network) append(id raft.ServerID, target raft.ServerAddress, args *raft.AppendEntriesRequest, resp *raft.AppendEntriesResponse) error {
	if err := t.stalled(); err != nil {
		return err
	}
	target, err := t.to(id, target)
	if err != nil {
		return err
	}
	sent := shorten(args, t.rooms.of(id))
	err = t.NetworkTransport.AppendEntries(id, target, args, resp)
	t.rooms.learn(id, sent, err)
	return err
}

// AppendEntriesPipeline implements raft.Transport.
func (t *network) AppendEntriesPipeline(id raft.ServerID, target raft.ServerAddress) (raft.AppendPipeline, error) {
	target, err := t.to(id, target)
	if err != nil {
		return nil, err
	}
	p, err := t.NetworkTransport.AppendEntriesPipeline(id, target)
	if err != nil {
		return nil, err
	}
	return newPipeline(p, t, id, target), nil
}

// RequestVote implements raft.Transport.
func (t *network) RequestVote(id raft.ServerID, target raft.ServerAddress, args *raft.RequestVoteRequest, resp *raft.RequestVoteResponse) error {
	target, err := t.to(id, target)
	if err != nil {
		return err
	}
	return t.NetworkTransport.RequestVote(id, target, args, resp)
}

// RequestPreVote implements raft.WithPreVote.
func (t *network) RequestPreVote(id raft.ServerID, target raft.ServerAddress, args *raft.RequestPreVoteRequest, resp *raft.RequestPreVoteResponse) error {
	if err := t.stalled(); err != nil {
		return err
	}
	target, err := t.to(id, target)
	if err != nil {
		return err
	}
	return t.NetworkTransport.RequestPreVote(id, target, args, resp)
}

// TimeoutNow implements raft.Transport.
func (t *network) TimeoutNow(id raft.ServerID, target raft.ServerAddress, args *raft.TimeoutNowRequest, resp *raft.TimeoutNowResponse) error {
	target, err := t.to(id, target)
	if err != nil {
		return err
	}
	return t.NetworkTransport.TimeoutNow(id, target, args, resp)
}

// errSending is the answer to a snapshot too many; raft tries again later.
var errSending = errors.New("enough snapshots are being sent already")

// InstallSnapshot implements raft.Transport.
func (t *network) InstallSnapshot(id raft.ServerID, target raft.ServerAddress, args *raft.InstallSnapshotRequest, resp *raft.InstallSnapshotResponse, data io.Reader) error {
	select {
	case t.sending <- struct{}{}:
		defer func() { <-t.sending }()
	default:
		return errSending
	}
	target, err := t.to(id, target)
	if err != nil {
		return err
	}
	return t.NetworkTransport.InstallSnapshot(id, target, args, resp, data)
}

// EncodePeer implements raft.Transport.
func (t *network) EncodePeer(id raft.ServerID, address raft.ServerAddress) []byte {
	if id == t.self {
		return []byte(t.LocalAddr())
	}
	return []byte(t.addresses.of(id, address))
}

var (
	_ raft.Transport   = (*network)(nil)
	_ raft.WithPreVote = (*network)(nil)
	_ raft.WithClose   = (*network)(nil)
)
