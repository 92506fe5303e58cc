package raftstorage

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"

	"github.com/dgate-io/caddy-dgate/internal/state"
)

// filled makes a data directory with 30 services, a snapshot after 10 and another after 20, and
// returns what Status said last. The log begins behind the first snapshot if trim is set.
func filled(t *testing.T, dir string, trim bool) Status {
	t.Helper()
	n := New(logged(t, Config{Dir: dir}))
	if err := n.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i := range 30 {
		write(t, n, service(numbered("s", i), "http://a"))
		if i == 9 || i == 19 {
			if err := n.Snapshot(); err != nil {
				t.Fatal(err)
			}
		}
	}
	st := n.Status()
	stop(t, n)
	if trim {
		editLog(t, dir, func(logs *raftboltdb.BoltStore) error { return logs.DeleteRange(1, st.SnapshotIndex) })
	}
	return st
}

func editLog(t *testing.T, dir string, edit func(*raftboltdb.BoltStore) error) {
	t.Helper()
	logs, err := raftboltdb.New(raftboltdb.Options{Path: filepath.Join(dir, logFile), BoltOptions: logOptions(false)})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(edit(logs), logs.Close()); err != nil {
		t.Fatal(err)
	}
}

// snapshotFiles are the states of the snapshots in dir, oldest first.
func snapshotFiles(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, snapshotDir, "*", "state.bin"))
	if err != nil || len(files) != 2 {
		t.Fatalf("snapshots: %v %v", files, err)
	}
	return files
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// damage changes a byte in the middle of a file.
func damage(t *testing.T, path string) {
	t.Helper()
	data, err := os.ReadFile(path)
	must(t, err)
	data[len(data)/2] ^= 0x55
	must(t, os.WriteFile(path, data, 0o600))
}

func TestRecovery(t *testing.T) {
	tests := map[string]struct {
		trim   bool
		change func(t *testing.T, dir string)
		want   string // part of the error; "" means that everything is there
	}{
		"nothing happened":                 {},
		"nothing happened, log is trimmed": {trim: true},
		"state is gone": {trim: true, change: func(t *testing.T, dir string) {
			must(t, os.Remove(filepath.Join(dir, state.FileName)))
		}},
		"state is damaged": {trim: true, change: func(t *testing.T, dir string) {
			must(t, os.WriteFile(filepath.Join(dir, state.FileName), bytes.Repeat([]byte("x"), 50_000), 0o600))
		}},
		"state is cut off": {change: func(t *testing.T, dir string) {
			must(t, os.Truncate(filepath.Join(dir, state.FileName), 20_000))
		}},
		"the machine went down": {trim: true, change: func(t *testing.T, dir string) {
			must(t, os.WriteFile(filepath.Join(dir, "dirty"), []byte("another boot"), 0o600))
		}},
		"state is gone, newest snapshot is damaged, log is whole": {change: func(t *testing.T, dir string) {
			must(t, os.Remove(filepath.Join(dir, state.FileName)))
			damage(t, snapshotFiles(t, dir)[1])
		}},
		"state is gone, all snapshots are damaged, log is whole": {change: func(t *testing.T, dir string) {
			must(t, os.Remove(filepath.Join(dir, state.FileName)))
			for _, f := range snapshotFiles(t, dir) {
				damage(t, f)
			}
		}},
		"state is gone, newest snapshot is damaged, log is trimmed": {trim: true, change: func(t *testing.T, dir string) {
			must(t, os.Remove(filepath.Join(dir, state.FileName)))
			damage(t, snapshotFiles(t, dir)[1])
		}, want: "entries are missing"},
		"state and snapshots are gone, log is trimmed": {trim: true, change: func(t *testing.T, dir string) {
			must(t, os.Remove(filepath.Join(dir, state.FileName)))
			must(t, os.RemoveAll(filepath.Join(dir, snapshotDir)))
		}, want: "entries are missing"},
		"log is gone": {change: func(t *testing.T, dir string) {
			must(t, os.Remove(filepath.Join(dir, logFile)))
		}, want: "the log in"},
		"log is empty": {change: func(t *testing.T, dir string) {
			must(t, os.Truncate(filepath.Join(dir, logFile), 0))
		}, want: "the log in"},
		"log is gone after the machine went down": {change: func(t *testing.T, dir string) {
			must(t, os.Remove(filepath.Join(dir, logFile)))
			must(t, os.WriteFile(filepath.Join(dir, "dirty"), []byte("another boot"), 0o600))
			t.Cleanup(func() {
				if _, err := os.Stat(filepath.Join(dir, state.FileName)); err != nil {
					t.Errorf("the last copy is gone: %v", err)
				}
			})
		}, want: "the log in"},
		"log is not a database": {change: func(t *testing.T, dir string) {
			must(t, os.WriteFile(filepath.Join(dir, logFile), bytes.Repeat([]byte("x"), 50_000), 0o600))
		}, want: "is damaged and was left as it is"},
		"log is cut off": {change: func(t *testing.T, dir string) {
			must(t, os.Truncate(filepath.Join(dir, logFile), 20_000))
		}, want: "is damaged and was left as it is"},
		"an entry of the log is damaged": {change: func(t *testing.T, dir string) {
			editLog(t, dir, func(logs *raftboltdb.BoltStore) error {
				var e raft.Log
				err := logs.GetLog(25, &e)
				e.Data[len(e.Data)/2] ^= 1
				return errors.Join(err, logs.StoreLog(&e))
			})
		}, want: "entry 25: checksum"},
		"an entry of the log is missing": {change: func(t *testing.T, dir string) {
			editLog(t, dir, func(logs *raftboltdb.BoltStore) error { return logs.DeleteRange(25, 25) })
		}, want: "entry 25: log not found"},
		"log is an older one": {change: func(t *testing.T, dir string) {
			editLog(t, dir, func(logs *raftboltdb.BoltStore) error { return logs.DeleteRange(25, 100) })
		}, want: "do not belong together"},
		"state is that of another store": {change: func(t *testing.T, dir string) {
			other := t.TempDir()
			filled(t, other, false)
			must(t, os.Rename(filepath.Join(other, state.FileName), filepath.Join(dir, state.FileName)))
		}, want: "do not belong together"},
		"server id is that of another store": {change: func(t *testing.T, dir string) {
			must(t, os.WriteFile(filepath.Join(dir, serverIDFile), []byte("other-1\n"), 0o600))
		}, want: "do not belong together"},
		"server id is gone": {change: func(t *testing.T, dir string) {
			must(t, os.Remove(filepath.Join(dir, serverIDFile)))
		}, want: "server-id is missing"},
		"cluster id is gone": {change: func(t *testing.T, dir string) {
			must(t, os.Remove(filepath.Join(dir, clusterIDFile)))
		}},
		"a snapshot was not finished": {change: func(t *testing.T, dir string) {
			must(t, os.MkdirAll(filepath.Join(dir, snapshotDir, "9-9-9.tmp"), 0o700))
		}},
		"a stale lock file": {change: func(t *testing.T, dir string) {
			must(t, os.WriteFile(filepath.Join(dir, lockFile), []byte("1 2020-01-01T00:00:00Z\n"), 0o600))
		}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			before := filled(t, dir, tt.trim)
			if tt.change != nil {
				tt.change(t, dir)
			}
			log, err := os.ReadFile(filepath.Join(dir, logFile))
			if err != nil && !errors.Is(err, os.ErrNotExist) {
				t.Fatal(err)
			}
			n := New(quiet(Config{Dir: dir}))
			defer stop(t, n)
			err = n.Open(t.Context())
			if tt.want != "" {
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("got %v, want %q", err, tt.want)
				}
				after, err := os.ReadFile(filepath.Join(dir, logFile))
				if strings.Contains(tt.want, "was left") && (err != nil || !bytes.Equal(log, after)) {
					t.Error("the damaged log was changed")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			after := n.Status()
			if after.Hash != before.Hash || after.ID != before.ID || after.ClusterID != before.ClusterID {
				t.Errorf("before %+v\nafter  %+v", before, after)
			}
			if got := len(names(t, n, "service")); got != 30 {
				t.Errorf("%d services", got)
			}
			write(t, n, service("more", "http://a"))
		})
	}
}

// TestSnapshotsBySize writes until snapshots are taken and the log is shortened, by itself.
func TestSnapshotsBySize(t *testing.T) {
	dir := t.TempDir()
	n := New(logged(t, Config{Dir: dir, SnapshotBytes: 32 << 10, timing: quick()}))
	must(t, n.Open(t.Context()))
	sub := n.DB().Subscribe(0)
	large := "http://a/" + strings.Repeat("x", 20<<10)
	for i := 0; n.Status().SnapshotIndex == 0; i++ {
		write(t, n, service(numbered("s", i%50), large+numbered("", i)))
		if i > 5000 {
			t.Fatal("no snapshot")
		}
	}
	if _, _, err := sub.Next(t.Context()); err != nil {
		t.Error(err)
	}
	all := names(t, n, "service")
	hash := n.Status().Hash
	stop(t, n)
	must(t, os.Remove(filepath.Join(dir, state.FileName)))
	n = start(t, Config{Dir: dir})
	if diff := cmp.Diff(all, names(t, n, "service")); diff != "" || n.Status().Hash != hash {
		t.Errorf("after a rebuild (-want +got):\n%s", diff)
	}
}

func TestTrailing(t *testing.T) {
	for name, tt := range map[string]struct {
		entries, bytes int64
		want           uint64
	}{
		"nothing yet":   {0, 0, maxTrailing},
		"small entries": {1000, 256_000, maxTrailing},
		"large entries": {1000, 1000 * 256 << 10, minTrailing},
		"between":       {1000, 1000 * 16 << 10, 4096},
	} {
		var u upkeep
		u.entries.Store(tt.entries)
		u.bytes.Store(tt.bytes)
		if got := u.trailing(); got != tt.want {
			t.Errorf("%s: %d, want %d", name, got, tt.want)
		}
	}
}

func TestCompaction(t *testing.T) {
	dir := t.TempDir()
	n := New(logged(t, Config{Dir: dir}))
	must(t, n.Open(t.Context()))
	for i := range 40 {
		write(t, n, service(numbered("s", i), "http://a/"+strings.Repeat("x", 50<<10)))
	}
	must(t, n.Snapshot())
	snapshot := n.Status().SnapshotIndex
	write(t, n, service("last", "http://a"))
	hash := n.Status().Hash
	stop(t, n)
	editLog(t, dir, func(logs *raftboltdb.BoltStore) error { return logs.DeleteRange(1, snapshot) })
	before, err := os.Stat(filepath.Join(dir, logFile))
	must(t, err)
	n = start(t, Config{Dir: dir, compactSize: 1 << 20})
	after, err := os.Stat(filepath.Join(dir, logFile))
	must(t, err)
	if after.Size() > before.Size()/4 {
		t.Errorf("%d bytes before, %d after", before.Size(), after.Size())
	}
	write(t, n, service("more", "http://a"))
	if n.Status().Hash == hash || len(names(t, n, "service")) != 42 {
		t.Error("something is missing")
	}
	second := New(quiet(Config{Dir: dir}))
	defer stop(t, second)
	if err := second.Open(t.Context()); err == nil || !strings.Contains(err.Error(), "in use by process") {
		t.Errorf("second node on the compacted directory: %v", err)
	}
}

// TestHalt brings an entry of a newer version into the log. The node serves on, takes no writes,
// and keeps the entry for a version that understands it, across snapshots and restarts.
func TestHalt(t *testing.T) {
	dir := t.TempDir()
	n := New(quiet(Config{Dir: dir}))
	must(t, n.Open(t.Context()))
	write(t, n, service("s", "http://a"))
	future := n.store.member.Load().raft.Apply([]byte{0x7f, 1, 2, 3}, 0)
	must(t, future.Error())
	check := func(n *Node) {
		t.Helper()
		if st := n.Status(); !strings.Contains(st.Halted, "unknown format 127") {
			t.Errorf("halted: %q", st.Halted)
		}
		if diff := cmp.Diff([]string{"s"}, names(t, n, "service")); diff != "" {
			t.Errorf("services (-want +got):\n%s", diff)
		}
		if _, err := n.Propose(t.Context(), service("s2", "http://a")); err == nil || !strings.Contains(err.Error(), "read-only") {
			t.Errorf("proposal: %v", err)
		}
		if err := n.Snapshot(); err == nil || !strings.Contains(err.Error(), "stopped applying") {
			t.Errorf("snapshot: %v", err)
		}
	}
	check(n)
	stop(t, n)
	n = start(t, quiet(Config{Dir: dir}))
	_, err := n.store.leading.wait(t.Context())
	must(t, err)
	must(t, n.store.member.Load().raft.Barrier(0).Error())
	check(n)
}

// TestInterruptedBootstrap ends right after the first of the two writes that make a group.
func TestInterruptedBootstrap(t *testing.T) {
	dir := t.TempDir()
	editLog(t, dir, func(logs *raftboltdb.BoltStore) error { return logs.SetUint64(currentTerm, 1) })
	n := start(t, Config{Dir: dir})
	write(t, n, service("s", "http://a"))
}
