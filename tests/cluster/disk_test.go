package cluster

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// smallDisk gives a node a disk of its own for its data.
func (n *node) smallDisk(t testing.TB, size string) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root: nothing can be mounted otherwise")
	}
	n.DataDir = filepath.Join(t.TempDir(), "disk")
	if err := os.Mkdir(n.DataDir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := run("mount", "-t", "tmpfs", "-o", "mode=0700,size="+size, "faults", n.DataDir); err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() {
		_ = n.end() // nobody uses it any more
		if out, err := exec.Command("umount", n.DataDir).CombinedOutput(); err != nil {
			t.Errorf("umount: %v: %s", err, out)
		}
	})
}

// fill writes a file that leaves no room on the disk of a node.
func (n *node) fill() (file string, err error) {
	file = filepath.Join(n.DataDir, "filler")
	f, err := os.Create(file)
	if err != nil {
		return "", err
	}
	defer f.Close() //nolint:errcheck // what was written counts
	zeros := make([]byte, 64<<10)
	for len(zeros) > 0 {
		if _, err := f.Write(zeros); errors.Is(err, syscall.ENOSPC) {
			zeros = zeros[:len(zeros)/2]
		} else if err != nil {
			return file, err
		}
	}
	return file, nil
}

// filler is text that does not become smaller when it is packed; the same for the same seed.
func filler(size int, seed int64) string {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"
	r := rand.New(rand.NewPCG(uint64(seed), 1)) //nolint:gosec // nobody is to be surprised by it
	text := make([]byte, size)
	for i := range text {
		text[i] = letters[r.IntN(len(letters))]
	}
	return string(text)
}

func number(s string) uint64 {
	n, _ := strconv.ParseUint(s, 10, 64)
	return n
}

// Test 10: the disk of the leader, then that of a follower, is full. The process lives on, another node
// leads, and when there is room again the node is as the others, without a restart.
func TestDiskFull(t *testing.T) {
	count := rounds(t, 1, 10)
	c := newCluster(t, 3)
	for _, n := range c.nodes {
		n.smallDisk(t, "48m")
	}
	c.start()
	c.collect(collection)
	c.collect("big")
	w := startWorkload(t, c.nodes, 6)
	w.more(20)
	full := func(n *node, lead bool) {
		file, err := n.fill()
		c.must(err)
		w.use(c.others(n))
		from := w.now()
		// What is free in the files of the node is used up first.
		failed := false
		c.must(await(30*time.Second, func() error {
			for range 4 {
				_, _ = c.others(n)[0].want(http.MethodPut, fmt.Sprintf("/api/v1/document/default/big/%d", rand.IntN(8)), quote(filler(200_000, rand.Int64())))
			}
			err := n.ready()
			if err == nil {
				return errors.New("the node whose disk is full says that it is ready")
			}
			failed = true
			_, err = leads(c.others(n))
			return err
		}))
		gap := w.resumed(from)
		if !n.Running() {
			t.Fatalf("%s ended when its disk was full", n.name)
		}
		t.Logf("disk of the leader full: %t; noticed: %t; longest pause of writes %v", lead, failed, gap.Round(time.Millisecond))
		w.more(20)
		c.must(os.Remove(file))
		c.must(await(60*time.Second, n.ready))
		c.complete(3)
		w.use(c.nodes)
		w.more(20)
	}
	for range count {
		leader := c.leader()
		full(leader, true)
		if long {
			full(c.followers(c.leader())[0], false)
		}
	}
	c.settle(w)
}

// loseState ends a node and removes what can be made again from snapshots and the log.
func (n *node) loseState() error {
	if err := n.Stop(); err != nil {
		return err
	}
	return os.Remove(filepath.Join(n.DataDir, "state.db"))
}
