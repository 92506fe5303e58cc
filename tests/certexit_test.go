package tests

import (
	"context"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dgate-io/caddy-dgate/internal/state"
	"github.com/dgate-io/caddy-dgate/raftstorage"
	"github.com/dgate-io/caddy-dgate/tests/harness"
)

// ordering is a site whose certificate never comes: the authority does not answer.
const ordering = `{
	admin {$ADMIN_ADDR}
	default_bind 127.0.0.1
	http_port {$HTTP_PORT}
	https_port {$HTTPS_PORT}
	skip_install_trust
	storage dgate
	dgate {
		tags {$ROUND:first}
	}
}

https://ordered.test:{$HTTPS_PORT} {
	tls {
		issuer acme {
			dir https://{$AUTHORITY}/directory
		}
	}
	respond "ok"
}

https://internal.test:{$HTTPS_PORT} {
	tls internal
	respond "ok"
}
`

// locks are the locks that a stopped Caddy has left behind.
func locks(t *testing.T, c *harness.Caddy) (names []string) {
	t.Helper()
	n := raftstorage.New(raftstorage.Config{Dir: filepath.Join(c.Env()["XDG_DATA_HOME"], "caddy", "dgate")})
	ctx, cancel := context.WithTimeout(t.Context(), harness.Patience)
	defer cancel()
	if err := n.Open(ctx); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := n.Close(ctx); err != nil {
			t.Error(err)
		}
	}()
	err := n.DB().View(func(r *state.Reader) error {
		for rec, err := range r.List(state.Lock, "") {
			if err != nil {
				return err
			}
			names = append(names, rec.Key.Name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// TestExitWhileOrdering stops a Caddy that is obtaining a certificate, and reloads it before that. The
// lock is given back after the configuration that had it is gone, at the latest when Caddy exits.
func TestExitWhileOrdering(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	c := harness.New(t, ordering)
	c.Setenv("AUTHORITY", silent.Addr().String())
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	root := authority(t, c)
	leaf := handshake(t, c, "internal.test", root)
	if err := c.AwaitLog(`obtaining certificate.*ordered\.test|ordered\.test.*obtaining`); err != nil {
		t.Fatal(err)
	}
	for _, round := range []string{"second", "third"} {
		c.Setenv("ROUND", round)
		if err := c.Reload(); err != nil {
			t.Fatal(err)
		}
		if again := handshake(t, c, "internal.test", root); !again.Equal(leaf) {
			t.Error("after a reload there is another certificate")
		}
	}
	began := time.Now()
	if err := c.Stop(); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it takes %v to stop", took)
	}
	if log := c.Log(); strings.Contains(log, "unable to clean up lock") || strings.Contains(log, "the store was not closed in order") {
		t.Error("locks were not given back")
	}
	if left := locks(t, c); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}

	// A crash leaves them, and the next start frees them.
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	handshake(t, c, "internal.test", root)
	if err := c.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	if err := c.Stop(); err != nil {
		t.Fatal(err)
	}
	if left := locks(t, c); len(left) > 0 {
		t.Errorf("left behind after a crash: %v", left)
	}
}
