package raftstorage

import (
	"sync/atomic"
	"testing"
	"time"
)

// The age of the newest snapshot is known after a restart too, and what is applied is told.
func TestSnapshotTime(t *testing.T) {
	var applied atomic.Int64
	cfg := Config{Dir: t.TempDir(), Applied: func(time.Duration) { applied.Add(1) }}
	n := start(t, cfg)
	if at := n.Status().SnapshotTime; !at.IsZero() {
		t.Errorf("a snapshot of %s, and there is none", at)
	}
	before := applied.Load()
	write(t, n, service("s", "http://a"))
	if applied.Load() <= before {
		t.Error("nobody was told that a change was applied")
	}
	began := time.Now()
	must(t, n.Snapshot())
	taken := n.Status().SnapshotTime
	if taken.Before(began) || taken.After(time.Now()) {
		t.Errorf("a snapshot of %s, want one since %s", taken, began)
	}
	stop(t, n)
	n = start(t, cfg)
	if again := n.Status().SnapshotTime; again.After(taken) || again.Before(began.Add(-time.Millisecond)) { // it began a little earlier
		t.Errorf("after a restart a snapshot of %s, before of %s", again, taken)
	}
}
