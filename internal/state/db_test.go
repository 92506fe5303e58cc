package state

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	bolt "go.etcd.io/bbolt"

	"github.com/dgate-io/caddy-dgate/internal/resource"
)

func TestReopen(t *testing.T) {
	s := open(t)
	s.must(put(t, service("a", "http://a")))
	s.must(del("namespace", "default"), del("service", "a"))
	before := s.Changelog()
	s.reopen()
	if s.Rebuilt() != "" || s.Changelog() != before || s.Applied() != s.index {
		t.Errorf("rebuilt %q, %+v instead of %+v", s.Rebuilt(), s.Changelog(), before)
	}
	if _, ok := s.get(resource.Key{Kind: "namespace", Name: "default"}); ok {
		t.Error("namespace default came back")
	}
}

// TestUncleanEnd opens what a crash left: the files as they are while the state is open.
func TestUncleanEnd(t *testing.T) {
	tests := map[string]struct {
		boot    string
		change  func(t *testing.T, dir string)
		rebuilt string
	}{
		"same boot":  {boot: "boot"},
		"other boot": {boot: "other", rebuilt: "the machine went down"},
		"other boot, but closed": {boot: "other", change: func(t *testing.T, dir string) {
			if err := os.Remove(filepath.Join(dir, dirtyFile)); err != nil {
				t.Fatal(err)
			}
		}},
		"unknown boot": {boot: unknownBoot, rebuilt: "the machine went down"},
		"cut off": {boot: "boot", rebuilt: "damaged", change: func(t *testing.T, dir string) {
			if err := os.Truncate(filepath.Join(dir, FileName), 9000); err != nil {
				t.Fatal(err)
			}
		}},
		"empty file": {boot: "boot", change: func(t *testing.T, dir string) {
			if err := os.Truncate(filepath.Join(dir, FileName), 0); err != nil {
				t.Fatal(err)
			}
		}},
		"a value is damaged": {boot: "boot", rebuilt: "service default/a: checksum", change: func(t *testing.T, dir string) {
			flip(t, filepath.Join(dir, FileName), "http://a")
		}},
		"not a database": {boot: "boot", rebuilt: "damaged", change: func(t *testing.T, dir string) {
			if err := os.WriteFile(filepath.Join(dir, FileName), bytes.Repeat([]byte("x"), 1<<16), 0o600); err != nil {
				t.Fatal(err)
			}
		}},
		"an unfinished restore": {boot: "boot", change: func(t *testing.T, dir string) {
			if err := os.WriteFile(filepath.Join(dir, FileName+".new"), []byte("x"), 0o600); err != nil {
				t.Fatal(err)
			}
		}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			s.must(put(t, service("a", "http://a")))
			dir := t.TempDir()
			for _, file := range []string{FileName, dirtyFile} {
				data, err := os.ReadFile(filepath.Join(s.dir, file))
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(dir, file), data, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if tt.change != nil {
				tt.change(t, dir)
			}
			db, err := Open(dir, Options{BootID: tt.boot})
			if err != nil {
				t.Fatal(err)
			}
			if got := db.Rebuilt(); !strings.Contains(got, tt.rebuilt) || (got == "") != (tt.rebuilt == "") {
				t.Errorf("rebuilt %q, want %q", got, tt.rebuilt)
			}
			// The log brings it all back.
			for _, o := range db.Apply(s.log) {
				if o.Err != nil {
					t.Error(o.Err)
				}
			}
			if db.Hash() != s.Hash() {
				t.Error("another state after the log was applied again")
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			if _, err := os.Stat(filepath.Join(dir, dirtyFile)); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("dirty after Close: %v", err)
			}
		})
	}
}

// flip changes one byte of text in all places of a file.
func flip(t *testing.T, path, text string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(data, []byte(text)) {
		t.Fatalf("%s has no %q", path, text)
	}
	other := append([]byte{text[0] ^ 1}, text[1:]...)
	if err := os.WriteFile(path, bytes.ReplaceAll(data, []byte(text), other), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestNewerFile(t *testing.T) {
	s := open(t)
	err := s.handle.bolt.Update(func(tx *bolt.Tx) error {
		m, err := readMeta(tx)
		if err != nil {
			return err
		}
		m.format++
		return m.write(tx)
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(s.dir, Options{BootID: "boot"}); err == nil || !strings.Contains(err.Error(), "newer version") {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(filepath.Join(s.dir, FileName)); err != nil {
		t.Error("the file of the newer version is gone")
	}
}

// TestClose closes while there are readers, nested ones too, and writers.
func TestClose(t *testing.T) {
	s := open(t)
	var wg sync.WaitGroup
	entered := make(chan struct{}, 8)
	for range 8 {
		wg.Go(func() {
			for {
				err := s.View(func(*Reader) error {
					select {
					case entered <- struct{}{}:
					default:
					}
					return s.View(func(*Reader) error { return nil })
				})
				if errors.Is(err, ErrClosed) {
					return
				}
			}
		})
	}
	<-entered
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	wg.Wait()
	if err := s.Close(); err != nil {
		t.Errorf("again: %v", err)
	}
	if o := s.Apply([]Entry{{Index: 9, NoOp: true}}); !errors.Is(o[0].Err, ErrClosed) {
		t.Errorf("Apply: %v", o[0].Err)
	}
	if err := s.Restore(bytes.NewReader(nil)); !errors.Is(err, ErrClosed) {
		t.Errorf("Restore: %v", err)
	}
	if err := s.Check(nil); !errors.Is(err, ErrClosed) {
		t.Errorf("Check: %v", err)
	}
}

func TestList(t *testing.T) {
	s := open(t)
	s.must(put(t, namespace("default-2")), put(t, namespace("a")))
	for _, ns := range []string{"default-2", "a", "default"} {
		for _, name := range []string{"z", "b"} {
			s.must(put(t, &resource.Service{Name: name, Namespace: ns, URLs: []string{"http://a"}}))
		}
	}
	list := func(kind, namespace string) (all []string) {
		err := s.View(func(r *Reader) error {
			for rec, err := range r.List(kind, namespace) {
				if err != nil {
					return err
				}
				all = append(all, rec.Key.String())
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	for name, tt := range map[string]struct{ got, want []string }{
		"one namespace": {list("service", "default"), []string{"service default/b", "service default/z"}},
		"all":           {list("service", ""), []string{"service a/b", "service a/z", "service default/b", "service default/z", "service default-2/b", "service default-2/z"}},
		"global":        {list("namespace", ""), []string{"namespace a", "namespace default", "namespace default-2"}},
		"none":          {list("route", ""), nil},
		"no kind":       {list("nonsense", ""), nil},
	} {
		if diff := cmp.Diff(tt.want, tt.got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestReferrers(t *testing.T) {
	s := open(t)
	s.must(
		put(t, service("s", "http://a")), put(t, service("s2", "http://a")),
		put(t, route("r2", "s", nil, get, "/2")), put(t, route("r1", "s", nil, get, "/1")), put(t, route("r3", "s2", nil, get, "/3")),
	)
	var got []string
	err := s.View(func(r *Reader) error {
		for k, err := range r.Referrers(key("service", "s")) {
			if err != nil {
				return err
			}
			got = append(got, k.String())
		}
		return nil
	})
	if diff := cmp.Diff([]string{"route default/r1", "route default/r2"}, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}
