package moduledata_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/dgate-io/caddy-dgate/internal/change"
	"github.com/dgate-io/caddy-dgate/internal/change/changetest"
	hoststate "github.com/dgate-io/caddy-dgate/internal/js/host/state"
	"github.com/dgate-io/caddy-dgate/internal/keyring"
	"github.com/dgate-io/caddy-dgate/internal/moduledata"
	"github.com/dgate-io/caddy-dgate/internal/resource"
	"github.com/dgate-io/caddy-dgate/internal/state"
)

// What scripts see of documents and collections is tested by the host module, on this package and
// a real store. Here is what it does not see.

// open is a writer that needs no opening.
func open(w *change.Writer) func(context.Context) (*change.Writer, error) {
	return func(context.Context) (*change.Writer, error) { return w, nil }
}

// keys are those of a KEK that nobody else has.
func keys(store keyring.Store) *keyring.Keyring {
	kek := keyring.NewKEK()
	return keyring.New(store, keyring.Source{Keys: func() []*keyring.KEK { return []*keyring.KEK{kek} }})
}

func TestSecret(t *testing.T) {
	store := changetest.New(t)
	ring := keys(store)
	put := func(namespace, value string) {
		t.Helper()
		s := &resource.Secret{Name: "key", Namespace: namespace}
		sealed, err := ring.Seal(t.Context(), s.Key(), "data", value)
		if err != nil {
			t.Fatal(err)
		}
		s.Data = sealed
		var ops []state.Op
		for _, obj := range []resource.Object{&resource.Namespace{Name: namespace}, s} {
			op, err := state.Put(obj, state.Condition{})
			if err != nil {
				t.Fatal(err)
			}
			ops = append(ops, op)
		}
		if out, err := store.Propose(t.Context(), ops...); err != nil || out.Err != nil {
			t.Fatal(err, out.Err)
		}
	}
	data := moduledata.New(open(&change.Writer{Store: store}), ring)
	expect := func(namespace, name, want string) {
		t.Helper()
		if got, ok, err := data.Secret(t.Context(), namespace, name); got != want || ok != (want != "") || err != nil {
			t.Errorf("secret %s/%s is %q, %t, %v, want %q", namespace, name, got, ok, err, want)
		}
	}
	put("a", "hunter2")
	put("b", "of b")
	expect("a", "key", "hunter2")
	expect("b", "key", "of b")
	expect("a", "none", "")
	expect("a", "../b/key", "")
	expect("nowhere", "key", "")
	put("a", "hunter3")
	expect("a", "key", "hunter3")

	locked := moduledata.New(open(&change.Writer{Store: store}), keys(store))
	_, ok, err := locked.Secret(t.Context(), "a", "key")
	if ok || resource.CodeOf(err) != resource.Conflict || !strings.HasPrefix(err.Error(), "secret a/key cannot be read: ") || strings.Contains(err.Error(), "hunter") {
		t.Errorf("with another key: %t, %v", ok, err)
	}
}

// closed is a store that is not open.
type closed struct{ change.Store }

func (closed) DB() *state.DB { return nil }

// TestNotOpen asks for everything while there is no store.
func TestNotOpen(t *testing.T) {
	failed := errors.New("the disk is gone")
	for name, tt := range map[string]struct {
		writer func(context.Context) (*change.Writer, error)
		want   string
	}{
		"not open yet":       {open(&change.Writer{Store: closed{}}), "the store is not open yet"},
		"cannot be opened":   {func(context.Context) (*change.Writer, error) { return nil, failed }, failed.Error()},
		"the time has ended": {func(ctx context.Context) (*change.Writer, error) { return nil, context.Cause(ctx) }, "context canceled"},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			data := moduledata.New(tt.writer, nil)
			doc := hoststate.Document{Key: hoststate.Key{Namespace: "a", Collection: "c", ID: "1"}, Data: []byte(`1`)}
			calls := map[string]func() error{
				"Document": func() error { _, _, err := data.Document(ctx, "a", doc.Key); return err },
				"Documents": func() error {
					_, err := data.Documents(ctx, "a", hoststate.Page{Namespace: "a", Collection: "c"})
					return err
				},
				"PutDocument":    func() error { _, err := data.PutDocument(ctx, doc, nil); return err },
				"DeleteDocument": func() error { return data.DeleteDocument(ctx, doc.Key, nil) },
				"Collection":     func() error { _, err := data.Collection(ctx, "a", "a", "c"); return err },
				"PutCollection": func() error {
					_, err := data.PutCollection(ctx, hoststate.Collection{Namespace: "a", Name: "c"})
					return err
				},
				"DeleteCollection": func() error { return data.DeleteCollection(ctx, "a", "c") },
				"Secret":           func() error { _, _, err := data.Secret(ctx, "a", "key"); return err },
			}
			for name, call := range calls {
				if err := call(); err == nil || err.Error() != tt.want {
					t.Errorf("%s: error %v, want %s", name, err, tt.want)
				}
			}
		})
	}
}
