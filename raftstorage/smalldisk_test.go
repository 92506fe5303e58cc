//go:build linux

package raftstorage

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/dgate-io/caddy-dgate/internal/state"
)

// smallDisk mounts a disk of so many bytes at a new directory.
func smallDisk(t *testing.T, size int) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := syscall.Mount("dgate-test", dir, "tmpfs", 0, fmt.Sprintf("size=%d,mode=0700", size)); err != nil {
		t.Skipf("a small disk cannot be mounted: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	return dir
}

// leaveFree writes a file that leaves about so many bytes of a disk.
func leaveFree(t *testing.T, dir string, free int64) {
	t.Helper()
	path := filepath.Join(dir, "ballast")
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	var st syscall.Statfs_t
	must(t, syscall.Statfs(dir, &st))
	size := int64(st.Bavail)*st.Bsize - free
	if size <= 0 {
		return
	}
	f, err := os.Create(path)
	if state.NoSpace(err) {
		return
	}
	must(t, err)
	if _, err := io.CopyN(f, strings.NewReader(strings.Repeat("x", int(size))), size); err != nil && !state.NoSpace(err) {
		t.Fatal(err)
	}
	must(t, f.Close())
}

// TestSmallDisk has a cluster of three in which the disk of one is full from time to time, while it is
// restarted, gets entries, snapshots and backups. Its state never differs. With DGATE_FUZZ in the
// environment it is another story each time.
func TestSmallDisk(t *testing.T) {
	t.Parallel()
	seed := uint64(1)
	if os.Getenv("DGATE_FUZZ") != "" {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d", seed)
	core, logs := observer.New(zapcore.WarnLevel)
	d := &smallDisks{rnd: rand.New(rand.NewPCG(seed, 2)), disk: smallDisk(t, 24<<20), logs: logs}
	d.cluster = newCluster(t, 3, func(i int, cfg *Config) {
		cfg.timing.compare, cfg.timing.retry = 200*time.Millisecond, 5*time.Millisecond
		cfg.SnapshotEntries = 200
		if i == 2 {
			cfg.Dir = filepath.Join(d.disk, "data")
		}
	})
	d.cfgs[2].Logger = func() *zap.Logger { return zap.New(core) }
	d.reopen()
	steps := 25
	if testing.Short() {
		steps = 8
	}
	for range steps {
		d.step()
		d.check()
	}
	leaveFree(t, d.disk, 1<<30)
	must(t, syscall.Mount("", d.disk, "", syscall.MS_REMOUNT, fmt.Sprintf("size=%d", 256<<20)))
	d.reopen()
	defer func() { stop(t, d.nodes[2]) }()
	d.same()
	d.check()
	t.Logf("%d restarts, %d warnings", d.restarts, logs.Len())
}

// smallDisks is a cluster in which the last node has a small disk.
type smallDisks struct {
	*cluster
	rnd      *rand.Rand
	disk     string
	logs     *observer.ObservedLogs // of the last node
	closed   bool                   // it could not be opened
	restarts int
}

func (d *smallDisks) test() *testing.T { return d.t.(*testing.T) }

// step lets something happen.
func (d *smallDisks) step() {
	d.t.Helper()
	ctx := d.t.Context()
	switch d.rnd.IntN(9) {
	case 0, 1:
		leaveFree(d.test(), d.disk, int64(d.rnd.IntN(300))<<12)
	case 2:
		leaveFree(d.test(), d.disk, 1<<30)
	case 3, 4:
		d.restarts++
		d.reopen()
	case 5:
		var b bytes.Buffer
		if _, err := d.leading().Backup(ctx, &b); err != nil {
			d.t.Fatal(err)
		}
		if err := d.leading().Restore(ctx, &b); err != nil {
			d.t.Logf("restore: %v", err)
		}
	case 6:
		if err := d.leading().Snapshot(); err != nil {
			d.t.Logf("snapshot: %v", err)
		}
	default:
		for range d.rnd.IntN(150) {
			url := "http://a/" + strings.Repeat("x", d.rnd.IntN(1+d.rnd.IntN(20_000)))
			if _, err := d.leading().Propose(ctx, service(numbered("s", d.rnd.IntN(100)), url)); err != nil {
				d.t.Logf("proposal: %v", err)
			}
		}
	}
}

// reopen restarts the node with the small disk. Without space for a snapshot it stays closed.
func (d *smallDisks) reopen() {
	d.t.Helper()
	if !d.closed {
		stop(d.t, d.nodes[2])
	}
	n := New(d.cfgs[2])
	err := n.Open(d.t.Context())
	d.closed = err != nil
	switch {
	case err == nil:
		d.nodes[2] = n
	case !state.NoSpace(err) && !strings.Contains(err.Error(), "no space"):
		d.t.Fatal(err)
	default:
		stop(d.t, n)
	}
}

// leading is the leader, which is never the one with the small disk.
func (d *smallDisks) leading() (n *Node) {
	d.t.Helper()
	d.eventually("have a leader with space", func() bool {
		for _, n = range d.nodes[:2] {
			if n.Status().Role == Leader {
				return true
			}
		}
		if !d.closed && d.nodes[2].Status().Role == Leader {
			if err := d.nodes[2].Transfer(d.t.Context(), ""); err != nil {
				d.t.Logf("transfer: %v", err)
			}
		}
		return false
	})
	return n
}

// check holds that the state was never another one, and never thrown away.
func (d *smallDisks) check() {
	d.t.Helper()
	for _, e := range d.logs.All() {
		for _, wrong := range []string{"not that of its cluster", "is rebuilt", "were left out"} {
			if strings.Contains(e.Message, wrong) {
				d.t.Fatalf("%s %v", e.Message, e.ContextMap())
			}
		}
	}
}
