package certstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/certmagic"

	"github.com/dgate-io/caddy-dgate/internal/keyring"
	"github.com/dgate-io/caddy-dgate/internal/resource"
	"github.com/dgate-io/caddy-dgate/internal/state"
	"github.com/dgate-io/caddy-dgate/raftstorage"
)

// TestKeysAreEncrypted looks for what is stored in every file of the data directory.
func TestKeysAreEncrypted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, n := on(t, dir)
	secret := map[string]bool{
		"certificates/le/a.com/a.com.key":             true,
		"certificates/le/a.com/a.com.crt":             false,
		"certificates/le/a.com/a.com.json":            false,
		"acme/le/users/a@b.c/a.key":                   true,
		"acme/le/users/a@b.c/a_private.key":           true,
		"acme/le/users/a@b.c/a.json":                  false,
		"acme/le/challenge_tokens/a.com.json":         false,
		"pki/authorities/local/root.key":              true,
		"pki/authorities/local/root.crt":              false,
		"ech/configs/7/key.bin":                       true,
		"stek/stek.bin":                               true,
		"something/that/another/plugin/has/stored.js": true,
		"ocsp/a.com-1234":                             false,
	}
	value := func(key string) string { return "PLAIN<" + key + ">" }
	for key := range secret {
		store(t, s, key, value(key))
	}
	if err := n.Snapshot(); err != nil {
		t.Fatal(err)
	}
	shut(t, n)
	var everything []byte
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		everything = append(everything, data...)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for key, hidden := range secret {
		if found := bytes.Contains(everything, []byte(value(key))); found == hidden {
			t.Errorf("%s: in clear %t", key, found)
		}
	}

	again, _ := on(t, dir)
	for key := range secret {
		if got := load(t, again, key); got != value(key) {
			t.Errorf("%s after a restart: %q", key, got)
		}
		if info, err := again.Stat(t.Context(), key); err != nil || info.Size != int64(len(value(key))) {
			t.Errorf("stat %s: %+v, %v", key, info, err)
		}
	}
}

// TestWithoutTheKey reads what needs none, says so of the rest, and deletes nothing.
func TestWithoutTheKey(t *testing.T) {
	t.Parallel()
	s, n := open(t)
	store(t, s, "certificates/le/a/a.key", "secret")
	store(t, s, "certificates/le/a/a.crt", "public")
	locked := New(n, keyring.New(n, keyring.Source{Keys: func() []*keyring.KEK { return []*keyring.KEK{keyring.NewKEK()} }}))
	if got := load(t, locked, "certificates/le/a/a.crt"); got != "public" {
		t.Errorf("the certificate is %q", got)
	}
	if _, err := locked.Load(t.Context(), "certificates/le/a/a.key"); resource.CodeOf(err) != resource.Conflict || !keyring.Locked(err) || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the key: %v", err)
	}
	if !locked.Exists(t.Context(), "certificates/le/a/a.key") {
		t.Error("the key does not exist")
	}
	if info, err := locked.Stat(t.Context(), "certificates/le/a/a.key"); err != nil || !info.IsTerminal {
		t.Errorf("stat: %+v, %v", info, err)
	}
	if got := load(t, s, "certificates/le/a/a.key"); got != "secret" {
		t.Errorf("with the key again: %q", got)
	}
}

// TestMovedValue is not taken for that of another path.
func TestMovedValue(t *testing.T) {
	t.Parallel()
	s, n := open(t)
	store(t, s, "certificates/le/a/a.key", "secret")
	rec, _, err := s.get("certificates/le/a/a.key")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := n.Propose(t.Context(), state.Op{Key: fileKey("certificates/le/b/b.key"), Data: rec.Data}); err != nil {
		t.Fatal(err)
	}
	if value, err := s.Load(t.Context(), "certificates/le/b/b.key"); err == nil {
		t.Errorf("loaded %q", value)
	}
}

// TestProbes says that trying the storage costs nobody else anything, and is an honest try.
func TestProbes(t *testing.T) {
	t.Parallel()
	s, n := open(t)
	store(t, s, "first.key", "makes a data key")
	before := n.proposals.Load()
	store(t, s, "rw_test_123", "abc")
	if got := load(t, s, "rw_test_123"); got != "abc" {
		t.Errorf("loaded %q", got)
	}
	if info, err := s.Stat(t.Context(), "rw_test_123"); err != nil || !info.IsTerminal || info.Size != 3 || !s.Exists(t.Context(), "rw_test_123") {
		t.Errorf("stat: %+v, %v", info, err)
	}
	if err := s.Delete(t.Context(), "rw_test_123"); err != nil {
		t.Error(err)
	}
	if _, err := s.Load(t.Context(), "rw_test_123"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after it was deleted: %v", err)
	}
	for i := range 10 * maxProbes {
		store(t, s, fmt.Sprintf("rw_test_%d", i), "abc")
	}
	if len(s.probes.values) > maxProbes || len(s.probes.order) > maxProbes {
		t.Errorf("%d probes are kept", len(s.probes.values))
	}
	if n.proposals.Load() != before {
		t.Error("probes travel")
	}
	locked := New(n, keyring.New(n, keyring.Source{Keys: func() []*keyring.KEK { return []*keyring.KEK{keyring.NewKEK()} }}))
	if err := locked.Store(t.Context(), "rw_test_1", []byte("x")); err == nil {
		t.Error("a node that cannot encrypt the key would order a certificate")
	}
}

// TestFreshness says when the cluster is asked about what is not here.
func TestFreshness(t *testing.T) {
	t.Parallel()
	s, n := open(t)
	asked := func(what string, want bool, key string) {
		t.Helper()
		before := n.barriers.Load()
		if _, err := s.Load(t.Context(), key); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", what, err)
		}
		if got := n.barriers.Load() > before; got != want {
			t.Errorf("%s: asked %t", what, got)
		}
	}
	asked("nothing was written for long", false, "certificates/le/a/a.crt")
	asked("a challenge", true, "acme/le/challenge_tokens/a.json")
	store(t, s, "certificates/le/a/a.crt", "x")
	asked("right after a write", true, "certificates/le/b/b.crt")
	before := n.barriers.Load()
	load(t, s, "certificates/le/a/a.crt")
	if n.barriers.Load() != before {
		t.Error("asked for what is here")
	}
	var wg sync.WaitGroup
	for range 200 {
		wg.Go(func() { _, _ = s.Load(t.Context(), "acme/le/challenge_tokens/stranger.json") })
	}
	wg.Wait()
	if asked := n.barriers.Load() - before; asked > 100 {
		t.Errorf("200 strangers made us ask %d times", asked)
	}
}

// TestLargeDirectory is deleted in several commands.
func TestLargeDirectory(t *testing.T) {
	t.Parallel()
	s, n := open(t)
	for i := 0; i < 2*deleteAtOnce+10; {
		var ops []state.Op
		for range 2_000 {
			ops = append(ops, state.Op{Key: fileKey(fmt.Sprintf("ocsp/%06d", i)), Data: []byte("px")})
			i++
		}
		if _, err := n.Propose(t.Context(), ops...); err != nil {
			t.Fatal(err)
		}
	}
	store(t, s, "ocsp-other", "stays")
	if err := s.Delete(t.Context(), "ocsp"); err != nil {
		t.Fatal(err)
	}
	if list, err := s.List(t.Context(), "", true); err != nil || len(list) != 1 || list[0] != "ocsp-other" {
		t.Errorf("left: %v, %v", list, err)
	}
}

// TestCancelled says so in the way that certmagic looks for.
func TestCancelled(t *testing.T) {
	t.Parallel()
	s, _ := open(t)
	if err := s.Lock(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("stopping apps"))
	for name, err := range map[string]error{
		"lock": s.Lock(ctx, "a"), "store": s.Store(ctx, "x.crt", nil), "pki": func() error { _, err := s.Load(ctx, "pki/authorities/x/root.crt"); return err }(),
	} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := s.Unlock(t.Context(), "a"); err != nil {
		t.Error(err)
	}
}

func TestBadInput(t *testing.T) {
	t.Parallel()
	s, _ := open(t)
	for what, key := range map[string]string{"empty": "", "root": "/", "dots": "..", "long": strings.Repeat("x", MaxKey+1), "zero byte": "a\x00b"} {
		if err := s.Store(t.Context(), key, []byte("x")); resource.CodeOf(err) != resource.BadRequest {
			t.Errorf("store %s: %v", what, err)
		}
		if _, err := s.Load(t.Context(), key); resource.CodeOf(err) != resource.BadRequest {
			t.Errorf("load %s: %v", what, err)
		}
		if err := s.Delete(t.Context(), key); resource.CodeOf(err) != resource.BadRequest {
			t.Errorf("delete %s: %v", what, err)
		}
	}
	if err := s.Store(t.Context(), "a", make([]byte, MaxValue+1)); resource.CodeOf(err) != resource.TooLarge {
		t.Errorf("store too much: %v", err)
	}
	store(t, s, "../../etc/a", "x")
	if got := load(t, s, "etc/a"); got != "x" {
		t.Errorf("above the root: %q", got)
	}
}

// TestLeases renews the lease of a lock that is held, and says so of one that is not.
func TestLeases(t *testing.T) {
	t.Parallel()
	s, n := open(t)
	if err := s.RenewLockLease(t.Context(), "a", time.Minute); err == nil {
		t.Error("the lease of a lock that nobody has was renewed")
	}
	if err := s.Lock(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	if err := s.RenewLockLease(t.Context(), "a", time.Minute); err != nil {
		t.Error(err)
	}
	lost, _ := s.locks.state("a")
	if lost != nil {
		t.Error("lost")
	}
	loseAll(t, n)
	lost, live := s.locks.state("a")
	if lost == nil || live {
		t.Errorf("not lost: %v", live)
	}
	if err := s.RenewLockLease(t.Context(), "a", time.Minute); err != nil {
		t.Errorf("the next attempt of an order: %v", err)
	}
	if other, err := n.TryLock(t.Context(), LockPrefix+"a"); other != nil || err != nil {
		t.Errorf("it is not locked again: %v, %v", other, err)
	}
	shut(t, n)
	if err := s.RenewLockLease(t.Context(), "a", time.Minute); err == nil {
		t.Error("the lease of a lock that is lost was renewed")
	}
	began := time.Now()
	if err := s.Unlock(t.Context(), "a"); err != nil || time.Since(began) > unlockTimeout {
		t.Errorf("unlock after close: %v, after %v", err, time.Since(began))
	}
	if err := s.Unlock(t.Context(), "never locked"); err != nil {
		t.Error(err)
	}
	if err := s.Store(t.Context(), "a", nil); !errors.Is(err, raftstorage.ErrClosed) && resource.CodeOf(err) == "" {
		t.Errorf("store after close: %v", err)
	}
}

// loseAll deletes all locks and sessions, as happens to a node that was cut off for long.
func loseAll(t *testing.T, n *counting) {
	t.Helper()
	var ops []state.Op
	err := n.DB().View(func(r *state.Reader) error {
		for _, kind := range []string{state.Lock, state.Session} {
			for rec, err := range r.List(kind, "") {
				if err != nil {
					return err
				}
				ops = append(ops, state.Delete(rec.Key, state.Condition{}))
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := n.Propose(t.Context(), ops...); err != nil {
		t.Fatal(err)
	}
	k, err := n.Lock(t.Context(), "finds out")
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Unlock(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// TestAuthorityIsMadeOnce has several nodes look for a certificate authority, and make it if there is
// none, as Caddy does: without a lock.
func TestAuthorityIsMadeOnce(t *testing.T) {
	t.Parallel()
	_, n := open(t)
	keys := keyring.New(n, keyring.Source{Keys: func() []*keyring.KEK { return nil }, File: t.TempDir() + "/key"})
	const dir = "pki/authorities/local/"
	loadOrMake := func(s *Storage, who, cert, key string) (string, error) {
		value, err := s.Load(t.Context(), dir+cert)
		if err == nil {
			keyOf, err := s.Load(t.Context(), dir+key)
			if string(keyOf) != string(value) {
				err = errors.Join(err, fmt.Errorf("%s loaded the certificate of %s and the key of %s", who, value, keyOf))
			}
			return string(value), err
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
		return who, errors.Join(s.Store(t.Context(), dir+cert, []byte(who)), s.Store(t.Context(), dir+key, []byte(who)))
	}
	got := make([][2]string, 5)
	var wg sync.WaitGroup
	for i := range got {
		wg.Go(func() {
			s, who := New(n, keys), fmt.Sprint("node ", i)
			for j, pair := range [][2]string{{"root.crt", "root.key"}, {"intermediate.crt", "intermediate.key"}} {
				maker, err := loadOrMake(s, who, pair[0], pair[1])
				if err != nil {
					t.Error(err)
				}
				got[i][j] = maker
			}
		})
	}
	wg.Wait()
	for i := range got {
		if got[i] != got[0] || got[i][0] != got[i][1] {
			t.Errorf("node %d has the authority of %v, and node 0 that of %v", i, got[i], got[0])
		}
	}
	s := New(n, keys)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if err := s.Lock(ctx, strings.TrimSuffix(dir, "/")); err != nil {
		t.Errorf("the lock is left behind: %v", err)
	}
	if _, err := s.Read(t.Context(), "pki/authorities/other/root.crt"); !errors.Is(err, fs.ErrNotExist) || s.authorities.has("pki/authorities/other") {
		t.Errorf("reading takes a lock: %v", err)
	}
}

// Who comes while an authority is being made, and finds its certificate, waits for its key.
func TestAuthorityIsWaitedFor(t *testing.T) {
	t.Parallel()
	_, n := open(t)
	keys := keyring.New(n, keyring.Source{Keys: func() []*keyring.KEK { return nil }, File: t.TempDir() + "/key"})
	const dir = "pki/authorities/local/"
	maker, other := New(n, keys), New(n, keys)
	if _, err := maker.Load(t.Context(), dir+"root.crt"); !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	store := func(name string) {
		t.Helper()
		if err := maker.Store(t.Context(), dir+name, []byte(name)); err != nil {
			t.Fatal(err)
		}
	}
	store("root.crt")
	var found sync.WaitGroup
	found.Go(func() {
		for _, name := range []string{"root.crt", "root.key", "intermediate.crt", "intermediate.key"} {
			if value, err := other.Load(t.Context(), dir+name); err != nil || string(value) != name {
				t.Errorf("%s: %q, %v", name, value, err)
			}
		}
	})
	for _, name := range []string{"root.key", "intermediate.crt", "intermediate.key"} {
		store(name)
	}
	found.Wait()
	if _, err := other.Load(t.Context(), "pki/authorities/other/root.key"); !errors.Is(err, fs.ErrNotExist) || other.authorities.has("pki/authorities/other") {
		t.Errorf("looking for a key without a certificate: %v", err)
	}
}

var _ certmagic.Storage = (*Storage)(nil)
