package raftstorage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/dgate-io/caddy-dgate/internal/resource"
	"github.com/dgate-io/caddy-dgate/internal/state"
)

// TestRestoreInACluster: a follower restores a backup of another cluster while others write; all
// nodes have the same afterwards, one that was away too, and keep it over restarts.
func TestRestoreInACluster(t *testing.T) {
	t.Parallel()
	other := start(t, quiet(Config{Dir: t.TempDir(), timing: quick()}))
	write(t, other, service("restored", "http://a"), big(t, "m", 600<<10))
	want := contents(t, other)
	data := backup(t, other)

	c := newCluster(t, 3)
	lead, follower := c.leads(), c.follower()
	away := 3 - lead - follower
	write(t, c.nodes[lead], service("gone", "http://a"))
	write(t, c.nodes[lead], state.Op{Key: resource.Key{Kind: state.Setting, Name: "own"}, Data: []byte("x")})
	id := c.nodes[lead].Status().ClusterID
	c.isolate(away, true)

	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for j := 0; ctx.Err() == nil; j++ {
				_, err := c.nodes[lead].Propose(ctx, service(fmt.Sprintf("w%d-%d", i, j), "http://a"))
				if err != nil && ctx.Err() == nil {
					t.Errorf("write: %v", err)
				}
			}
		})
	}
	err := c.nodes[follower].Restore(t.Context(), bytes.NewReader(data))
	cancel()
	wg.Wait()
	if err != nil {
		t.Fatal(err)
	}
	c.isolate(away, false)
	for i := range c.nodes {
		c.settled(i)
	}
	c.same()
	check := func() {
		t.Helper()
		for i, n := range c.nodes {
			have := contents(t, n)
			for key, data := range want {
				if have[key] != data {
					t.Errorf("node %d: %s is not as it was", i, key)
				}
			}
			if _, ok := have[resource.Key{Kind: "service", Namespace: "default", Name: "gone"}]; ok {
				t.Errorf("node %d has what was not in the backup", i)
			}
			if got := names(t, n, state.Setting); !slices.Contains(got, "own") || !slices.Contains(got, "restored") {
				t.Errorf("node %d: settings are %v", i, got)
			}
			if parts := names(t, n, state.Part); len(parts) > 0 {
				t.Errorf("node %d has parts: %v", i, parts)
			}
			if n.Status().ClusterID != id {
				t.Errorf("node %d is of cluster %s", i, n.Status().ClusterID)
			}
		}
	}
	check()
	for i, n := range c.nodes {
		stop(t, n)
		c.open(i)
	}
	for i := range c.nodes {
		c.settled(i)
	}
	c.same()
	check()
}

// TestRestoreWithoutAMajority: nothing happens, soon, and what was brought into the log is removed
// when there is a majority again.
func TestRestoreWithoutAMajority(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3)
	lead := c.leads()
	write(t, c.nodes[lead], service("a", "http://a"))
	for i := range c.nodes {
		c.settled(i)
	}
	data := backup(t, c.nodes[lead])
	for i := range c.nodes {
		c.isolate(i, true)
	}
	for i, n := range c.nodes {
		c.eventually("notice that there is no majority", func() bool { return n.Status().Leader == "" })
		if got := backup(t, n); len(got) == 0 {
			t.Errorf("node %d: no backup", i)
		}
	}
	if err := c.nodes[lead].Restore(t.Context(), bytes.NewReader(data)); resource.CodeOf(err) != resource.NoLeader {
		t.Errorf("without a majority: %v", err)
	}
	for i := range c.nodes {
		c.isolate(i, false)
	}
	c.leads()
	for i, n := range c.nodes {
		c.settled(i)
		if parts := names(t, n, state.Part); len(parts) > 0 {
			t.Errorf("node %d has parts: %v", i, parts)
		}
	}
}

// TestRestoreWhileLeadersChange: it is done, or it is not, on all nodes alike, and the answer says
// which.
func TestRestoreWhileLeadersChange(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3)
	asked := c.leads()
	write(t, c.nodes[asked], service("kept", "http://a"), big(t, "m", 3<<20))
	data := backup(t, c.nodes[asked])
	write(t, c.nodes[asked], service("gone", "http://a"))
	ctx, cancel := context.WithCancel(t.Context())
	moved := make(chan int)
	go func() {
		n := 0
		defer func() { moved <- n }()
		for ctx.Err() == nil && n < 3 {
			i := c.leader()
			if i < 0 {
				continue
			}
			if c.raft(i).LeadershipTransfer().Error() == nil {
				n++
			}
			sleep(ctx, c.cfgs[0].timing.election/2)
		}
	}()
	err := c.nodes[asked].Restore(t.Context(), bytes.NewReader(data))
	cancel()
	t.Logf("leadership moved %d times: %v", <-moved, err)
	for i := range c.nodes {
		c.settled(i)
	}
	c.same()
	_, gone := contents(t, c.nodes[0])[resource.Key{Kind: "service", Namespace: "default", Name: "gone"}]
	if (err == nil) == gone && !errors.Is(err, context.Canceled) {
		t.Errorf("the answer was %v, and what should be gone is there: %v", err, gone)
	}
}
