package raftstorage

import (
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/raft"
)

// fullDisk is a disk on which nothing can be written while it is full.
type fullDisk struct {
	raft.LogStore
	raft.StableStore
	full atomic.Bool
}

func (d *fullDisk) between(logs raft.LogStore, stable raft.StableStore) (raft.LogStore, raft.StableStore) {
	d.LogStore, d.StableStore = logs, stable
	return d, d
}

func (d *fullDisk) StoreLogs(logs []*raft.Log) error {
	if d.full.Load() {
		return syscall.ENOSPC
	}
	return d.LogStore.StoreLogs(logs)
}

// A disk that is full says so for certain, and is not waited for as long as one that hangs.
func TestFullDiskOfTheLeader(t *testing.T) {
	t.Parallel()
	disks := make([]*fullDisk, 3)
	c := newCluster(t, 3, func(i int, cfg *Config) {
		disks[i] = &fullDisk{}
		cfg.faults = disks[i].between
		cfg.timing.election = time.Second
	})
	l := c.leads()
	disks[l].full.Store(true)
	began := time.Now()
	failed := make(chan error, 1)
	go func() {
		_, err := c.nodes[l].Propose(t.Context(), service("fails", "http://a"))
		failed <- err
	}()
	other := c.leads((l+1)%3, (l+2)%3)
	write(t, c.nodes[other], service("meanwhile", "http://a"))
	if gap := time.Since(began); gap > 5*time.Second {
		t.Errorf("nobody took changes for %s", gap)
	} else {
		t.Log("gap", gap)
	}
	disks[l].full.Store(false)
	<-failed
	c.settled(l)
	c.same()
}
