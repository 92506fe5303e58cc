package raftstorage

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dgate-io/caddy-dgate/internal/resource"
	"github.com/dgate-io/caddy-dgate/internal/state"
)

// behind makes a data directory whose log has service s2, and whose state has only s1.
func behind(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	path := filepath.Join(dir, state.FileName)
	var before []byte
	for _, name := range []string{"s1", "s2"} {
		n := New(logged(t, Config{Dir: dir}))
		must(t, n.Open(t.Context()))
		write(t, n, service(name, "http://a"))
		stop(t, n)
		if before == nil {
			var err error
			before, err = os.ReadFile(path)
			must(t, err)
		}
	}
	must(t, os.WriteFile(path, before, 0o600))
	return dir
}

// plug makes the disk full for one of the small files in dir, until what it returns is removed.
func plug(t *testing.T, dir, name string) string {
	t.Helper()
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("there is no /dev/full")
	}
	path := filepath.Join(dir, name+".new")
	must(t, os.Symlink("/dev/full", path))
	return path
}

// soon opens a node whose disk fails, and must not wait for the disk.
func soon(t *testing.T, cfg Config) (*Node, error) {
	t.Helper()
	cfg.timing = defaultTiming()
	cfg.timing.retry = 5 * time.Millisecond
	n := New(quiet(cfg))
	t.Cleanup(func() { stop(t, n) })
	began := time.Now()
	err := n.Open(t.Context())
	if took := time.Since(began); took > 4*time.Second { // it would be 5, 10 or 20 otherwise
		t.Errorf("it took %v", took)
	}
	return n, err
}

// TestBehindOnFailingDisk opens a store that has to catch up and cannot. It serves what it has,
// says what is wrong, and catches up when it can.
func TestBehindOnFailingDisk(t *testing.T) {
	broken := errors.New("no space left")
	tests := map[string]func(t *testing.T, dir string) (cfg Config, mend func()){
		"the term": func(_ *testing.T, dir string) (Config, func()) {
			d := &disk{}
			d.fail(broken)
			return Config{Dir: dir, faults: d.between}, func() { d.fail(nil) }
		},
		"the log": func(_ *testing.T, dir string) (Config, func()) {
			d := &disk{terms: true}
			d.fail(broken)
			return Config{Dir: dir, faults: d.between}, func() { d.fail(nil) }
		},
		"the state": func(t *testing.T, dir string) (Config, func()) {
			file := plug(t, dir, "dirty")
			return Config{Dir: dir}, func() { must(t, os.Remove(file)) }
		},
	}
	for name, fail := range tests {
		t.Run(name, func(t *testing.T) {
			cfg, mend := fail(t, behind(t))
			n, err := soon(t, cfg)
			must(t, err)
			if diff := cmp.Diff([]string{"s1"}, names(t, n, "service")); diff != "" {
				t.Errorf("services (-want +got):\n%s", diff)
			}
			_, err = n.Propose(t.Context(), service("s3", "http://a"))
			if resource.CodeOf(err) != resource.NoLeader || !strings.Contains(err.Error(), "no space left") || !strings.Contains(err.Error(), "free space") {
				t.Errorf("proposal: %v", err)
			}
			if st := n.Status(); !strings.Contains(st.StorageFailed, "no space left") {
				t.Errorf("%+v", st)
			}
			if err := n.Snapshot(); resource.CodeOf(err) != resource.NoLeader {
				t.Errorf("snapshot: %v", err)
			}
			mend()
			must(t, n.Barrier(t.Context()))
			if diff := cmp.Diff([]string{"s1", "s2"}, names(t, n, "service")); diff != "" {
				t.Errorf("services afterwards (-want +got):\n%s", diff)
			}
		})
	}
}

// TestNewOnFailingDisk: a new store has nothing to serve, so it says at once what is wrong.
func TestNewOnFailingDisk(t *testing.T) {
	t.Run("the log", func(t *testing.T) {
		d := &disk{}
		d.fail(errors.New("no space left"))
		if _, err := soon(t, Config{Dir: t.TempDir(), faults: d.between}); err == nil || !strings.Contains(err.Error(), "no space left") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("the file of the log", func(t *testing.T) {
		dir := t.TempDir()
		path := filepath.Join(dir, logFile)
		must(t, os.Rename(plug(t, dir, "x"), path))
		n, err := soon(t, Config{Dir: dir})
		if !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("got %v", err)
		}
		if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("what was begun is still there: %v", err)
		}
		must(t, n.Open(t.Context())) // with space
	})
	t.Run("the log, after the group was begun", func(t *testing.T) {
		dir := t.TempDir()
		s := &store{cfg: Config{Dir: dir}.withDefaults(), stop: make(chan struct{})}
		must(t, s.openFiles())
		must(t, s.close())
		d := &disk{terms: true}
		d.fail(errors.New("no space left"))
		if _, err := soon(t, Config{Dir: dir, faults: d.between}); err == nil || !strings.Contains(err.Error(), "no space left") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("the state", func(t *testing.T) {
		dir := t.TempDir()
		plug(t, dir, "dirty")
		if _, err := soon(t, Config{Dir: dir}); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("got %v", err)
		}
	})
}

// TestSmallFilesOnFullDisk: what only tells or copies something is done without.
func TestSmallFilesOnFullDisk(t *testing.T) {
	dir := t.TempDir()
	filled(t, dir, false)
	must(t, os.Remove(filepath.Join(dir, clusterIDFile)))
	plug(t, dir, clusterIDFile)
	plug(t, dir, lockFile)
	n, err := soon(t, Config{Dir: dir})
	must(t, err)
	if got := len(names(t, n, "service")); got != 30 {
		t.Errorf("%d services", got)
	}
}

// TestDirectoryRemoved takes the directory away from under a node.
func TestDirectoryRemoved(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	n := start(t, quiet(Config{Dir: dir, timing: quick()}))
	write(t, n, service("s1", "http://a"))
	away := dir + ".away"
	refused := func(n *Node) {
		t.Helper()
		_, err := n.Propose(t.Context(), service("s2", "http://a"))
		for what, err := range map[string]error{"proposal": err, "snapshot": n.Snapshot(), "raft's snapshot": n.store.member.Load().raft.Snapshot().Error()} {
			if err == nil || !strings.Contains(err.Error(), "was removed or replaced") {
				t.Errorf("%s: %v", what, err)
			}
		}
		if st := n.Status(); !strings.Contains(st.StorageFailed, "was removed or replaced") {
			t.Errorf("%+v", st)
		}
	}
	must(t, os.Rename(dir, away))
	refused(n)
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the directory was made again: %v", err)
	}
	must(t, os.Mkdir(dir, 0o700))
	must(t, os.WriteFile(filepath.Join(dir, logFile), nil, 0o600))
	refused(n)
	must(t, os.RemoveAll(dir))
	must(t, os.Rename(away, dir)) // put back, it is as before
	write(t, n, service("s3", "http://a"))
	must(t, n.Snapshot())
	must(t, os.RemoveAll(dir))
	refused(n)
}
