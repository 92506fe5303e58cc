package keyring_test

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/dgate-io/caddy-dgate/internal/change/changetest"
	"github.com/dgate-io/caddy-dgate/internal/keyring"
)

func TestParseKEK(t *testing.T) {
	const hexKey = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
	const base64Key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
	tests := map[string]struct {
		text string
		want string // the error, without what is always said
	}{
		"hex":                       {hexKey, ""},
		"base64":                    {base64Key, ""},
		"base64 without padding":    {strings.TrimRight(base64Key, "="), ""},
		"a passphrase":              {"correct horse battery staple", ""},
		"space around":              {" \t" + hexKey + "\r\n", ""},
		"16 bytes are a passphrase": {hexKey[:32], ""},
		"words are a passphrase":    {"correct horse battery staple and nothing else", ""},
		"a digit is missing":        {hexKey[1:], "looks like a key as hex, but must have 64 digits and no space between them; it has 63"},
		"a byte too many":           {hexKey + "20", "looks like a key as hex, but must have 64 digits and no space between them; it has 66"},
		"a space inside":            {hexKey[:32] + "\n" + hexKey[32:], "looks like a key as hex, but must have 64 digits and no space between them; it has 64"},
		"base64, cut short":         {base64Key[:42], "looks like a key as base64, but must be 32 bytes, which have 43 characters and may end with =; it has 42. Write a passphrase with spaces, or another length"},
		"base64, of 33 bytes":       {base64Key[:43] + "g", "looks like a key as base64, but must be 32 bytes, which have 43 characters and may end with =; it has 44. Write a passphrase with spaces, or another length"},
		"too short":                 {"short-passphras", "must be 32 bytes as hex or base64, or a passphrase of at least 16 characters"},
		"nothing":                   {"", "must be 32 bytes as hex or base64, or a passphrase of at least 16 characters"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			kek, err := keyring.ParseKEK(tt.text)
			if tt.want == "" && (err != nil || kek == nil) || tt.want != "" && (err == nil || err.Error() != tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
	store := changetest.New(t)
	a, errA := keyring.ParseKEK(hexKey)
	b, errB := keyring.ParseKEK(base64Key)
	if errA != nil || errB != nil {
		t.Fatal(errA, errB)
	}
	opens(t, keyring.New(store, configured(b)), seal(t, keyring.New(store, configured(a)), plain))
}

// The key file is made when the first value is encrypted, and not by looking.
func TestFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), keyring.FileName)
	k := keyring.New(changetest.New(t), keyring.Source{File: file})
	if _, err := k.Unlock(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := k.Open(secret, "data", "dg1.AQ"); err == nil {
		t.Error("nonsense decrypts")
	}
	if _, err := os.Stat(file); !os.IsNotExist(err) {
		t.Errorf("the key file exists already: %v", err)
	}
	seal(t, k, plain)
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("the mode of the key file is %s", info.Mode())
	}
	if left, _ := filepath.Glob(file + ".*"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// A damaged key file is an error that says where it is, and is left as it is.
func TestDamagedFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), keyring.FileName)
	if err := os.WriteFile(file, []byte("oops-secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := keyring.New(changetest.New(t), keyring.Source{File: file}).Seal(t.Context(), secret, "data", plain)
	want := "encrypt secret default/k: encryption key file: " + file + " does not hold 32 bytes as hex or base64; restore it from a backup"
	if err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
	if data, err := os.ReadFile(file); string(data) != "oops-secret\n" {
		t.Errorf("the file has become %q, %v", data, err)
	}
}

// From a key file to a configured key, to another one, and back: values stay readable, and after
// Unlock the older key is not needed.
func TestChangeOfKEK(t *testing.T) {
	file := filepath.Join(t.TempDir(), keyring.FileName)
	store := changetest.New(t)
	text := seal(t, keyring.New(store, keyring.Source{File: file}), plain)
	first, second := keyring.NewKEK(), keyring.NewKEK()
	passphrase, err := keyring.ParseKEK("correct horse battery staple")
	if err != nil {
		t.Fatal(err)
	}
	steps := []struct {
		name        string
		with, after keyring.Source
	}{
		{"file to key", keyring.Source{Keys: configured(first).Keys, File: file}, configured(first)},
		{"key to key", configured(second, first), configured(second)},
		{"key to passphrase", configured(passphrase, second), configured(passphrase)},
		{"passphrase to key", configured(first, passphrase), configured(first)},
	}
	for _, step := range steps {
		k := keyring.New(store, step.with)
		opens(t, k, text)
		if renewed, err := k.Unlock(t.Context()); err != nil || renewed != 1 {
			t.Fatal(step.name, renewed, err)
		}
		stored := dataKeys(t, store)
		k = keyring.New(store, step.after)
		opens(t, k, text)
		if renewed, err := k.Unlock(t.Context()); err != nil || renewed != 0 {
			t.Fatal(step.name, renewed, err)
		}
		if now := dataKeys(t, store); len(now) != 1 || now[0] != stored[0] {
			t.Errorf("%s: nothing was to do, but data keys changed from %v to %v", step.name, stored, now)
		}
	}
}

// A configuration whose key changes while the program runs needs no list of keys.
func TestChangeInMemory(t *testing.T) {
	file := filepath.Join(t.TempDir(), keyring.FileName)
	store := changetest.New(t)
	keks := []*keyring.KEK{keyring.NewKEK()}
	k := keyring.New(store, keyring.Source{Keys: func() []*keyring.KEK { return keks }, File: file})
	text := seal(t, k, plain)
	for _, next := range [][]*keyring.KEK{{keyring.NewKEK()}, nil} {
		keks = next
		if _, err := k.Unlock(t.Context()); err != nil {
			t.Fatal(err)
		}
		opens(t, keyring.New(store, keyring.Source{Keys: func() []*keyring.KEK { return next }, File: file}), text)
	}
}
