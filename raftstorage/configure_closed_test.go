package raftstorage

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/raft"
)

// A closed node cannot be configured, and says so at once.
func TestConfigureAfterClose(t *testing.T) {
	t.Parallel()
	n := start(t, Config{Dir: t.TempDir(), timing: quick()})
	s := n.store
	stop(t, n)
	for what, configure := range map[string]func() error{
		"the node":              func() error { return n.Configure(&Cluster{Listen: "127.0.0.1:0"}) },
		"one that closes later": func() error { return s.configure((&Cluster{Listen: "127.0.0.1:0"}).withDefaults()) },
	} {
		done := make(chan error, 1)
		go func() { done <- configure() }()
		select {
		case err := <-done:
			if !errors.Is(err, ErrClosed) {
				t.Errorf("%s: %v", what, err)
			}
		case <-time.After(10 * time.Second):
			t.Errorf("%s: it hangs", what)
		}
	}
}

// brokenSnapshots are snapshots on a disk that cannot be read.
type brokenSnapshots struct{ raft.SnapshotStore }

func (brokenSnapshots) List() ([]*raft.SnapshotMeta, error) {
	return nil, errors.New("the disk is gone")
}

// Raft that cannot be started again after it was stopped is started as soon as that works, and status
// says so until then.
func TestRaftIsRevived(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1)
	n := c.nodes[0]
	sound := n.store.snaps
	n.store.snaps = &snapshots{SnapshotStore: brokenSnapshots{sound}}
	if err := n.store.restart(func() error { return nil }); err == nil {
		t.Fatal("it was started")
	}
	if why := n.Status().Joining; !strings.Contains(why, "cannot be started again") || !strings.Contains(why, "the disk is gone") {
		t.Errorf("status says %q", why)
	}
	n.store.configuring.Lock()
	n.store.snaps = sound
	n.store.configuring.Unlock()
	write(t, n, service("a", "http://a"))
	if why := n.Status().Joining; why != "" {
		t.Errorf("status says %q", why)
	}
}
