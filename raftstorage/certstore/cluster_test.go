package certstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/certmagic"

	"github.com/dgate-io/caddy-dgate/internal/keyring"
	"github.com/dgate-io/caddy-dgate/raftstorage"
	"github.com/dgate-io/caddy-dgate/raftstorage/peer"
)

// three makes storages on three nodes of a cluster, which have the same encryption key.
func three(t *testing.T) ([]*Storage, []*counting) {
	t.Helper()
	secret, kek := peer.NewSecret(), keyring.NewKEK()
	var storages []*Storage
	var nodes []*counting
	for i := range 3 {
		cluster := &raftstorage.Cluster{NodeName: fmt.Sprint("node", i), Listen: "127.0.0.1:0", Secret: secret}
		if i > 0 {
			cluster.Join = []string{nodes[0].Status().Address}
		}
		n := &counting{Node: raftstorage.New(raftstorage.Config{Dir: t.TempDir(), Cluster: cluster})}
		if err := n.Open(t.Context()); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = n.Close(context.Background()) }) // the last ones have no quorum
		nodes = append(nodes, n)
		storages = append(storages, New(n, keyring.New(n, keyring.Source{Keys: func() []*keyring.KEK { return []*keyring.KEK{kek} }})))
	}
	eventually(t, "three nodes vote", func() bool {
		members, err := nodes[0].Members(t.Context())
		voters := 0
		for _, m := range members {
			if m.Role == raftstorage.Voter {
				voters++
			}
		}
		return err == nil && voters == 3
	})
	return storages, nodes
}

func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(60 * time.Second); !cond(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it does not come to that: %s", what)
		}
	}
}

// TestThreeNodes stores on one node and loads on another, locks across them, and goes on when
// one and then two of them are gone.
func TestThreeNodes(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it takes a while")
	}
	storages, nodes := three(t)
	for i := range 30 {
		from, to := storages[i%3], storages[(i+1)%3]
		key := fmt.Sprintf("acme/le/challenge_tokens/%d.json", i)
		store(t, from, key, key)
		if got := load(t, to, key); got != key { // at once, as the CA would ask
			t.Errorf("node %d: %q", (i+1)%3, got)
		}
		if err := to.Delete(t.Context(), key); err != nil {
			t.Error(err)
		}
		if _, err := from.Load(t.Context(), key); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("deleted by another node: %v", err)
		}
	}
	store(t, storages[1], "certificates/le/a/a.key", "secret")
	for i, n := range nodes {
		if err := n.Barrier(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := load(t, storages[i], "certificates/le/a/a.key"); got != "secret" {
			t.Errorf("node %d: %q", i, got)
		}
	}

	var orders int
	var wg sync.WaitGroup
	for _, s := range storages {
		wg.Go(func() {
			if err := s.Lock(t.Context(), "issue_cert_b"); err != nil {
				t.Error(err)
				return
			}
			if !s.Exists(t.Context(), "certificates/le/b/b.crt") {
				orders++
				store(t, s, "certificates/le/b/b.crt", "b")
			}
			if err := s.Unlock(t.Context(), "issue_cert_b"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if orders != 1 {
		t.Errorf("%d nodes ordered a certificate", orders)
	}

	// One that stops in the middle of an order gives it up at once.
	if err := storages[0].Lock(t.Context(), "issue_cert_c"); err != nil {
		t.Fatal(err)
	}
	shut(t, nodes[0])
	began := time.Now()
	if err := storages[1].Lock(t.Context(), "issue_cert_c"); err != nil || time.Since(began) > 10*time.Second {
		t.Errorf("after %v: %v", time.Since(began), err)
	}
	store(t, storages[1], "certificates/le/c/c.crt", "c")

	// Without a quorum what is known is served, and what is not fails soon.
	shut(t, nodes[2])
	began = time.Now()
	if got := load(t, storages[1], "certificates/le/a/a.key"); got != "secret" || time.Since(began) > time.Second {
		t.Errorf("%q after %v", got, time.Since(began))
	}
	if list, err := storages[1].List(t.Context(), "certificates", true); err != nil || len(list) != 7 {
		t.Errorf("list: %v, %v", list, err)
	}
	steps := map[string]func(s certmagic.Storage) error{
		"store": func(s certmagic.Storage) error { return s.Store(t.Context(), "x.crt", nil) },
		"lock":  func(s certmagic.Storage) error { return s.Lock(t.Context(), "y") },
	}
	for name, step := range steps {
		began := time.Now()
		if err := step(storages[1]); err == nil || time.Since(began) > 12*time.Second {
			t.Errorf("%s without a quorum, after %v: %v", name, time.Since(began), err)
		}
	}
	waiting, cancel := context.WithTimeout(t.Context(), 7*time.Second)
	defer cancel()
	for name, step := range map[string]func() error{
		"the lock of an order":    func() error { return storages[1].Lock(waiting, "issue_cert_d") },
		"a certificate to store":  func() error { return storages[1].Store(waiting, "certificates/le/d/d.crt", nil) },
		"what no longer may work": func() error { return storages[1].RenewLockLease(waiting, "issue_cert_none", time.Minute) },
	} {
		wg.Go(func() {
			err := step()
			if patient := errors.Is(err, context.DeadlineExceeded); err == nil || patient != (name != "what no longer may work") {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
	wg.Wait()
	began = time.Now()
	_ = storages[1].Unlock(t.Context(), "issue_cert_c") // it cannot, and is lost later
	if took := time.Since(began); took > unlockTimeout+time.Second {
		t.Errorf("unlock took %v", took)
	}
}
