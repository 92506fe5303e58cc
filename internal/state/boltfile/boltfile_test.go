package boltfile

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	bolt "go.etcd.io/bbolt"
)

// sample is a bbolt file with trees of several levels, nested and inline buckets, large values
// and free pages.
func sample(t testing.TB) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "db")
	db, err := bolt.Open(path, 0o600, &bolt.Options{NoFreelistSync: true, NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	for round := range 3 {
		err = db.Update(func(tx *bolt.Tx) error {
			b, err := tx.CreateBucketIfNotExists([]byte("tree"))
			if err != nil {
				return err
			}
			for i := range 800 {
				if err := b.Put(fmt.Appendf(nil, "%05d", i), bytes.Repeat([]byte{byte(i + round)}, 60)); err != nil {
					return err
				}
			}
			small, err := b.CreateBucketIfNotExists([]byte("inline"))
			if err != nil {
				return err
			}
			if err := small.Put([]byte("k"), []byte("v")); err != nil {
				return err
			}
			return b.Put([]byte("large"), make([]byte, 20_000))
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestSound(t *testing.T) {
	data := sample(t)
	report, err := check(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	if report.Used < 50_000 || report.Used >= report.Size {
		t.Errorf("%+v", report)
	}
	for name, path := range map[string]string{
		"absent": filepath.Join(t.TempDir(), "none"),
		"empty":  os.DevNull,
	} {
		if _, err := Check(path); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestDamaged changes the bytes of a file that describe its structure, and cuts it. Whatever Check
// lets pass, bbolt must be able to read to the end.
func TestDamaged(t *testing.T) {
	good := sample(t)
	path := filepath.Join(t.TempDir(), "db")
	var refused, passed int
	try := func(name string, data []byte) {
		if _, err := check(bytes.NewReader(data), int64(len(data))); err != nil {
			refused++
			return
		}
		passed++
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		db, err := bolt.Open(path, 0o600, &bolt.Options{NoFreelistSync: true})
		if err != nil {
			t.Fatalf("%s: passed, but bbolt says %v", name, err)
		}
		err = db.View(func(tx *bolt.Tx) error {
			return tx.ForEach(func(_ []byte, b *bolt.Bucket) error {
				return b.ForEach(func(_, _ []byte) error { return nil })
			})
		})
		if err != nil {
			t.Errorf("%s: passed, but bbolt says %v", name, err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
	for at := 0; at < len(good); {
		data := bytes.Clone(good)
		data[at] ^= 0xff
		try(fmt.Sprintf("byte %d", at), data)
		if page := at / 4096; at%4096 < 48 && (page < 4 || page%5 == 0) {
			at++
		} else {
			at += 1777
		}
	}
	for n := 1; n < len(good); n += 4001 {
		try(fmt.Sprintf("cut at %d", n), good[:n])
	}
	if refused == 0 || passed == 0 {
		t.Errorf("%d refused, %d passed", refused, passed)
	}
}

func FuzzCheck(f *testing.F) {
	f.Add(0, byte(1), sample(f)[4096:4200])
	base := sample(f)
	f.Fuzz(func(t *testing.T, at int, _ byte, patch []byte) {
		data := bytes.Clone(base)
		if at < 0 || at >= len(data) {
			t.Skip()
		}
		copy(data[at:], patch)
		_, _ = check(bytes.NewReader(data), int64(len(data))) // must not panic
	})
}
