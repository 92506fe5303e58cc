package raftstorage

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dgate-io/caddy-dgate/internal/resource"
	"github.com/dgate-io/caddy-dgate/internal/state"
)

func backup(t testing.TB, n *Node) []byte {
	t.Helper()
	var buf bytes.Buffer
	header, err := n.Backup(t.Context(), &buf)
	if err != nil {
		t.Fatal(err)
	}
	if header.ClusterID != n.Status().ClusterID || header.Taken.IsZero() {
		t.Errorf("header: %+v", header)
	}
	return buf.Bytes()
}

// contents are the data of all resources that users own, by their keys.
func contents(t testing.TB, n *Node) map[resource.Key]string {
	t.Helper()
	all := map[resource.Key]string{}
	err := n.DB().View(func(r *state.Reader) error {
		for _, kind := range resource.All {
			for rec, err := range r.List(kind.Name, "") {
				if err != nil {
					return err
				}
				all[rec.Key] = string(rec.Data)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// big is a module that does not compress.
func big(t testing.TB, name string, size int) state.Op {
	t.Helper()
	code := make([]byte, size)
	rand.Read(code) //nolint:errcheck // never fails, by contract
	op, err := state.Put(&resource.Module{Name: name, Namespace: "default", Payload: []byte(base64.StdEncoding.EncodeToString(code))}, state.Condition{})
	if err != nil {
		t.Fatal(err)
	}
	return op
}

// TestBackupAndRestore: what was changed since a backup is as it was, also after a restart, and
// elsewhere too.
func TestBackupAndRestore(t *testing.T) {
	t.Parallel()
	cfg := Config{Dir: t.TempDir(), timing: quick()}
	n := New(logged(t, cfg))
	if err := n.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	write(t, n, service("a", "http://a"), service("b", "http://b"), big(t, "m", 900<<10))
	want := contents(t, n)
	data := backup(t, n)
	write(t, n, service("a", "http://changed"), state.Delete(resource.Key{Kind: "service", Namespace: "default", Name: "b"}, state.Condition{}), service("c", "http://c"))
	before := n.Status()
	if err := n.Restore(t.Context(), bytes.NewReader(data)); err != nil {
		t.Fatal(err)
	}
	check := func(n *Node) {
		t.Helper()
		if diff := cmp.Diff(want, contents(t, n)); diff != "" {
			t.Errorf("-backup +restored:\n%s", diff)
		}
		if parts := names(t, n, state.Part); len(parts) > 0 {
			t.Errorf("parts are left: %v", parts)
		}
		left, err := filepath.Glob(filepath.Join(cfg.Dir, "*.tmp"))
		if len(left) > 0 || err != nil {
			t.Errorf("files are left: %v %v", left, err)
		}
	}
	check(n)
	after := n.Status()
	if after.ClusterID != before.ClusterID || after.Term != before.Term || after.Hash == before.Hash {
		t.Errorf("status: %+v, before %+v", after, before)
	}
	write(t, n, service("d", "http://d"))
	write(t, n, state.Delete(resource.Key{Kind: "service", Namespace: "default", Name: "d"}, state.Condition{}))
	stop(t, n)
	n = start(t, cfg)
	check(n)
	if err := n.Snapshot(); err != nil {
		t.Error(err)
	}
	memory := start(t, Config{Memory: true})
	if err := memory.Restore(t.Context(), bytes.NewReader(data)); err != nil {
		t.Fatal(err)
	}
	check(memory)
}

// TestRestoreRefusals: what is no backup changes nothing, and says what it is.
func TestRestoreRefusals(t *testing.T) {
	t.Parallel()
	n := start(t, Config{Dir: t.TempDir(), timing: quick()})
	write(t, n, service("a", "http://a"))
	data := backup(t, n)
	flipped := bytes.Clone(data)
	flipped[len(flipped)-1] ^= 1
	hash := n.Status().Hash
	for name, tt := range map[string]struct {
		in   io.Reader
		code resource.Code
		text string
	}{
		"nothing":        {strings.NewReader(""), resource.ValidationFailed, "is empty"},
		"something else": {strings.NewReader("hello, this is no backup"), resource.ValidationFailed, "neither a snapshot nor a backup"},
		"cut off":        {bytes.NewReader(data[:len(data)-1]), resource.ValidationFailed, "ends too early"},
		"damaged":        {bytes.NewReader(flipped), resource.ValidationFailed, "nothing was restored"},
		"encrypted":      {strings.NewReader("age-encryption.org/v1\n-> X25519 x"), resource.ValidationFailed, "--identity"},
		"broken off":     {io.MultiReader(bytes.NewReader(data[:50]), errReader{}), resource.Internal, "the line broke"},
	} {
		if err := n.Restore(t.Context(), tt.in); resource.CodeOf(err) != tt.code || !strings.Contains(err.Error(), tt.text) {
			t.Errorf("%s: %v", name, err)
		}
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("gone"))
	if err := n.Restore(ctx, bytes.NewReader(data)); err == nil || !strings.Contains(err.Error(), "gone") {
		t.Errorf("with a context that is done: %v", err)
	}
	if _, err := n.Backup(ctx, io.Discard); err == nil || !strings.Contains(err.Error(), "gone") {
		t.Errorf("backup with a context that is done: %v", err)
	}
	if n.Status().Hash != hash {
		t.Error("something was changed")
	}
}

type errReader struct{}

func (errReader) Read([]byte) (int, error) { return 0, errors.New("the line broke") }

// TestRestoresInEachOthersWay: one that goes on is not disturbed, one that was given up is removed.
func TestRestoresInEachOthersWay(t *testing.T) {
	t.Parallel()
	n := start(t, Config{Dir: t.TempDir(), timing: quick()})
	data := backup(t, n)
	other := &state.Restore{ID: "other"}
	lock, err := n.TryLock(t.Context(), restoreLock)
	if lock == nil || err != nil {
		t.Fatal(err)
	}
	write(t, n, other.PutPart(0, []byte("x")))
	if err := n.Restore(t.Context(), bytes.NewReader(data)); resource.CodeOf(err) != resource.Conflict {
		t.Errorf("beside another: %v", err)
	}
	if parts := names(t, n, state.Part); len(parts) != 1 {
		t.Errorf("parts: %v", parts)
	}
	s, err := n.current()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.tidyParts(t.Context()); err != nil || len(names(t, n, state.Part)) != 1 {
		t.Errorf("the leader tidies one that goes on: %v", err)
	}
	s.dropParts("other")
	if parts := names(t, n, state.Part); len(parts) != 0 {
		t.Errorf("parts: %v", parts)
	}
	if err := lock.Unlock(t.Context()); err != nil {
		t.Fatal(err)
	}
	// A part that comes late, when its restore has ended, is in nobody's way, and does not stay.
	for _, restore := range []func() error{
		func() error { return n.Restore(t.Context(), bytes.NewReader(data)) },
		func() error { return s.tidyParts(t.Context()) },
	} {
		write(t, n, other.PutPart(1, []byte("x")))
		if err := restore(); err != nil || len(names(t, n, state.Part)) != 0 {
			t.Errorf("after a part that came late: %v, %v", names(t, n, state.Part), err)
		}
	}
}
