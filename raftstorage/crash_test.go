package raftstorage

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/dgate-io/caddy-dgate/internal/resource"
	"github.com/dgate-io/caddy-dgate/internal/state"
)

// childDir is set in a process that runs [child] instead of tests.
const childDir = "DGATE_TEST_CHILD_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		if err := child(dir, os.Getenv("DGATE_TEST_CHILD_FIRST")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// child writes services until it is killed, several at a time, and tells of each one that was
// acknowledged.
func child(dir, first string) error {
	n := New(Config{Dir: dir, SnapshotBytes: 64 << 10, timing: quick()})
	if err := n.Open(context.Background()); err != nil {
		return err
	}
	fmt.Println("open", os.Getpid())
	start, err := strconv.Atoi(first)
	if err != nil {
		return err
	}
	var next atomic.Int64
	next.Store(int64(start))
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				name := numbered("s", int(next.Add(1)))
				o, err := n.Propose(context.Background(), service(name, "http://"+name))
				if err != nil {
					fmt.Println("error", err)
					return
				}
				fmt.Println("ack", name, o.Results[0].Version)
			}
		})
	}
	wg.Wait()
	return nil
}

func startChild(t *testing.T, dir string, first int) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), childDir+"="+dir, "DGATE_TEST_CHILD_FIRST="+strconv.Itoa(first))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it is dead already if all went well
		_ = cmd.Wait()
	})
	return cmd, bufio.NewScanner(out)
}

// TestKill kills a process that writes, again and again, and looks for every write that it said
// was done. After some of the kills the machine is taken to have gone down as well.
func TestKill(t *testing.T) {
	rounds := 20
	if testing.Short() {
		rounds = 4
	}
	dir := t.TempDir()
	acked := map[string]uint64{}
	for round := range rounds {
		cmd, lines := startChild(t, dir, round*10_000)
		kill := 10 + round*17%200
		for seen := 0; lines.Scan(); {
			f := strings.Fields(lines.Text())
			if f[0] == "error" {
				t.Fatalf("round %d: %s", round, lines.Text())
			}
			if f[0] == "ack" {
				version, err := strconv.ParseUint(f[2], 10, 64)
				if err != nil {
					t.Fatal(err)
				}
				acked[f[1]] = version
				if seen++; seen == kill {
					if err := cmd.Process.Kill(); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
		if err := cmd.Wait(); err == nil {
			t.Fatalf("round %d: the child ended by itself", round)
		}
		if round%2 == 0 { // the next child opens what the last one left
			continue
		}
		cfg := Config{Dir: dir}
		if round%4 == 3 {
			cfg.bootID = "another"
		}
		n := New(logged(t, cfg))
		if err := n.Open(t.Context()); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		if rebuilt := n.Status().Rebuilt; (rebuilt != "") != (cfg.bootID != "") {
			t.Errorf("round %d: rebuilt %q", round, rebuilt)
		}
		err := n.DB().View(func(r *state.Reader) error {
			for name, version := range acked {
				rec, ok, err := r.Get(resource.Key{Kind: "service", Namespace: "default", Name: name})
				if err != nil || !ok || rec.Version != version {
					return fmt.Errorf("%s of version %d: %v, version %d, error %w", name, version, ok, rec.Version, err)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatalf("round %d: lost: %v", round, err)
		}
		stop(t, n)
	}
	t.Logf("%d writes", len(acked))
}

// TestOtherProcess opens a directory that another process has, and once more when that is dead.
func TestOtherProcess(t *testing.T) {
	dir := t.TempDir()
	cmd, lines := startChild(t, dir, 0)
	for lines.Scan() && !strings.HasPrefix(lines.Text(), "ack") {
	}
	go func() {
		for lines.Scan() {
		}
	}()
	n := New(logged(t, Config{Dir: dir}))
	defer stop(t, n)
	begin := time.Now()
	err := n.Open(t.Context())
	if err == nil || !strings.Contains(err.Error(), "in use by process "+strconv.Itoa(cmd.Process.Pid)+",") {
		t.Errorf("got %v", err)
	}
	if took := time.Since(begin); took > 2*time.Second {
		t.Errorf("it took %v", took)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	if _, err := os.Stat(filepath.Join(dir, lockFile)); err != nil {
		t.Errorf("no stale lock to test with: %v", err)
	}
	if err := n.Open(t.Context()); err != nil {
		t.Errorf("after the other process died: %v", err)
	}
}
