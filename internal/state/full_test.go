package state

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// full makes the disk of dir full for the file dirty. Removing what it returns makes space again.
func full(t *testing.T, dir string) (plug string) {
	t.Helper()
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("there is no /dev/full")
	}
	plug = filepath.Join(dir, dirtyFile+".new")
	if err := os.Symlink("/dev/full", plug); err != nil {
		t.Fatal(err)
	}
	return plug
}

// TestFullDisk: a state is read from a disk that is full, and nothing is applied before the mark
// of an unclean end is on it.
func TestFullDisk(t *testing.T) {
	s := open(t)
	dir := s.dir
	s.must(put(t, service("a", "http://a")))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	plug := full(t, dir)
	db, err := Open(dir, Options{BootID: "boot"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}()
	entry := []Entry{{Index: db.Applied() + 1, Term: 1, NoOp: true}}
	var storage *StorageError
	if err := db.Apply(entry)[0].Err; !errors.As(err, &storage) || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("applied: %v", err)
	}
	if err := os.Remove(plug); err != nil {
		t.Fatal(err)
	}
	if err := db.Apply(entry)[0].Err; err != nil || db.Applied() != entry[0].Index {
		t.Errorf("with space: %v, applied %d", err, db.Applied())
	}
	if _, err := os.Stat(filepath.Join(dir, dirtyFile)); err != nil {
		t.Errorf("there is no mark: %v", err)
	}
}

// TestFullDiskFresh: nothing is begun that could not be told from a state that was synced.
func TestFullDiskFresh(t *testing.T) {
	for name, content := range map[string]string{"no state": "", "a damaged one": strings.Repeat("x", 50_000)} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if content != "" {
				if err := os.WriteFile(filepath.Join(dir, FileName), []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			full(t, dir)
			if _, err := Open(dir, Options{BootID: "boot"}); !errors.Is(err, syscall.ENOSPC) {
				t.Errorf("got %v", err)
			}
		})
	}
}
