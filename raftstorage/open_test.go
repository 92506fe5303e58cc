package raftstorage

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dgate-io/caddy-dgate/internal/resource"
	"github.com/dgate-io/caddy-dgate/internal/state"
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
