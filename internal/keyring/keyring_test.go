package keyring_test

import (
	"bytes"
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dgate-io/caddy-dgate/internal/change/changetest"
	"github.com/dgate-io/caddy-dgate/internal/keyring"
	"github.com/dgate-io/caddy-dgate/internal/resource"
	"github.com/dgate-io/caddy-dgate/internal/state"
)

const plain = "hunter2-0123456789"

var secret = resource.Key{Kind: "secret", Namespace: "default", Name: "k"}

// configured is a source of these keys only.
func configured(keks ...*keyring.KEK) keyring.Source {
	return keyring.Source{Keys: func() []*keyring.KEK { return keks }}
}

func seal(t testing.TB, k *keyring.Keyring, value string) string {
	t.Helper()
	text, err := k.Seal(t.Context(), secret, "data", value)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func opens(t testing.TB, k *keyring.Keyring, text string) {
	t.Helper()
	got, err := k.Open(secret, "data", text)
	if err != nil {
		t.Fatal(err)
	}
	if got != plain {
		t.Errorf("decrypted %q, want %q", got, plain)
	}
}

// dataKeys lists what is stored of them.
func dataKeys(t testing.TB, store *changetest.Store) (keys []string) {
	t.Helper()
	err := store.DB().View(func(r *state.Reader) error {
		for rec, err := range r.List(state.DataKey, "") {
			if err != nil {
				return err
			}
			keys = append(keys, rec.Key.Name+" "+string(rec.Data))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func TestRoundTrip(t *testing.T) {
	passphrase, err := keyring.ParseKEK("correct horse battery staple")
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]keyring.Source{
		"a key":        configured(keyring.NewKEK()),
		"a passphrase": configured(passphrase),
		"a file":       {File: filepath.Join(t.TempDir(), keyring.FileName)},
	}
	for name, source := range tests {
		t.Run(name, func(t *testing.T) {
			store := changetest.New(t)
			k := keyring.New(store, source)
			for _, value := range []string{plain, "", "\x00\xff", strings.Repeat("x", 64<<10)} {
				text := seal(t, k, value)
				if got, err := k.Open(secret, "data", text); err != nil || got != value {
					t.Errorf("decrypted %.20q, %v; want %.20q", got, err, value)
				}
				if text == seal(t, k, value) {
					t.Error("two ciphertexts of one value are equal")
				}
			}
			text := seal(t, k, plain)
			opens(t, keyring.New(store, source), text) // as after a restart
			if n := len(dataKeys(t, store)); n != 1 {
				t.Errorf("there are %d data keys, want 1", n)
			}
		})
	}
}

// A value decrypts only where it belongs.
func TestMovedValues(t *testing.T) {
	k := keyring.New(changetest.New(t), configured(keyring.NewKEK()))
	text := seal(t, k, plain)
	opens(t, k, text)
	tests := map[string]struct {
		key   resource.Key
		field string
		text  string
	}{
		"another name":      {resource.Key{Kind: "secret", Namespace: "default", Name: "other"}, "data", text},
		"another namespace": {resource.Key{Kind: "secret", Namespace: "other", Name: "k"}, "data", text},
		"another kind":      {resource.Key{Kind: "domain", Namespace: "default", Name: "k"}, "data", text},
		"another field":     {secret, "key", text},
		"shifted parts":     {resource.Key{Kind: "secret", Namespace: "defaul", Name: "tk"}, "data", text},
		"shortened":         {secret, "data", text[:len(text)-4]},
		"another version":   {secret, "data", "dg2." + strings.TrimPrefix(text, "dg1.")},
		"plain text":        {secret, "data", plain},
		"nothing":           {secret, "data", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := k.Open(tt.key, tt.field, tt.text)
			if err == nil {
				t.Fatalf("decrypted: %q", got)
			}
			want := tt.key.String() + " cannot be read: what is stored is damaged, or belongs elsewhere"
			if err.Error() != want || resource.CodeOf(err) != resource.Conflict {
				t.Errorf("error %q (%s), want %q", err, resource.CodeOf(err), want)
			}
		})
	}
}

// Neither values nor keys are in what is stored, in the clear or in base64.
func TestNothingInTheClear(t *testing.T) {
	file := filepath.Join(t.TempDir(), keyring.FileName)
	store := changetest.New(t)
	k := keyring.New(store, keyring.Source{File: file})
	text := seal(t, k, plain)
	kek, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var snapshot bytes.Buffer
	if _, err := store.DB().Snapshot(&snapshot); err != nil {
		t.Fatal(err)
	}
	stored := text + strings.Join(dataKeys(t, store), "\n") + snapshot.String()
	for _, leak := range []string{plain, base64.RawURLEncoding.EncodeToString([]byte(plain))[:16], string(bytes.TrimSpace(kek))} {
		if strings.Contains(stored, leak) {
			t.Errorf("%q is stored", leak)
		}
	}
}

// Whoever comes first makes the data key, and all use it.
func TestRace(t *testing.T) {
	store := changetest.New(t)
	kek := keyring.NewKEK()
	texts := make([]string, 16)
	var wg sync.WaitGroup
	for i := range texts {
		node := keyring.New(store, configured(kek))
		wg.Go(func() {
			var err error
			if texts[i], err = node.Seal(t.Context(), secret, "data", plain); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	k := keyring.New(store, configured(kek))
	for _, text := range texts {
		opens(t, k, text)
	}
	if n := len(dataKeys(t, store)); n != 1 {
		t.Errorf("there are %d data keys, want 1", n)
	}
}

func TestYearlyKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := changetest.New(t)
		k := keyring.New(store, configured(keyring.NewKEK()))
		first := seal(t, k, plain)
		time.Sleep(364 * 24 * time.Hour)
		seal(t, k, plain)
		if n := len(dataKeys(t, store)); n != 1 {
			t.Errorf("after 364 days there are %d data keys, want 1", n)
		}
		time.Sleep(2 * 24 * time.Hour)
		second := seal(t, k, plain)
		if n := len(dataKeys(t, store)); n != 2 {
			t.Errorf("after a year there are %d data keys, want 2", n)
		}
		opens(t, k, first)
		opens(t, k, second)
	})
}

func FuzzOpen(f *testing.F) {
	k := keyring.New(changetest.New(f), configured(keyring.NewKEK()))
	good := seal(f, k, plain)
	f.Add(good)
	f.Add(good[:40])
	f.Add("dg1.")
	f.Add("dg1.AQA")
	f.Fuzz(func(t *testing.T, text string) {
		if got, err := k.Open(secret, "data", text); err == nil && (text != good || got != plain) {
			t.Errorf("%q decrypts to %q", text, got)
		}
	})
}

func BenchmarkOpen(b *testing.B) {
	k := keyring.New(changetest.New(b), configured(keyring.NewKEK()))
	text := seal(b, k, plain)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := k.Open(secret, "data", text); err != nil {
			b.Fatal(err)
		}
	}
}
