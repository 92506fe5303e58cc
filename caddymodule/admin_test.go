package caddymodule

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dgate-io/caddy-dgate/adminext"
)

// TestReady: a node whose storage fails is not ready, and says why.
func TestReady(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	a := &App{node: newNode(nodeKey{dir: dir})}
	t.Cleanup(func() {
		if err := a.node.Destruct(); err != nil {
			t.Error(err)
		}
	})
	if err := a.node.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := a.Barrier(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := a.Ready(t.Context()); err != nil {
		t.Errorf("at first: %v", err)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	failed, ok := errors.AsType[adminext.StorageError](a.Ready(t.Context()))
	if !ok || !strings.Contains(failed.Error(), "was removed or replaced") {
		t.Errorf("without its directory: %v", failed)
	}
}
