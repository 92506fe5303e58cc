package keyring_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/dgate-io/caddy-dgate/internal/change/changetest"
	"github.com/dgate-io/caddy-dgate/internal/keyring"
	"github.com/dgate-io/caddy-dgate/internal/resource"
	"github.com/dgate-io/caddy-dgate/internal/state"
)

// propose applies ops that must succeed.
func propose(t *testing.T, store *changetest.Store, ops ...state.Op) {
	t.Helper()
	out, err := store.Propose(t.Context(), ops...)
	if err != nil || out.Err != nil {
		t.Fatal(err, out.Err)
	}
}

// A node with the wrong key, or with none, says so, encrypts nothing that the others cannot read,
// and deletes nothing. Once what it cannot read is deleted, it begins anew.
func TestAnotherKEK(t *testing.T) {
	store := changetest.New(t)
	right := keyring.New(store, configured(keyring.NewKEK()))
	text := seal(t, right, plain)
	op, err := state.Put(&resource.Secret{Name: "k", Namespace: "default", Data: text}, state.Condition{})
	if err != nil {
		t.Fatal(err)
	}
	propose(t, store, op)
	passphrase, err := keyring.ParseKEK("correct horse battery staple")
	if err != nil {
		t.Fatal(err)
	}
	before := dataKeys(t, store)
	for name, source := range map[string]keyring.Source{
		"another key":  configured(keyring.NewKEK()),
		"a passphrase": configured(passphrase),
		"none":         configured(),
	} {
		t.Run(name, func(t *testing.T) {
			k := keyring.New(store, source)
			_, err := k.Open(secret, "data", text)
			want := "secret default/k cannot be read: it was encrypted with another encryption_key or cluster secret, or its key file is missing: put that key behind the new one in encryption_key, or that secret into secret_previous of the cluster"
			if err == nil || err.Error() != want || !keyring.Locked(err) {
				t.Errorf("Open: error %v, want %s", err, want)
			}
			if _, err := k.Unlock(t.Context()); !keyring.Locked(err) {
				t.Errorf("Unlock: error %v", err)
			}
			_, err = k.Seal(t.Context(), resource.Key{Kind: "secret", Namespace: "default", Name: "new"}, "data", plain)
			if resource.CodeOf(err) != resource.Conflict || !keyring.Locked(err) || !strings.Contains(err.Error(), want) {
				t.Errorf("Seal: error %v", err)
			}
		})
	}
	if now := dataKeys(t, store); len(now) != 1 || now[0] != before[0] {
		t.Errorf("data keys changed from %v to %v", before, now)
	}
	opens(t, right, text)

	propose(t, store, state.Delete(secret, state.Condition{}))
	k := keyring.New(store, configured(keyring.NewKEK()))
	opens(t, k, seal(t, k, plain))
	opens(t, right, text) // the older key is still there
	if _, err := k.Unlock(t.Context()); err != nil {
		t.Errorf("Unlock: %v, although nothing is encrypted with the older key any more", err)
	}
}

// However many data keys are locked, stored secrets are looked through once for each state: it
// happens whenever a configuration is loaded, and for status pages.
func TestManyLockedKeys(t *testing.T) {
	store := changetest.New(t)
	var ops []state.Op
	for i := range 200 {
		op, err := state.Put(&resource.Secret{Name: fmt.Sprint("s", i), Namespace: "default", Data: "dg1.AQ"}, state.Condition{})
		if err != nil {
			t.Fatal(err)
		}
		ops = append(ops, op)
	}
	propose(t, store, ops...)
	k := keyring.New(store, configured(keyring.NewKEK()))
	for _, name := range "abcdefghij" {
		propose(t, store, state.Op{Key: resource.Key{Kind: state.DataKey, Name: string(name)}, Data: []byte(`{"version":1}`)})
	}
	allocs := testing.AllocsPerRun(5, func() {
		if _, err := k.Unlock(t.Context()); err != nil {
			t.Error(err)
		}
	})
	if allocs > 200 {
		t.Errorf("10 locked keys among 200 secrets take %g allocations", allocs)
	}
}
