package raftstorage

import (
	"testing"
	"time"
)

// A node without a leader has nobody to wait for when it ends.
func TestCloseWithoutLeader(t *testing.T) {
	t.Parallel()
	ends := func(t *testing.T, n *Node) {
		t.Helper()
		_, _ = n.TryLock(t.Context(), "x") // which has a session made, if there is anybody to make it
		began := time.Now()
		must(t, n.Close(t.Context()))
		if took := time.Since(began); took > time.Second {
			t.Errorf("it took %s", took)
		}
	}
	t.Run("joining", func(t *testing.T) {
		t.Parallel()
		c := alone(t)
		i := c.add(joining, func(_ int, cfg *Config) {
			cfg.Cluster.Join, cfg.timing.drain, cfg.timing.leaderWait = []string{freeAddress(t)}, 2*time.Second, 100*time.Millisecond
		})
		c.eventually("say that it joins", func() bool { return c.nodes[i].Status().Joining != "" })
		ends(t, c.nodes[i])
	})
	t.Run("no quorum", func(t *testing.T) {
		t.Parallel()
		c := newCluster(t, 3, func(_ int, cfg *Config) {
			cfg.timing.drain, cfg.timing.leaderWait = 2*time.Second, 100*time.Millisecond
		})
		stop(t, c.nodes[1])
		stop(t, c.nodes[2])
		c.eventually("have no leader", func() bool { return c.nodes[0].Status().Leader == "" })
		ends(t, c.nodes[0])
	})
}
