package raftstorage

import (
	"bytes"
	"io"
	"testing"
	"time"

	"github.com/dgate-io/caddy-dgate/raftstorage/peer"
)

// After a configuration that cannot be, the secret of before counts, and not the one of that.
func TestFailedConfigureKeepsSecret(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 2)
	n := c.nodes[1]
	wrong := *n.store.cluster.Load()
	wrong.Secret, wrong.Advertise = peer.NewSecret(), "0.0.0.0:1"
	if err := n.Configure(&wrong); err == nil {
		t.Fatal("it was accepted")
	}
	fresh := c.add() // with new connections
	if _, err := n.store.ask(t.Context(), c.address(fresh)); err != nil {
		t.Errorf("it calls with another secret: %v", err)
	}
	if _, err := c.nodes[fresh].store.ask(t.Context(), c.address(1)); err != nil {
		t.Errorf("it is called with another secret: %v", err)
	}
	wrong.Advertise = ""
	wrong.Secret = peer.NewSecret()
	if err := n.Configure(&wrong); err != nil {
		t.Errorf("the same without the mistake: %v", err)
	}
}

// A snapshot of the leader waits for a copy of its state that is on its way, and is not undone by that.
func TestRestoreWaitsForCopy(t *testing.T) {
	t.Parallel()
	n := start(t, Config{Dir: t.TempDir(), timing: quick()})
	write(t, n, service("a", "http://a"))
	var newer bytes.Buffer
	if _, err := n.DB().Snapshot(&newer); err != nil {
		t.Fatal(err)
	}
	s := n.store
	s.applying.Lock() // as while a copy is taken over
	restored := make(chan error, 1)
	go func() { restored <- (&fsm{m: s.member.Load()}).Restore(io.NopCloser(&newer)) }()
	select {
	case err := <-restored:
		t.Errorf("it does not wait: %v", err)
		s.applying.Unlock()
		return
	case <-time.After(50 * time.Millisecond):
	}
	s.applying.Unlock()
	must(t, <-restored)
}
