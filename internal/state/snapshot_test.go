package state

import (
	"bytes"
	"errors"
	"os"
	"testing"
)

// TestViewAcrossRestore: readers keep the state they began with, and do not keep anybody waiting.
func TestViewAcrossRestore(t *testing.T) {
	s := open(t)
	s.must(put(t, service("old", "http://a")))
	var buf bytes.Buffer
	header, err := s.DB.Snapshot(&buf)
	if err != nil {
		t.Fatal(err)
	}
	if header.Index != s.index {
		t.Errorf("header: %+v", header)
	}
	s.must(put(t, service("new", "http://a")))
	old := s.handle
	err = s.View(func(r *Reader) error {
		if err := s.Restore(&buf); err != nil {
			return err
		}
		if _, ok, err := r.Get(key("service", "new")); !ok || err != nil {
			t.Errorf("the view changed: %v %v", ok, err)
		}
		return s.View(func(r *Reader) error {
			if _, ok, err := r.Get(key("service", "new")); ok || err != nil {
				t.Errorf("a new view shows the old state: %v %v", ok, err)
			}
			return nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	<-old.drained
	if old.err != nil {
		t.Error(old.err)
	}
	if s.Applied() != header.Index {
		t.Errorf("applied %d", s.Applied())
	}
	s.index = header.Index
	s.must(put(t, service("more", "http://a")))
	hash := s.Hash()
	s.reopen()
	if s.Hash() != hash || s.Rebuilt() != "" {
		t.Error("another state after restart")
	}
}

func TestBadSnapshots(t *testing.T) {
	s := open(t)
	s.must(put(t, service("a", "http://a")), put(t, route("r", "a", nil, get, "/r")))
	var buf bytes.Buffer
	if _, err := s.DB.Snapshot(&buf); err != nil {
		t.Fatal(err)
	}
	good := buf.Bytes()
	hash := s.Hash()
	try := func(name string, data []byte) {
		if err := s.Restore(bytes.NewReader(data)); err == nil {
			t.Errorf("%s: accepted", name)
		}
		if s.Hash() != hash || s.Applied() != s.index {
			t.Fatalf("%s: the state changed", name)
		}
	}
	for n := range good {
		if n%7 == 0 || n > len(good)-10 {
			try("cut off", good[:n])
		}
		if n%5 == 0 {
			flipped := bytes.Clone(good)
			flipped[n] ^= 0x10
			try("damaged", flipped)
		}
	}
	try("longer", append(bytes.Clone(good), good...))
	try("a huge length", append(bytes.Clone(good[:9]), 0xff, 0xff, 0xff, 0xff, 0x0f))
	if _, err := os.Stat(s.newPath()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("something was left behind: %v", err)
	}
	if err := s.Restore(bytes.NewReader(good)); err != nil {
		t.Errorf("the good one: %v", err)
	}
}
