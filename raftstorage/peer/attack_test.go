package peer

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"fmt"
	"io"
	"math"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
)

// TestAttacks lets strangers send what a raft node without protection executes. It is item 29 of
// the fault tests.
func TestAttacks(t *testing.T) {
	t.Parallel()
	secret, other := secretOf(t, "a"), secretOf(t, "b")
	v := newVictim(t, secret)
	now := time.Now()
	tests := map[string]raft.StreamLayer{
		"without TLS":                           &attacker{plain: true},
		"without a certificate":                 &attacker{protocol: RaftProtocol},
		"without a protocol":                    &attacker{cert: leafOf(t, secret, memberLabel, "prod", now)},
		"with a protocol of the web":            &attacker{protocol: "h2", cert: leafOf(t, secret, memberLabel, "prod", now)},
		"through the port for RPCs":             &attacker{protocol: RPCProtocol, admitted: true, cert: leafOf(t, secret, memberLabel, "prod", now)},
		"with another secret":                   &attacker{protocol: RaftProtocol, cert: leafOf(t, other, memberLabel, "prod", now)},
		"with another cluster's name":           &attacker{protocol: RaftProtocol, cert: leafOf(t, secret, memberLabel, "test", now)},
		"with the name of a cluster changed":    &attacker{protocol: RaftProtocol, cert: forged(t, secret)},
		"with a certificate that expired":       &attacker{protocol: RaftProtocol, cert: leafOf(t, secret, memberLabel, "prod", now.Add(-leafLife-time.Hour))},
		"with a certificate that is not yet":    &attacker{protocol: RaftProtocol, cert: leafOf(t, secret, memberLabel, "prod", now.Add(leafSkew+time.Hour))},
		"with the certificate of an edge":       &attacker{protocol: RaftProtocol, cert: leafOf(t, secret, edgeLabel, "prod", now)},
		"with a certificate signed by a member": &attacker{protocol: RaftProtocol, cert: signedByMember(t, secret)},
	}
	var wg sync.WaitGroup
	for name, layer := range tests {
		wg.Go(func() {
			if err := attack(t, layer, v.address); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
	wg.Wait()
	if term, applied := v.raft.CurrentTerm(), v.fsm.count(); term != v.term || applied != 0 || v.raft.State() != raft.Leader {
		t.Fatalf("the term is %d, it was %d; %d commands were applied; the node is %v", term, v.term, applied, v.raft.State())
	}
	// What was sent is what it takes: a member can do it.
	m := listen(t, credentials(t, "m", secret), Options{})
	transport := transportOver(t, m.Raft())
	request := &raft.RequestVoteRequest{RPCHeader: raft.RPCHeader{ProtocolVersion: 3}, Term: v.term + 1000, LeadershipTransfer: true}
	if err := transport.RequestVote("", v.address, request, &raft.RequestVoteResponse{}); err != nil || v.raft.CurrentTerm() < v.term+1000 {
		t.Errorf("a member cannot do it either: the term is %d, %v", v.raft.CurrentTerm(), err)
	}
}

// attack sends every request of raft; the error tells that one was answered.
func attack(t *testing.T, layer raft.StreamLayer, address raft.ServerAddress) error {
	transport := transportOver(t, layer)
	header := raft.RPCHeader{ProtocolVersion: 3, ID: []byte("evil"), Addr: []byte("evil:1")}
	term := uint64(math.MaxUint64)
	if err := transport.RequestVote("", address, &raft.RequestVoteRequest{RPCHeader: raft.RPCHeader{ProtocolVersion: 3}, Term: term, LeadershipTransfer: true}, &raft.RequestVoteResponse{}); err == nil {
		return fmt.Errorf("RequestVote was answered")
	}
	if err := transport.RequestPreVote("", address, &raft.RequestPreVoteRequest{RPCHeader: header, Term: term}, &raft.RequestPreVoteResponse{}); err == nil {
		return fmt.Errorf("RequestPreVote was answered")
	}
	entries := []*raft.Log{{Index: 3, Term: 1000, Type: raft.LogCommand, Data: []byte("evil")}}
	if err := transport.AppendEntries("", address, &raft.AppendEntriesRequest{RPCHeader: header, Term: 1000, Entries: entries, LeaderCommitIndex: 3}, &raft.AppendEntriesResponse{}); err == nil {
		return fmt.Errorf("AppendEntries was answered")
	}
	snapshot := []byte("evil")
	if err := transport.InstallSnapshot("", address, &raft.InstallSnapshotRequest{RPCHeader: header, SnapshotVersion: 1, Term: 1000, LastLogIndex: 1000, LastLogTerm: 1000, Size: int64(len(snapshot))}, &raft.InstallSnapshotResponse{}, bytes.NewReader(snapshot)); err == nil {
		return fmt.Errorf("InstallSnapshot was answered")
	}
	if err := transport.TimeoutNow("", address, &raft.TimeoutNowRequest{RPCHeader: header}, &raft.TimeoutNowResponse{}); err == nil {
		return fmt.Errorf("TimeoutNow was answered")
	}
	return nil
}

// victim is a raft node that leads itself, behind a port.
type victim struct {
	raft    *raft.Raft
	fsm     *counter
	address raft.ServerAddress
	term    uint64
}

func newVictim(t *testing.T, secret *Secret) *victim {
	t.Helper()
	port := listen(t, credentials(t, "victim", secret), Options{})
	v := &victim{fsm: new(counter), address: raft.ServerAddress(port.Addr().String())}
	config := raft.DefaultConfig()
	config.LocalID = "victim"
	config.Logger = hclog.NewNullLogger()
	config.HeartbeatTimeout, config.ElectionTimeout, config.LeaderLeaseTimeout = 50*time.Millisecond, 50*time.Millisecond, 25*time.Millisecond
	store := raft.NewInmemStore()
	transport := transportOver(t, port.Raft())
	configuration := raft.Configuration{Servers: []raft.Server{{ID: config.LocalID, Address: v.address}}}
	if err := raft.BootstrapCluster(config, store, store, raft.NewInmemSnapshotStore(), transport, configuration); err != nil {
		t.Fatal(err)
	}
	var err error
	if v.raft, err = raft.NewRaft(config, v.fsm, store, store, raft.NewInmemSnapshotStore(), transport); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := v.raft.Shutdown().Error(); err != nil {
			t.Error(err)
		}
	})
	eventually(t, "the victim leads", func() bool { return v.raft.State() == raft.Leader })
	v.term = v.raft.CurrentTerm()
	return v
}

func transportOver(t *testing.T, layer raft.StreamLayer) *raft.NetworkTransport {
	transport := raft.NewNetworkTransportWithConfig(&raft.NetworkTransportConfig{
		Stream: layer, MaxPool: 1, Timeout: 5 * time.Second, Logger: hclog.NewNullLogger(),
	})
	t.Cleanup(func() {
		transport.Close()
		transport.CloseStreams()
	})
	return transport
}

// counter counts the commands that raft applies.
type counter struct {
	mu sync.Mutex
	n  int
}

func (c *counter) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n
}

func (c *counter) Apply(*raft.Log) any {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n++
	return nil
}

func (c *counter) Snapshot() (raft.FSMSnapshot, error) { return nil, fmt.Errorf("nothing to keep") }
func (c *counter) Restore(r io.ReadCloser) error {
	c.Apply(nil)
	return r.Close()
}

// attacker is the layer of somebody who checks nothing.
type attacker struct {
	plain    bool
	protocol string
	cert     *tls.Certificate
	admitted bool // the handshake succeeds

	once sync.Once
	done chan struct{}
}

func (a *attacker) Dial(address raft.ServerAddress, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	if a.plain {
		return new(net.Dialer).DialContext(ctx, "tcp", string(address))
	}
	c, err := dialTLS(ctx, string(address), a.protocol, a.cert)
	if err != nil {
		return nil, err
	}
	if a.admitted {
		var welcome [1]byte
		if _, err := c.Read(welcome[:]); err != nil || answer(welcome[0]) != answerWelcome {
			return nil, fmt.Errorf("not welcome: %q, %w", welcome, err)
		}
	}
	return c, nil
}

func (a *attacker) closed() chan struct{} {
	a.once.Do(func() { a.done = make(chan struct{}) })
	return a.done
}

func (a *attacker) Accept() (net.Conn, error) {
	<-a.closed()
	return nil, net.ErrClosed
}

func (a *attacker) Close() error {
	close(a.closed())
	return nil
}

func (a *attacker) Addr() net.Addr { return advertised("evil:1") }

func leafOf(t *testing.T, secret *Secret, label, cluster string, at time.Time) *tls.Certificate {
	t.Helper()
	a, err := newAuthority(secret, cluster, label)
	if err != nil {
		t.Fatal(err)
	}
	kind := memberNode
	if label == edgeLabel {
		kind = edgeNode
	}
	leaf, err := a.leaf(kind, cluster, "evil", at)
	if err != nil {
		t.Fatal(err)
	}
	return leaf
}

// forged says that it belongs to the cluster, but was signed for another one.
func forged(t *testing.T, secret *Secret) *tls.Certificate {
	t.Helper()
	a, err := newAuthority(secret, "test", memberLabel)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := a.leaf(memberNode, "prod", "evil", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return leaf
}

// signedByMember has a chain that goes through the certificate of a member, which is no authority.
func signedByMember(t *testing.T, secret *Secret) *tls.Certificate {
	t.Helper()
	member := leafOf(t, secret, memberLabel, "prod", time.Now())
	leaf, err := (&authority{member.Leaf, member.PrivateKey.(ed25519.PrivateKey)}).leaf(memberNode, "prod", "evil", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	leaf.Certificate = append(leaf.Certificate, member.Certificate...)
	return leaf
}
