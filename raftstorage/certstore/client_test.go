package certstore

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// serving makes a storage and a client of it in a directory.
func serving(t *testing.T, dir string) (*Storage, *Client) {
	t.Helper()
	s, _ := on(t, dir)
	server, err := Serve(dir, s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		if _, err := Dial(context.Background(), dir); !errors.Is(err, ErrNobody) {
			t.Errorf("after the end: %v", err)
		}
	})
	c, err := Dial(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	return s, c
}

// TestClient does through the socket what can be done with a storage.
func TestClient(t *testing.T) {
	t.Parallel()
	dirs := map[string]string{"usual path": "d", "path that is too long for a socket": strings.Repeat("long/", 40)}
	for name, below := range dirs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), below)
			s, c := serving(t, dir)
			if info, err := os.Stat(filepath.Join(dir, SocketName)); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("the socket: %v, %v", info, err)
			}
			if err := c.Store(t.Context(), "a/b.key", []byte("secret")); err != nil {
				t.Fatal(err)
			}
			if got := load(t, s, "a/b.key"); got != "secret" {
				t.Errorf("stored %q", got)
			}
			if got, err := c.Load(t.Context(), "a/b.key"); string(got) != "secret" || err != nil {
				t.Errorf("load: %q, %v", got, err)
			}
			keys := []string{"", "a", "a/b.key", "none", "a/none"}
			if a, b := answers(t, s, keys), answers(t, c, keys); !slices.Equal(a, b) {
				t.Errorf("directly:    %q\nby the socket: %q", a, b)
			}
			if err := c.Store(t.Context(), "", nil); resource.CodeOf(err) != resource.BadRequest {
				t.Errorf("a bad key: %v", err)
			}
			if err := c.Store(t.Context(), "big", make([]byte, MaxValue)); err != nil {
				t.Errorf("the largest value: %v", err)
			}
			if err := c.Delete(t.Context(), "a"); err != nil {
				t.Error(err)
			}
			if _, err := c.Load(t.Context(), "a/b.key"); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("what was deleted: %v", err)
			}
		})
	}
}

func TestClientLocks(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, c := serving(t, dir)
	free := func(want bool) {
		t.Helper()
		ok, err := s.TryLock(t.Context(), "x")
		if ok != want || err != nil {
			t.Errorf("free %t, %v", ok, err)
		}
		if ok {
			if err := s.Unlock(t.Context(), "x"); err != nil {
				t.Error(err)
			}
		}
	}
	if err := c.Lock(t.Context(), "x"); err != nil {
		t.Fatal(err)
	}
	free(false)
	if ok, err := c.TryLock(t.Context(), "x"); ok || err != nil {
		t.Errorf("try: %t, %v", ok, err)
	}
	if err := c.RenewLockLease(t.Context(), "x", time.Minute); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := c.Lock(ctx, "x"); err == nil {
		t.Error("locked twice")
	}
	if err := c.Unlock(t.Context(), "x"); err != nil {
		t.Error(err)
	}
	free(true)

	// A process that ends gives back what it has.
	if ok, err := c.TryLock(t.Context(), "x"); !ok || err != nil {
		t.Fatalf("%t, %v", ok, err)
	}
	if err := c.locks["x"][0].body.Close(); err != nil {
		t.Error(err)
	}
	waiting, stop := context.WithTimeout(t.Context(), 10*time.Second)
	defer stop()
	if err := s.Lock(waiting, "x"); err != nil {
		t.Fatal(err)
	}
	if err := s.Unlock(t.Context(), "x"); err != nil {
		t.Error(err)
	}
	if err := c.Lock(t.Context(), "held until the server ends"); err != nil {
		t.Error(err)
	}
	t.Cleanup(func() { _ = c.Unlock(context.Background(), "held until the server ends") })
}
