package certstore

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/dgate-io/caddy-dgate/internal/keyring"
	"github.com/dgate-io/caddy-dgate/internal/state"
	"github.com/dgate-io/caddy-dgate/raftstorage"
)

// TestMain looks for goroutines that nobody has ended, but for those of the file storage.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/caddyserver/certmagic.keepLockfileFresh"))
}

// counting is a node that counts what is asked of others.
type counting struct {
	*raftstorage.Node
	proposals, barriers atomic.Int64
}

func (c *counting) Propose(ctx context.Context, ops ...state.Op) (state.Outcome, error) {
	c.proposals.Add(1)
	return c.Node.Propose(ctx, ops...)
}

func (c *counting) Barrier(ctx context.Context) error {
	c.barriers.Add(1)
	return c.Node.Barrier(ctx)
}

// open makes a storage on a node of its own.
func open(t testing.TB) (*Storage, *counting) {
	t.Helper()
	return on(t, t.TempDir())
}

func on(t testing.TB, dir string) (*Storage, *counting) {
	t.Helper()
	n := &counting{Node: raftstorage.New(raftstorage.Config{Dir: dir})}
	if err := n.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { shut(t, n) })
	return New(n, keyring.New(n, keyring.Source{File: dir + "/" + keyring.FileName})), n
}

func shut(t testing.TB, n *counting) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := n.Close(ctx); err != nil {
		t.Error(err)
	}
}

func store(t testing.TB, s *Storage, key, value string) {
	t.Helper()
	if err := s.Store(t.Context(), key, []byte(value)); err != nil {
		t.Fatal(err)
	}
}

func load(t testing.TB, s *Storage, key string) string {
	t.Helper()
	value, err := s.Load(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	return string(value)
}
