package raftstorage

import (
	"errors"
	"testing"
	"time"
)

// A node without a leader has nobody to wait for when it ends.
func TestCloseWithoutLeader(t *testing.T) {
	t.Parallel()
	ends := func(t *testing.T, n *Node) {
		t.Helper()
		began := time.Now()
		must(t, n.Close(t.Context()))
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("it took %s", took)
		}
	}
	t.Run("joining", func(t *testing.T) {
		t.Parallel()
		c := alone(t)
		i := c.add(joining, func(_ int, cfg *Config) { cfg.Cluster.Join = []string{freeAddress(t)} })
		c.eventually("say that it joins", func() bool { return c.nodes[i].Status().Joining != "" })
		ends(t, c.nodes[i])
	})
	t.Run("no quorum", func(t *testing.T) {
		t.Parallel()
		c := newCluster(t, 3, func(_ int, cfg *Config) { cfg.timing.drain, cfg.timing.leaderWait = 20*time.Second, 20*time.Second })
		stop(t, c.nodes[1])
		stop(t, c.nodes[2])
		c.eventually("have no leader", func() bool { return c.nodes[0].Status().Leader == "" })
		given := make(chan error, 1)
		go func() {
			_, err := c.nodes[0].Propose(t.Context(), service("waits", "http://a"))
			given <- err
		}()
		counter := &c.nodes[0].store.counter
		c.eventually("wait for a leader", func() bool {
			counter.mu.Lock()
			defer counter.mu.Unlock()
			return counter.count > 0
		})
		ends(t, c.nodes[0])
		if err := <-given; !errors.Is(err, ErrClosed) {
			t.Errorf("the change that waited: %v", err)
		}
	})
}
