package keyring_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dgate-io/caddy-dgate/internal/change/changetest"
	"github.com/dgate-io/caddy-dgate/internal/keyring"
	"github.com/dgate-io/caddy-dgate/internal/resource"
	"github.com/dgate-io/caddy-dgate/internal/state"
)

// flaky is a store that has no leader now and then.
type flaky struct {
	*changetest.Store
	down atomic.Bool
}

func (f *flaky) Propose(ctx context.Context, ops ...state.Op) (state.Outcome, error) {
	if f.down.Load() {
		return state.Outcome{}, resource.Errorf(resource.NoLeader, "there is no leader")
	}
	return f.Store.Propose(ctx, ops...)
}

// putSecret stores a sealed value where it was sealed for.
func putSecret(t *testing.T, store *changetest.Store, text string) {
	t.Helper()
	op, err := state.Put(&resource.Secret{Name: "k", Namespace: "default", Data: text}, state.Condition{})
	if err != nil {
		t.Fatal(err)
	}
	propose(t, store, op)
}

// What a configuration could not change for want of a leader is changed when there is one.
func TestWatchTriesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &flaky{Store: changetest.New(t)}
		older, newer := keyring.NewKEK(), keyring.NewKEK()
		text := seal(t, keyring.New(store, configured(older)), plain)
		putSecret(t, store.Store, text)
		k := keyring.New(store, configured(newer, older))
		var renewed atomic.Int64
		var failed atomic.Value
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			k.Watch(ctx, func(n int, err error) {
				renewed.Add(int64(n))
				if err != nil {
					failed.Store(err)
				}
			})
		}()
		store.down.Store(true)
		if _, err := k.Unlock(t.Context()); resource.CodeOf(err) != resource.NoLeader {
			t.Errorf("without a leader: %v", err)
		}
		time.Sleep(20 * time.Second)
		if renewed.Load() != 0 || failed.Load() == nil {
			t.Error("it should have been tried again, without success")
		}
		store.down.Store(false)
		time.Sleep(time.Minute)
		if renewed.Load() != 1 {
			t.Errorf("%d renewed", renewed.Load())
		}
		opens(t, keyring.New(store, configured(newer)), text)
		cancel()
		<-ended
	})
}

// After a restore, what an older KEK of the configuration encrypts is encrypted with the first one.
func TestRestoredFromAnotherCluster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old, common := keyring.NewKEK(), keyring.NewKEK()
		from := changetest.New(t)
		text := seal(t, keyring.New(from, configured(old)), plain)
		putSecret(t, from, text)
		var backup bytes.Buffer
		if _, err := from.DB().Backup(&backup, time.Now()); err != nil {
			t.Fatal(err)
		}
		store := changetest.New(t)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			keyring.New(store, configured(common, old)).Watch(ctx, func(int, error) {})
		}()
		synctest.Wait()
		if err := restore(store, backup.Bytes()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		opens(t, keyring.New(store, configured(common)), text)
		cancel()
		<-ended
	})
}

// A node that joins a cluster, and restores a backup of its time alone, makes it readable for the
// others; while keys are rotated, two nodes do not undo what the other did.
func TestTwoNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file := filepath.Join(t.TempDir(), keyring.FileName)
		alone := changetest.New(t)
		text := seal(t, keyring.New(alone, keyring.Source{File: file}), plain)
		putSecret(t, alone, text)
		var backup bytes.Buffer
		if _, err := alone.DB().Backup(&backup, time.Now()); err != nil {
			t.Fatal(err)
		}

		// One state, which two nodes have in common; both derive the same KEK.
		store := changetest.New(t)
		common, next := keyring.NewKEK(), keyring.NewKEK()
		sources := [2][]*keyring.KEK{{common}, {common}}
		first := keyring.New(store, keyring.Source{File: file, Keys: func() []*keyring.KEK { return sources[0] }})
		second := keyring.New(store, keyring.Source{
			File: filepath.Join(t.TempDir(), keyring.FileName), Keys: func() []*keyring.KEK { return sources[1] },
		})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{}, 2)
		for _, k := range []*keyring.Keyring{first, second} {
			go func() { k.Watch(ctx, func(int, error) {}); ended <- struct{}{} }()
		}
		seal(t, second, "something of the cluster")
		if err := restore(store, backup.Bytes()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		for _, k := range []*keyring.Keyring{first, second} {
			opens(t, k, text)
			if locked := k.Locked(); locked != "" {
				t.Errorf("locked: %s", locked)
			}
		}
		opens(t, keyring.New(store, configured(common)), text)

		// The first one has the next KEK already.
		sources[0], sources[1] = []*keyring.KEK{next, common}, []*keyring.KEK{common, next}
		if renewed, err := first.Unlock(t.Context()); renewed != 1 || err != nil {
			t.Errorf("%d renewed: %v", renewed, err)
		}
		before := dataKeys(t, store)
		time.Sleep(5 * time.Minute)
		if after := dataKeys(t, store); after[0] != before[0] {
			t.Error("one node undoes what the other did")
		}
		opens(t, second, text)
		cancel()
		<-ended
		<-ended
	})
}

// restore restores a backup in a store.
func restore(store *changetest.Store, backup []byte) error {
	r := &state.Restore{ID: "r", Sum: sha256.Sum256(backup)}
	if _, err := store.Propose(context.Background(), r.PutPart(0, backup)); err != nil {
		return err
	}
	return store.Apply(state.Command{Restore: r}).Err
}

// A status page tells what cannot be read, files of the certificate storage included.
func TestLockedForStatus(t *testing.T) {
	t.Parallel()
	store := changetest.New(t)
	right := keyring.New(store, configured(keyring.NewKEK()))
	wrong := keyring.New(store, configured(keyring.NewKEK()))
	if locked := wrong.Locked(); locked != "" {
		t.Errorf("with nothing stored: %s", locked)
	}
	file := resource.Key{Kind: state.File, Name: "certificates/a/a.key"}
	text, err := right.Seal(t.Context(), file, "value", plain)
	if err != nil {
		t.Fatal(err)
	}
	if locked := wrong.Locked(); locked != "" {
		t.Errorf("with a key that nothing uses: %s", locked)
	}
	propose(t, store, state.Op{Key: file, Data: append([]byte{'s'}, text...)})
	if locked := wrong.Locked(); !strings.Contains(locked, file.Name) || !strings.Contains(locked, "give this node the encryption_key") {
		t.Errorf("locked: %q", locked)
	}
	if _, err := wrong.Seal(t.Context(), secret, "data", plain); !keyring.Locked(err) {
		t.Errorf("a data key of its own: %v", err)
	}
	if locked := right.Locked(); locked != "" {
		t.Errorf("with the right key: %s", locked)
	}
	if _, err := wrong.Unlock(t.Context()); !keyring.Locked(err) {
		t.Errorf("Unlock: %v", err)
	}
}
