package raftstorage

import (
	"context"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/raft"

	"github.com/dgate-io/caddy-dgate/raftstorage/peer"
)

// TestConfigure makes a node that is alone one of a cluster, and alone again, while it is written.
func TestConfigure(t *testing.T) {
	t.Parallel()
	cfg := quiet(Config{Dir: t.TempDir(), timing: brisk(), manual: true})
	n := start(t, cfg)
	db := n.DB()
	if st := n.Status(); st.Address != "" || st.Members != 1 {
		t.Errorf("alone: %+v", st)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	var written atomic.Int64
	for i := range 4 {
		wg.Go(func() {
			for j := 0; ctx.Err() == nil; j++ {
				if _, err := n.Propose(context.Background(), service(numbered("s"+strconv.Itoa(i), j), "http://a")); err != nil {
					t.Error(err)
					return
				}
				written.Add(1)
			}
		})
	}
	secret := peer.NewSecret()
	for _, c := range []*Cluster{
		{Listen: "127.0.0.1:0", Secret: secret},
		{Listen: "127.0.0.1:0", Secret: secret, Advertise: "localhost"},
		{Listen: "127.0.0.1:0", Secret: secret, Advertise: "localhost", LeaveOnExit: true},
		nil,
	} {
		if err := n.Configure(c); err != nil {
			t.Fatal(err)
		}
		before := written.Load()
		if err := until(t.Context(), func() bool { return written.Load() > before+20 || t.Failed() }); err != nil {
			t.Fatal(err)
		}
		st := n.Status()
		if c == nil {
			if st.Address != "" {
				t.Errorf("alone again: %+v", st)
			}
			break
		}
		if host, _, err := net.SplitHostPort(st.Address); err != nil || c.Advertise != "" && host != c.Advertise || st.Members != 1 {
			t.Errorf("in a cluster: %+v", st)
		}
		err := until(t.Context(), func() bool {
			servers := n.store.member.Load().servers()
			return len(servers) == 1 && string(servers[0].Address) == st.Address
		})
		if err != nil {
			t.Error(err)
		}
	}
	cancel()
	wg.Wait()
	if n.DB() != db {
		t.Error("the state was opened again")
	}
	if got := len(names(t, n, "service")); got != int(written.Load()) {
		t.Errorf("%d of %d services", got, written.Load())
	}
}

func TestConfigureRefused(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer taken.Close()
	n := start(t, quiet(Config{Dir: t.TempDir(), timing: brisk(), manual: true, Cluster: &Cluster{Listen: "127.0.0.1:0"}}))
	address := n.Status().Address
	tests := map[string]struct {
		c    Cluster
		want string
	}{
		"port is taken":             {Cluster{Listen: taken.Addr().String(), Secret: peer.NewSecret()}, "address already in use"},
		"open to all, no secret":    {Cluster{Listen: ":0"}, "set secret"},
		"even number":               {Cluster{Expect: 2, Secret: peer.NewSecret()}, "must be 1, 3 or 5"},
		"edge of nothing":           {Cluster{Edge: true, Secret: peer.NewSecret()}, "needs join"},
		"join without secret":       {Cluster{Join: []string{"a:1"}}, "need secret"},
		"not an address":            {Cluster{Listen: "nowhere"}, "must be host:port"},
		"advertised to nobody else": {Cluster{Listen: "0.0.0.0:0", Secret: peer.NewSecret(), Advertise: "127.0.0.1"}, "127.0.0.1"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if err := n.Configure(&tt.c); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if n.Status().Address != address {
				t.Error("something else than before")
			}
			write(t, n, service("s", "http://"+strings.ReplaceAll(name, " ", "")))
		})
	}
}

// TestOwnPortInTheWay widens the address that is listened on.
func TestOwnPortInTheWay(t *testing.T) {
	t.Parallel()
	n := start(t, quiet(Config{Dir: t.TempDir(), timing: brisk(), manual: true, Cluster: &Cluster{Listen: "127.0.0.1:0"}}))
	address := n.Status().Address
	must(t, n.Configure(&Cluster{Listen: address})) // as it is, but with its port
	_, port, err := net.SplitHostPort(n.Status().Address)
	must(t, err)
	must(t, n.Configure(&Cluster{Listen: ":" + port, Secret: peer.NewSecret(), Advertise: "192.0.2.1"}))
	if got := n.Status().Address; got != "192.0.2.1:"+port {
		t.Errorf("at %s", got)
	}
	write(t, n, service("s", "http://a"))
}

// TestRotation changes the secret of a cluster node by node, with traffic.
func TestRotation(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for i, n := range c.nodes {
		wg.Go(func() {
			for j := 0; ctx.Err() == nil; j++ {
				if _, err := n.Propose(context.Background(), service("s"+strconv.Itoa(i), "http://a"+strconv.Itoa(j))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	old, fresh := c.secret, peer.NewSecret()
	term := c.raft(0).CurrentTerm()
	for _, step := range []struct {
		secret   *peer.Secret
		previous []*peer.Secret
	}{{old, []*peer.Secret{fresh}}, {fresh, []*peer.Secret{old}}, {fresh, nil}} {
		for i, n := range c.nodes {
			cluster := *c.cfgs[i].Cluster
			if i == 0 {
				cluster.Listen = "127.0.0.1:0" // as it was opened with
			}
			cluster.Listen = n.store.cluster.Load().Listen
			cluster.Secret, cluster.Previous = step.secret, step.previous
			must(t, n.Configure(&cluster))
			before := n.DB().Applied()
			c.eventually("go on", func() bool { return n.DB().Applied() > before+10 })
		}
	}
	cancel()
	wg.Wait()
	c.same()
	if got := c.raft(0).CurrentTerm(); got != term {
		t.Errorf("term %d became %d", term, got)
	}
	// Who still has the old one is not let in.
	c.secret = old
	i := c.add()
	if err := c.nodes[i].store.call(t.Context(), c.address(0), "barrier", nil, nil); err == nil || !strings.Contains(err.Error(), "secret") {
		t.Errorf("with the old secret: %v", err)
	}
}

// TestMemberWithoutCluster opens the directory of one of several without saying so.
func TestMemberWithoutCluster(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 2)
	write(t, c.nodes[0], service("s", "http://a"))
	c.same()
	stop(t, c.nodes[1])
	cfg := c.cfgs[1]
	cfg.Cluster = nil
	cfg.timing.leaderWait = 100e6
	n := start(t, cfg)
	if got := names(t, n, "service"); len(got) != 1 {
		t.Errorf("it serves %v", got)
	}
	_, err := n.Propose(t.Context(), service("s2", "http://a"))
	if err == nil || !strings.Contains(err.Error(), "no cluster block") {
		t.Errorf("got %v", err)
	}
}

// TestUnknownMember opens the directory of a member that was removed meanwhile.
func TestRemoved(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3)
	write(t, c.nodes[0], service("s", "http://a"))
	c.same()
	id := c.nodes[2].Status().ID
	if c.leads() == 2 {
		must(t, c.nodes[2].StepDown(t.Context()))
		c.leads(0, 1)
	}
	c.change(func(r *raft.Raft) error { return r.RemoveServer(raft.ServerID(id), 0, 0).Error() })
	if got := c.nodes[c.leads(0, 1)].Status(); got.Members != 2 || got.FaultTolerance != 0 {
		t.Errorf("%+v", got)
	}
	if got := names(t, c.nodes[2], "service"); len(got) != 1 {
		t.Errorf("it serves %v", got)
	}
}

// TestStuckTransfer has raft refuse changes for too long because it gives leadership away.
func TestStuckTransfer(t *testing.T) {
	t.Parallel()
	cfg := quiet(Config{Dir: t.TempDir(), timing: brisk(), manual: true})
	cfg.timing.election = 10 * time.Millisecond
	n := start(t, cfg)
	m := n.store.member.Load()
	m.stuck(nil)
	for n.store.member.Load() == m {
		m.stuck(raft.ErrLeadershipTransferInProgress)
		if !sleep(t.Context(), time.Millisecond) {
			t.Fatal("it was not restarted")
		}
	}
	write(t, n, service("s", "http://a"))
}

// TestMemoryCluster has a member that keeps nothing.
func TestMemoryCluster(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3, func(i int, cfg *Config) { cfg.Memory = i > 0 })
	for i, n := range c.nodes {
		write(t, n, service(numbered("s", i), "http://a"))
	}
	c.same()
	n := c.nodes[1]
	cluster := *c.cfgs[1].Cluster
	cluster.Advertise = "localhost"
	must(t, n.Configure(&cluster)) // raft is restarted, and what it keeps in memory is not lost
	c.settled(1)
	c.same()
}
