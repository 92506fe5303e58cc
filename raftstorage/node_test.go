package raftstorage

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dgate-io/caddy-dgate/internal/resource"
	"github.com/dgate-io/caddy-dgate/internal/state"
	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/raft"
)

func TestRestart(t *testing.T) {
	dir := t.TempDir()
	n := New(logged(t, Config{Dir: dir}))
	if err := n.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"default"}, names(t, n, "namespace")); diff != "" {
		t.Errorf("namespaces of a new store (-want +got):\n%s", diff)
	}
	o := write(t, n, service("s", "http://a"))
	if n.DB().Applied() < o.Index {
		t.Error("not applied when Propose returned")
	}
	write(t, n, state.Delete(resource.Key{Kind: "service", Namespace: "default", Name: "s"}, state.Condition{}),
		state.Delete(resource.Key{Kind: "namespace", Name: "default"}, state.Condition{}))
	before := n.Status()
	stop(t, n)
	if _, err := os.Stat(filepath.Join(dir, lockFile)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the lock is still there: %v", err)
	}

	n = start(t, Config{Dir: dir})
	if got := names(t, n, "namespace"); got != nil {
		t.Errorf("a deleted namespace came back: %v", got)
	}
	after := n.Status()
	if after.ID != before.ID || after.ClusterID != before.ClusterID || after.Hash != before.Hash {
		t.Errorf("before %+v\nafter %+v", before, after)
	}
}

// TestReadsWithoutLeader opens a store whose raft cannot elect anybody, because it cannot write.
func TestReadsWithoutLeader(t *testing.T) {
	dir := t.TempDir()
	n := New(logged(t, Config{Dir: dir}))
	if err := n.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	write(t, n, service("s", "http://a"))
	stop(t, n)

	disk := &disk{}
	disk.fail(errors.New("no space left"))
	n = start(t, quiet(Config{Dir: dir, faults: disk.between, timing: quick()}))
	if diff := cmp.Diff([]string{"s"}, names(t, n, "service")); diff != "" {
		t.Errorf("services (-want +got):\n%s", diff)
	}
	<-disk.failed
	if _, err := n.Propose(t.Context(), service("s2", "http://a")); resource.CodeOf(err) != resource.NoLeader {
		t.Errorf("proposal: %v", err)
	}
	if st := n.Status(); !strings.Contains(st.StorageFailed, "no space left") || st.Leader != "" {
		t.Errorf("%+v", st)
	}
	disk.fail(nil)
	if err := n.store.leading.wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	write(t, n, service("s2", "http://a"))
	if st := n.Status(); st.StorageFailed != "" || st.Role != Leader || st.Leader != st.ID {
		t.Errorf("afterwards: %+v", st)
	}
}

// TestDiskFailsWhileWriting: a proposal waits for the disk, others are refused, and closing does
// not wait for it.
func TestDiskFailsWhileWriting(t *testing.T) {
	for name, recovers := range map[string]bool{"and works again": true, "for ever": false} {
		t.Run(name, func(t *testing.T) {
			disk := &disk{}
			n := start(t, quiet(Config{Dir: t.TempDir(), faults: disk.between, timing: quick()}))
			disk.fail(errors.New("input/output error"))
			answered := make(chan error)
			go func() {
				_, err := n.Propose(context.Background(), service("s", "http://a"))
				answered <- err
			}()
			<-disk.failed
			if recovers {
				disk.fail(nil)
				if err := <-answered; err != nil {
					t.Error(err)
				}
				return
			}
			if err := <-answered; resource.CodeOf(err) != resource.OutcomeUnknown {
				t.Errorf("got %v", err)
			}
			if _, err := n.Propose(t.Context(), service("s2", "http://a")); resource.CodeOf(err) != resource.NoLeader || !strings.Contains(err.Error(), "input/output error") {
				t.Errorf("another one: %v", err)
			}
		})
	}
}

// disk fails on demand.
type disk struct {
	raft.LogStore
	raft.StableStore
	mu     sync.Mutex
	err    error
	failed chan struct{} // closed at the first failure
}

func (d *disk) between(logs raft.LogStore, stable raft.StableStore) (raft.LogStore, raft.StableStore) {
	d.LogStore, d.StableStore = logs, stable
	return d, d
}

func (d *disk) fail(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.err = err
	if err != nil {
		d.failed = make(chan struct{})
	}
}

func (d *disk) check() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.err != nil && d.failed != nil {
		select {
		case <-d.failed:
		default:
			close(d.failed)
		}
	}
	return d.err
}

func (d *disk) StoreLogs(logs []*raft.Log) error {
	return errors.Join(d.check(), ifNil(d.check(), func() error { return d.LogStore.StoreLogs(logs) }))
}

// SetUint64 saves terms even while the disk fails: raft does that when it starts.
func (d *disk) SetUint64(key []byte, v uint64) error {
	if bytes.Equal(key, currentTerm) {
		return d.StableStore.SetUint64(key, v)
	}
	return errors.Join(d.check(), ifNil(d.check(), func() error { return d.StableStore.SetUint64(key, v) }))
}

func ifNil(err error, f func() error) error {
	if err != nil {
		return nil
	}
	return f()
}

func TestConcurrentProposals(t *testing.T) {
	n := start(t, Config{Dir: t.TempDir()})
	var wg sync.WaitGroup
	for i := range 200 {
		wg.Go(func() {
			if _, err := n.Propose(t.Context(), service(numbered("s", i), "http://a")); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := len(names(t, n, "service")); got != 200 {
		t.Errorf("%d services", got)
	}
}

func TestRefusedProposals(t *testing.T) {
	n := start(t, Config{Dir: t.TempDir()})
	tests := map[string]struct {
		ops  []state.Op
		code resource.Code
		text string
	}{
		"nothing": {nil, resource.BadRequest, "there is nothing to change"},
		"absent":  {[]state.Op{state.Delete(resource.Key{Kind: "service", Namespace: "default", Name: "x"}, state.Condition{})}, resource.NotFound, "service not found: x"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := n.Propose(t.Context(), tt.ops...)
			if resource.CodeOf(err) != tt.code || err.Error() != tt.text {
				t.Errorf("got %v", err)
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := n.Propose(ctx, service("s", "http://a")); err == nil {
		t.Error("accepted from somebody who is gone")
	}
}

func TestLargeProposals(t *testing.T) {
	n := start(t, Config{Dir: t.TempDir()})
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			m := &resource.Module{Name: numbered("m", i%2), Namespace: "default", Payload: []byte(strings.Repeat("abcdefg\n", resource.MaxModuleSize/8))}
			op, err := state.Put(m, state.Condition{})
			if err != nil {
				t.Error(err)
			}
			if _, err := n.Propose(t.Context(), op); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := names(t, n, "module"); len(got) != 2 {
		t.Errorf("modules: %v", got)
	}
}

func TestOverload(t *testing.T) {
	var c counter
	for range maxInFlight {
		if err := c.admit(1); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.admit(1); resource.CodeOf(err) != resource.Overloaded {
		t.Errorf("too many: %v", err)
	}
	c.done(1)
	if err := c.admit(maxInFlightBytes); resource.CodeOf(err) != resource.Overloaded {
		t.Errorf("too large: %v", err)
	}
	if err := c.admit(1); err != nil {
		t.Errorf("after one was done: %v", err)
	}
}

func TestMemory(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	n := New(logged(t, Config{Memory: true}))
	if err := n.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		write(t, n, service(numbered("s", i), "http://a"))
	}
	if err := n.Snapshot(); err != nil {
		t.Error(err)
	}
	write(t, n, service("s", "http://a"))
	stop(t, n)
	left, err := os.ReadDir(os.Getenv("TMPDIR"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

func TestOpenAndClose(t *testing.T) {
	t.Run("New does no I/O", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "data")
		n := New(Config{Dir: dir})
		if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("got %v", err)
		}
		if n.DB() != nil || n.Status() != (Status{}) {
			t.Error("there is something before Open")
		}
		if _, err := n.Propose(t.Context(), service("s", "http://a")); !errors.Is(err, ErrNotOpen) {
			t.Errorf("proposal: %v", err)
		}
		stop(t, n)
		if err := n.Open(t.Context()); !errors.Is(err, ErrClosed) {
			t.Errorf("Open after Close: %v", err)
		}
	})
	t.Run("from many goroutines", func(t *testing.T) {
		n := New(logged(t, Config{Dir: t.TempDir()}))
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				if err := n.Open(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		for range 8 {
			wg.Go(func() { stop(t, n) })
		}
		wg.Wait()
		if _, err := n.Propose(t.Context(), service("s", "http://a")); !errors.Is(err, ErrClosed) || resource.CodeOf(err) != resource.NoLeader {
			t.Errorf("proposal: %v", err)
		}
		if err := n.Snapshot(); !errors.Is(err, ErrClosed) {
			t.Errorf("snapshot: %v", err)
		}
	})
	t.Run("the caller's context ends", func(t *testing.T) {
		n := New(logged(t, Config{Dir: t.TempDir()}))
		defer stop(t, n)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := n.Open(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		if err := n.Open(t.Context()); err != nil {
			t.Errorf("again: %v", err)
		}
	})
	t.Run("closed while it opens", func(t *testing.T) {
		n := New(logged(t, Config{Dir: t.TempDir()}))
		opened := make(chan error)
		go func() { opened <- n.Open(t.Context()) }()
		stop(t, n)
		<-opened
	})
	t.Run("closed while there are proposals", func(t *testing.T) {
		n := New(logged(t, Config{Dir: t.TempDir()}))
		if err := n.Open(t.Context()); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for i := range 16 {
			wg.Go(func() {
				for {
					_, err := n.Propose(t.Context(), service(numbered("s", i), "http://a"+time.Now().String()[20:27]))
					if errors.Is(err, ErrClosed) {
						return
					}
					if err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		write(t, n, service("s", "http://a"))
		stop(t, n)
		wg.Wait()
	})
	t.Run("the directory cannot be made, and then it can", func(t *testing.T) {
		parent := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(parent, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		n := New(logged(t, Config{Dir: filepath.Join(parent, "data")}))
		defer stop(t, n)
		if err := n.Open(t.Context()); err == nil {
			t.Error("opened")
		}
		if err := os.Remove(parent); err != nil {
			t.Fatal(err)
		}
		if err := n.Open(t.Context()); err != nil {
			t.Errorf("again: %v", err)
		}
	})
	t.Run("no directory", func(t *testing.T) {
		n := New(Config{})
		if err := n.Open(t.Context()); err == nil {
			t.Error("opened")
		}
	})
}

func TestPermissions(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	n := start(t, Config{Dir: dir})
	write(t, n, service("s", "http://a"))
	if err := n.Snapshot(); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
