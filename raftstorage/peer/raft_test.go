package peer

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
)

// TestRotationUnderRaft changes the secret of a raft group that writes all the time: every write
// succeeds, and no leader is lost over it.
func TestRotationUnderRaft(t *testing.T) {
	t.Parallel()
	before, after := secretOf(t, "a"), secretOf(t, "b")
	var members []*member
	var servers []raft.Server
	var transports []*raft.NetworkTransport
	for _, id := range []string{"a", "b", "c"} {
		m := listen(t, credentials(t, id, before), Options{})
		members = append(members, m)
		transports = append(transports, transportOver(t, m.Raft()))
		servers = append(servers, raft.Server{ID: raft.ServerID(id), Address: raft.ServerAddress(m.Addr().String())})
	}
	var nodes []*raft.Raft
	for i, server := range servers {
		config := raft.DefaultConfig()
		config.LocalID, config.Logger = server.ID, hclog.NewNullLogger()
		config.HeartbeatTimeout, config.ElectionTimeout, config.LeaderLeaseTimeout = 2*time.Second, 2*time.Second, 1500*time.Millisecond
		store := raft.NewInmemStore()
		if err := raft.BootstrapCluster(config, store, store, raft.NewInmemSnapshotStore(), transports[i], raft.Configuration{Servers: servers}); err != nil {
			t.Fatal(err)
		}
		node, err := raft.NewRaft(config, new(counter), store, store, raft.NewInmemSnapshotStore(), transports[i])
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := node.Shutdown().Error(); err != nil {
				t.Error(err)
			}
		})
		nodes = append(nodes, node)
	}
	var leader *raft.Raft
	eventually(t, "a leader", func() bool {
		for _, node := range nodes {
			if node.State() == raft.Leader {
				leader = node
			}
		}
		return leader != nil
	})
	term := leader.CurrentTerm()

	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if err := leader.Apply([]byte("x"), 10*time.Second).Error(); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for _, step := range [][]*Secret{{before, after}, {after, before}, {after}} {
		for _, m := range members {
			if err := m.cred.UseSecrets(step[0], step[1:]...); err != nil {
				t.Fatal(err)
			}
			at := leader.AppliedIndex()
			eventually(t, "writes go on", func() bool { return leader.AppliedIndex() > at+100 || t.Failed() })
		}
	}
	for i, node := range nodes {
		at := leader.AppliedIndex()
		eventually(t, fmt.Sprintf("node %d follows", i), func() bool { return node.AppliedIndex() >= at || t.Failed() })
	}
	close(stop)
	wg.Wait()
	if now := leader.CurrentTerm(); now != term || leader.State() != raft.Leader {
		t.Errorf("the term is %d, it was %d; the leader is %v", now, term, leader.State())
	}
}
