package raftstorage

import (
	"context"
	"fmt"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"

	"github.com/dgate-io/caddy-dgate/internal/resource"
	"github.com/dgate-io/caddy-dgate/internal/state"
)

// quick is a timing that lets tests of failures end soon.
func quick() *timing {
	t := *defaultTiming()
	t.leaderWait, t.propose, t.drain, t.retry = 500*time.Millisecond, 2*time.Second, 500*time.Millisecond, 5*time.Millisecond
	t.snapshotGap = 10 * time.Millisecond
	return &t
}

// start opens a node and closes it at the end of the test.
func start(t testing.TB, cfg Config) *Node {
	t.Helper()
	n := New(logged(t, cfg))
	if err := n.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, n) })
	return n
}

func logged(t testing.TB, cfg Config) Config {
	if cfg.Logger == nil {
		log := zaptest.NewLogger(t, zaptest.Level(zap.ErrorLevel))
		cfg.Logger = func() *zap.Logger { return log }
	}
	return cfg
}

func stop(t testing.TB, n *Node) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := n.Close(ctx); err != nil {
		t.Errorf("close: %v", err)
	}
}

func service(name, url string) state.Op {
	op, err := state.Put(&resource.Service{Name: name, Namespace: "default", URLs: []string{url}}, state.Condition{})
	if err != nil {
		panic(err)
	}
	return op
}

func write(t testing.TB, n *Node, ops ...state.Op) state.Outcome {
	t.Helper()
	o, err := n.Propose(t.Context(), ops...)
	if err != nil {
		t.Fatalf("propose: %v", err)
	}
	return o
}

// names lists what a node has of a kind.
func names(t testing.TB, n *Node, kind string) (all []string) {
	t.Helper()
	err := n.DB().View(func(r *state.Reader) error {
		for rec, err := range r.List(kind, "") {
			if err != nil {
				return err
			}
			all = append(all, rec.Key.Name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func numbered(prefix string, i int) string { return fmt.Sprintf("%s%05d", prefix, i) }

// quiet drops the log of a test that makes errors on purpose.
func quiet(cfg Config) Config {
	nop := zap.NewNop()
	cfg.Logger = func() *zap.Logger { return nop }
	return cfg
}
