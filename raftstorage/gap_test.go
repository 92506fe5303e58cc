package raftstorage

import (
	"strings"
	"testing"

	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
)

// TestGapInTheLog: a snapshot that a leader sent leaves a gap before the entries that follow it;
// that is no damage. After the snapshot it would be.
func TestGapInTheLog(t *testing.T) {
	t.Parallel()
	cfg := logged(t, Config{Dir: t.TempDir(), timing: quick()})
	n := New(cfg)
	if err := n.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		write(t, n, service(numbered("s", i), "http://a"))
	}
	if err := n.Snapshot(); err != nil {
		t.Fatal(err)
	}
	snapshot := n.Status().SnapshotIndex
	for i := range 10 {
		write(t, n, service(numbered("t", i), "http://a"))
	}
	hash := n.Status().Hash
	stop(t, n)

	cut := func(first, last uint64) {
		t.Helper()
		log, err := raftboltdb.New(raftboltdb.Options{Path: cfg.path(logFile), BoltOptions: logOptions(false)})
		if err != nil {
			t.Fatal(err)
		}
		if err := log.DeleteRange(first, last); err != nil {
			t.Fatal(err)
		}
		if err := log.Close(); err != nil {
			t.Fatal(err)
		}
	}
	cut(4, snapshot)
	n = New(cfg)
	if err := n.Open(t.Context()); err != nil {
		t.Fatalf("a gap before the snapshot: %v", err)
	}
	if n.Status().Hash != hash || n.Status().LastIndex < snapshot+10 {
		t.Errorf("after that: %+v", n.Status())
	}
	stop(t, n)

	cut(snapshot+2, snapshot+4)
	if err := New(cfg).Open(t.Context()); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("a gap after the snapshot: %v", err)
	}
}
