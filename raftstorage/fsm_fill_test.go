package raftstorage

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/raft"

	"github.com/dgate-io/caddy-dgate/internal/state"
)

// logOf writes services, and gives back the directory with the log of all of them and a state that
// has only the first.
func logOf(t *testing.T, services int) (dir string) {
	t.Helper()
	dir = t.TempDir()
	n := New(logged(t, Config{Dir: dir}))
	must(t, n.Open(t.Context()))
	write(t, n, service(numbered("s", 0), "http://a"))
	stop(t, n)
	before, err := os.ReadFile(filepath.Join(dir, state.FileName))
	must(t, err)
	n = New(logged(t, Config{Dir: dir}))
	must(t, n.Open(t.Context()))
	for i := 1; i < services; i++ {
		write(t, n, service(numbered("s", i), "http://a"))
	}
	stop(t, n)
	must(t, os.WriteFile(filepath.Join(dir, state.FileName), before, 0o600))
	return dir
}

// TestStoppedWhileStateFails ends a member whose state cannot be written, at the moment in which there
// is space again. Raft gives up the batch that failed, and brings the next one.
func TestStoppedWhileStateFails(t *testing.T) {
	t.Parallel()
	dir := logOf(t, 5)
	plugged := plug(t, dir, "dirty")
	f := machine(t, dir)
	ctx, end := context.WithCancel(t.Context())
	f.m.ctx, f.m.guard = ctx, f.m.s.newGuard(ctx.Done())
	f.m.guard.pause = time.Hour
	newest := last(t, f)
	gaveUp := make(chan struct{})
	go func() {
		defer close(gaveUp)
		f.Apply(f.entry(t, newest-1))
	}()
	eventually(t, "fail to write", func() bool { return f.m.guard.failed() != nil })
	must(t, os.Remove(plugged))
	end()
	<-gaveUp
	before := f.m.s.db.Applied()
	f.Apply(f.entry(t, newest))
	if got := f.m.s.db.Applied(); got != before {
		t.Errorf("applied %d after %d: there is a hole", got, before)
	}
}

// TestFollowerStoppedWhileStateFails is the same story with raft: what a follower misses it never
// gets again.
func TestFollowerStoppedWhileStateFails(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3)
	f := c.follower()
	c.same()
	stop(t, c.nodes[f])
	for i := range 300 {
		write(t, c.nodes[c.leads()], service(numbered("s", i), "http://a"))
	}
	usual := c.cfgs[f].timing
	for range 6 { // raft takes one of two ways each time
		plugged := plug(t, c.cfgs[f].Dir, "dirty")
		slow := *usual
		slow.retry = time.Hour
		c.cfgs[f].timing = &slow
		c.open(f)
		m := c.nodes[f].store.member.Load()
		c.eventually("have batches that wait", func() bool {
			waiting, err := strconv.Atoi(m.raft.Stats()["fsm_pending"])
			return err == nil && waiting > 0 && m.guard.failed() != nil
		})
		must(t, os.Remove(plugged))
		stop(t, c.nodes[f])
	}
	c.cfgs[f].timing = usual
	c.open(f)
	c.same()
}

// eventually waits until cond holds.
func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !cond(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it does not %s", what)
		}
	}
}

// machine is what raft applies to, without raft: a store of a directory with a member.
func machine(t *testing.T, dir string) *fsm {
	t.Helper()
	s := &store{cfg: logged(t, Config{Dir: dir, timing: quick()}).withDefaults(), stop: make(chan struct{})}
	must(t, s.openFiles())
	t.Cleanup(func() { must(t, s.close()) })
	m := &member{s: s, ctx: t.Context(), guard: s.newGuard(s.stop)}
	m.logs = newLogCache(m.guard)
	return &fsm{m}
}

// entry reads one of the log.
func (f *fsm) entry(t *testing.T, index uint64) *raft.Log {
	t.Helper()
	var l raft.Log
	must(t, f.m.logs.GetLog(index, &l))
	return &l
}

func last(t *testing.T, f *fsm) uint64 {
	t.Helper()
	last, err := f.m.logs.LastIndex()
	must(t, err)
	return last
}

// TestFill has raft bring the last entry of the log and none of those before.
func TestFill(t *testing.T) {
	t.Parallel()
	f := machine(t, logOf(t, 150))
	f.Apply(f.entry(t, last(t, f)))
	n := &Node{store: f.m.s}
	if got := len(names(t, n, "service")); got != 150 {
		t.Errorf("%d services", got)
	}
}

// TestFillWithout: nothing is applied after an entry that is nowhere.
func TestFillWithout(t *testing.T) {
	t.Parallel()
	f := machine(t, logOf(t, 5))
	applied := f.m.s.db.Applied()
	l := f.entry(t, last(t, f))
	err := f.fill(l.Index + 3)
	if err == nil || !strings.Contains(err.Error(), "neither in the log nor in a snapshot") {
		t.Errorf("got %v", err)
	}
	if got := f.m.s.db.Applied(); got > l.Index {
		t.Errorf("applied %d, before it was %d", got, applied)
	}
}

// TestEndingAppliesNothing: what raft brings after its member was told to end may have a gap.
func TestEndingAppliesNothing(t *testing.T) {
	t.Parallel()
	n := start(t, Config{Dir: t.TempDir()})
	m := n.store.member.Load()
	must(t, n.Barrier(t.Context()))
	f, applied := &fsm{m}, n.store.db.Applied()
	m.cancel()
	cmd := state.Command{ID: [16]byte{1}, Time: time.Now(), Ops: []state.Op{service("late", "http://a")}}
	data, err := cmd.Encode()
	must(t, err)
	o, ok := f.Apply(&raft.Log{Index: applied + 10, Term: 1, Data: data}).(state.Outcome)
	if !ok || !errors.Is(o.Err, state.ErrClosed) || n.store.db.Applied() != applied {
		t.Errorf("outcome %+v, applied %d instead of %d", o, n.store.db.Applied(), applied)
	}
	if _, err := f.Snapshot(); !errors.Is(err, ErrClosed) {
		t.Errorf("snapshot: %v", err)
	}
}
