package raftstorage

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/raft"

	"github.com/dgate-io/caddy-dgate/internal/resource"
	"github.com/dgate-io/caddy-dgate/internal/state"
)

// slowLink is a proxy in front of a port that lets bytes through at a certain rate.
func slowLink(t *testing.T, to string, bytesPerSecond int) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	var wg sync.WaitGroup
	var mu sync.Mutex
	var open []net.Conn
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		for _, c := range open {
			c.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
	copySlowly := func(dst, src net.Conn) {
		defer dst.Close()
		buf := make([]byte, 32<<10)
		for {
			n, err := src.Read(buf)
			if n > 0 {
				time.Sleep(time.Duration(n) * time.Second / time.Duration(bytesPerSecond)) // this is what it is for
				if _, err := dst.Write(buf[:n]); err != nil {
					return
				}
			}
			if err != nil {
				return
			}
		}
	}
	wg.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to)
			if err != nil {
				in.Close()
				continue
			}
			mu.Lock()
			open = append(open, in, out)
			mu.Unlock()
			wg.Go(func() { copySlowly(out, in) })
			wg.Go(func() { copySlowly(in, out) })
		}
	})
	return l.Addr().String()
}

// TestSlowLink lets a new member catch up over a link that needs longer for what raft would send at
// once than raft waits for an answer.
func TestSlowLink(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes 15 s")
	}
	t.Parallel()
	c := newCluster(t, 1)
	for i := range 100 {
		m := &resource.Module{Name: numbered("m", i), Namespace: "default", Payload: []byte(strings.Repeat("x", 700<<10))}
		op, err := state.Put(m, state.Condition{})
		must(t, err)
		write(t, c.nodes[0], op)
	}
	i := c.add()
	st := c.nodes[i].Status()
	link := slowLink(t, st.Address, 8<<20)
	c.change(func(r *raft.Raft) error {
		return r.AddNonvoter(raft.ServerID(st.ID), raft.ServerAddress(link), 0, time.Second).Error()
	})
	began := time.Now()
	for c.nodes[i].DB().Applied() < c.nodes[0].DB().Applied() {
		time.Sleep(10 * time.Millisecond) // it is a matter of time
		if time.Since(began) > 60*time.Second {
			t.Fatalf("at %d of %d", c.nodes[i].DB().Applied(), c.nodes[0].DB().Applied())
		}
	}
	t.Logf("caught up in %v", time.Since(began))
	c.same()
}

// TestStall has the disk of the leader hang: another one leads, and the first comes back.
func TestStall(t *testing.T) {
	t.Parallel()
	disks := make([]*hanging, 3)
	c := newCluster(t, 3, func(i int, cfg *Config) {
		disks[i] = &hanging{}
		cfg.faults = disks[i].between
		cfg.timing.stall = 300 * time.Millisecond
	})
	l := c.leads()
	write(t, c.nodes[l], service("before", "http://a"))
	release := disks[l].hang()
	failed := make(chan error, 1)
	go func() {
		_, err := c.nodes[l].Propose(t.Context(), service("hangs", "http://a"))
		failed <- err
	}()
	other := c.leads((l+1)%3, (l+2)%3)
	write(t, c.nodes[other], service("meanwhile", "http://a"))
	release()
	if err := <-failed; err != nil {
		t.Errorf("what hung: %v", err) // it was tried again with the new leader
	}
	c.settled(l)
	c.same()
}

// hanging is a disk that hangs.
type hanging struct {
	raft.LogStore
	raft.StableStore
	mu sync.Mutex // held while it hangs
}

func (h *hanging) between(logs raft.LogStore, stable raft.StableStore) (raft.LogStore, raft.StableStore) {
	h.LogStore, h.StableStore = logs, stable
	return h, h
}

func (h *hanging) hang() (release func()) {
	h.mu.Lock()
	return h.mu.Unlock
}

func (h *hanging) StoreLogs(logs []*raft.Log) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.LogStore.StoreLogs(logs)
}

// TestFarBehind lets a member catch up that needs a snapshot, and restarts it.
func TestFarBehind(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3)
	l := c.leads()
	f := c.follower()
	stop(t, c.nodes[f])
	for i := range 50 {
		write(t, c.nodes[l], service(numbered("s", i), "http://a"))
	}
	settings := c.raft(l).ReloadableConfig()
	settings.TrailingLogs = 1
	must(t, c.raft(l).ReloadConfig(settings))
	must(t, c.nodes[l].Snapshot())
	c.open(f)
	c.same()
	c.eventually("have the snapshot", func() bool {
		st := c.nodes[f].Status()
		return st.SnapshotIndex >= 50 && st.ClusterID == c.nodes[l].Status().ClusterID
	})
	stop(t, c.nodes[f])
	c.open(f)
	write(t, c.nodes[f], service("after", "http://a"))
	c.same()
}

// TestDiverged changes the state of a follower behind everybody's back.
func TestDiverged(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3, func(_ int, cfg *Config) { cfg.timing.compare = 50 * time.Millisecond })
	f := c.follower()
	write(t, c.nodes[f], service("s", "http://a"))
	c.same()
	// Another entry at the same index as the next one of the log.
	s := c.nodes[f].store
	op := service("wrong", "http://a")
	cmd := state.Command{ID: s.counter.next(s.session), Time: time.Now(), Ops: []state.Op{op}}
	data, err := cmd.Encode()
	must(t, err)
	s.applying.Lock()
	if o := s.db.Apply([]state.Entry{{Index: s.db.Applied() + 1, Term: s.db.AppliedTerm(), Data: data}}); o[0].Err != nil {
		t.Fatal(o[0].Err)
	}
	s.applying.Unlock()
	write(t, c.nodes[c.leads()], service("right", "http://a"))
	c.same()
	if got := names(t, c.nodes[f], "service"); len(got) != 2 || got[0] != "right" {
		t.Errorf("services %v", got)
	}
	c.eventually("be well again", func() bool { return c.nodes[f].Status().Diverged == "" })
}

func TestLogCache(t *testing.T) {
	store := raft.NewInmemStore()
	cache := newLogCache(store)
	for i := uint64(1); i <= 2*cachedEntries; i++ {
		data := []byte("small")
		if i%10 == 0 {
			data = make([]byte, cachedSize+1)
		}
		must(t, cache.StoreLog(&raft.Log{Index: i, Data: data}))
	}
	for i := uint64(1); i <= 2*cachedEntries; i++ {
		var got raft.Log
		if err := cache.GetLog(i, &got); err != nil || got.Index != i {
			t.Fatalf("entry %d: %v %v", i, got.Index, err)
		}
	}
	if cache.ring[(2*cachedEntries-4)%cachedEntries] != nil {
		t.Error("a large entry is kept")
	}
	must(t, cache.DeleteRange(2*cachedEntries-10, 2*cachedEntries))
	if err := cache.GetLog(2*cachedEntries, new(raft.Log)); !errors.Is(err, raft.ErrLogNotFound) {
		t.Errorf("deleted: %v", err)
	}
}

// TestStrangers has a member of another cluster with the same secret try to take over.
func TestStrangers(t *testing.T) {
	t.Parallel()
	a := newCluster(t, 2)
	b := &cluster{t: t, secret: a.secret, cuts: &cuts{}}
	b.add()
	term := a.raft(0).CurrentTerm()
	st := a.nodes[1].Status()
	b.change(func(r *raft.Raft) error {
		return r.AddNonvoter(raft.ServerID(st.ID), raft.ServerAddress(st.Address), 0, time.Second).Error()
	})
	for i := range 20 {
		write(t, b.nodes[0], service(numbered("b", i), "http://a"))
		write(t, a.nodes[0], service(numbered("a", i), "http://a"))
	}
	a.same()
	if got := names(t, a.nodes[1], "service"); len(got) != 20 || a.raft(0).CurrentTerm() != term {
		t.Errorf("%d services, term %d", len(got), a.raft(0).CurrentTerm())
	}
	err := b.nodes[0].store.call(t.Context(), st.Address, "compare", comparison{}, nil)
	if resource.CodeOf(err) != resource.Conflict || !strings.Contains(err.Error(), b.nodes[0].Status().ClusterID) {
		t.Errorf("asked: %v", err)
	}
}

// TestNudge tells followers what is agreed on at wrong times, and from servers that do not lead.
func TestNudge(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3)
	l := c.leads()
	term := c.raft(l).CurrentTerm()
	for i := range 20 {
		o := write(t, c.nodes[l], service(numbered("s", i), "http://a"))
		for j, n := range c.nodes {
			m := c.nodes[l].store.member.Load()
			for _, index := range []uint64{0, 1, o.Index - 1, o.Index, o.Index + 1, o.Index + 100} {
				m.sendNudge(n.store.id(), index)
				c.nodes[(l+1)%3].store.member.Load().sendNudge(n.store.id(), index)
			}
			if j != l {
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				if err := n.DB().Wait(ctx, o.Index); err != nil {
					t.Error(err)
				}
				cancel()
			}
		}
	}
	c.same()
	if got := c.raft(l).CurrentTerm(); got != term || c.leader() != l {
		t.Errorf("term %d became %d", term, got)
	}
}
