//go:build linux

package state

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dgate-io/caddy-dgate/internal/state/boltfile"
)

// smallDisk mounts a disk of so many bytes at a new directory.
func smallDisk(t *testing.T, size int) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := syscall.Mount("dgate-test", dir, "tmpfs", 0, fmt.Sprintf("size=%d,mode=0700", size)); err != nil {
		t.Skipf("a small disk cannot be mounted: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	return dir
}

// fill leaves about so many bytes free on the disk of dir.
func fill(t *testing.T, dir string, free int64) {
	t.Helper()
	path := filepath.Join(dir, "ballast")
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		t.Fatal(err)
	}
	size := int64(st.Bavail)*st.Bsize - free
	if size <= 0 {
		return
	}
	f, err := os.Create(path)
	if err != nil {
		return // full already
	}
	_, err = io.CopyN(f, zeros{}, size)
	if err = errors.Join(ignoreNoSpace(err), f.Close()); err != nil {
		t.Fatal(err)
	}
}

func ignoreNoSpace(err error) error {
	if NoSpace(err) {
		return nil
	}
	return err
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

// TestFullDiskSame applies one log to two states, one of them on a small disk that is full from time
// to time. What could not be applied is brought again; the disk is mended, or the state is restarted
// or restored from a snapshot, or is being read meanwhile. Both end with the same.
func TestFullDiskSame(t *testing.T) {
	rounds := uint64(4)
	if testing.Short() {
		rounds = 1
	}
	for seed := range rounds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			p := &pair{t: t, rnd: rand.New(rand.NewPCG(seed, 1)), good: open(t), dir: smallDisk(t, 6<<20)}
			p.reopen()
			p.feed(p.good.log)
			for range 120 {
				p.step()
			}
			fill(t, p.dir, 1<<30)
			p.catchUp()
			p.compare()
			for _, r := range p.reading {
				r.Release()
			}
			if err := p.small.Close(); err != nil {
				t.Error(err)
			}
			t.Logf("failures %d, restarts %d, restored %d", p.failures, p.restarts, p.restored)
		})
	}
}

// pair is a state that nothing happens to, and one on a small disk.
type pair struct {
	t        *testing.T
	rnd      *rand.Rand
	good     *store
	small    *DB
	dir      string
	pending  []Entry
	reading  []*Snapshot
	failures int
	restarts int
	restored int
}

func (p *pair) reopen() {
	p.t.Helper()
	if p.small != nil {
		for _, r := range p.reading {
			r.Release()
		}
		p.reading = nil
		if err := p.small.Close(); err != nil {
			p.t.Fatal(err)
		}
	}
	db, err := Open(p.dir, Options{BootID: "boot"})
	if err != nil {
		p.t.Fatal(err)
	}
	if db.Rebuilt() != "" {
		p.t.Fatalf("it was thrown away: %s", db.Rebuilt())
	}
	p.small = db
}

// feed brings entries in batches. Those from the first that fails on are brought again later.
func (p *pair) feed(entries []Entry) {
	p.t.Helper()
	p.pending = append(p.pending, entries...)
	for len(p.pending) > 0 {
		n := min(1+p.rnd.IntN(8), len(p.pending))
		for _, o := range p.small.Apply(p.pending[:n]) {
			if storage := new(StorageError); errors.As(o.Err, &storage) {
				p.failures++
				return
			}
			var halted *HaltError
			if errors.As(o.Err, &halted) || errors.Is(o.Err, ErrClosed) {
				p.t.Fatal(o.Err)
			}
			p.pending = p.pending[1:]
		}
		p.compare()
	}
}

func (p *pair) catchUp() {
	p.t.Helper()
	p.feed(nil)
	if len(p.pending) > 0 {
		p.t.Fatal("it cannot write on a disk with space")
	}
}

// compare holds that the small one has the hash that the good one had.
func (p *pair) compare() {
	p.t.Helper()
	at := p.small.Applied()
	want, ok := p.good.HashAt(at)
	if ok && want != p.small.Hash() {
		p.t.Fatalf("at %d: another hash", at)
	}
	if at != p.good.Applied() {
		return
	}
	var a, b bytes.Buffer
	if _, err := p.good.Snapshot(&a); err != nil {
		p.t.Fatal(err)
	}
	if _, err := p.small.Snapshot(&b); err != nil {
		p.t.Fatal(err)
	}
	if diff := cmp.Diff(a.Bytes(), b.Bytes()); diff != "" {
		p.t.Fatalf("at %d: another state", at)
	}
}

func (p *pair) write() {
	before := len(p.good.log)
	switch p.rnd.IntN(12) {
	case 0:
		data := p.good.backup()
		id := string(rune('a' + p.rnd.IntN(26)))
		cmds := restoring(id, data, 30_000)
		cmds[len(cmds)-1].ID[2] = byte(p.good.index)
		p.good.restore(cmds)
	case 1, 2, 3:
		p.good.apply(Delete(service(fmt.Sprint("s", p.rnd.IntN(40)), "http://a").Key(), Condition{}))
	default:
		for range 1 + p.rnd.IntN(10) {
			name := fmt.Sprint("s", p.rnd.IntN(40))
			p.good.apply(put(p.t, service(name, "http://a/"+strings.Repeat("x", p.rnd.IntN(1+p.rnd.IntN(20_000))))))
		}
	}
	p.feed(p.good.log[before:])
}

func (p *pair) step() {
	p.t.Helper()
	switch p.rnd.IntN(10) {
	case 0, 1:
		fill(p.t, p.dir, int64(p.rnd.IntN(40))<<12)
	case 2:
		fill(p.t, p.dir, 1<<30)
		p.feed(nil)
	case 3:
		p.restarts++
		p.reopen()
		if _, err := boltfile.Check(p.small.path()); err != nil {
			p.t.Fatal(err)
		}
	case 4:
		var snap bytes.Buffer
		if _, err := p.good.Snapshot(&snap); err != nil {
			p.t.Fatal(err)
		}
		if err := p.small.Restore(&snap); err != nil {
			if !NoSpace(err) {
				p.t.Fatal(err)
			}
			p.failures++
			break
		}
		p.restored++
		p.pending = nil
	case 5:
		if len(p.reading) > 2 {
			p.reading[0].Release()
			p.reading = p.reading[1:]
		}
		snap, err := p.small.BeginSnapshot()
		if err != nil {
			p.t.Fatal(err)
		}
		p.reading = append(p.reading, snap)
	case 6:
		for _, r := range p.reading {
			var b bytes.Buffer
			if err := r.Write(&b); err != nil {
				p.t.Fatal(err)
			}
			if _, err := VerifySnapshot(&b); err != nil {
				p.t.Fatal(err)
			}
		}
	default:
		p.write()
	}
}
