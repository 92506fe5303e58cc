package raftstorage

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/go-hclog"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

func TestLogger(t *testing.T) {
	core, first := observer.New(zapcore.DebugLevel)
	current := zap.New(core).Named("dgate")
	l := newLogger(func() *zap.Logger { return current }).With("peer", "b")
	l.Info("entering leader state")
	l.Warn("heartbeat timeout reached, starting election")
	l.Named("snapshot").Error("failed", "error", errors.New("no space"), "servers", hclog.Fmt("%d of %d", 1, 3), "odd")
	got := first.TakeAll()
	if len(got) != 1 {
		t.Fatalf("%d messages: %+v", len(got), got)
	}
	want := map[string]any{"peer": "b", "error": "no space", "servers": "1 of 3"}
	if diff := cmp.Diff(want, got[0].ContextMap()); diff != "" || got[0].LoggerName != "dgate.raft.snapshot" || got[0].Level != zapcore.ErrorLevel {
		t.Errorf("%+v\nfields (-want +got):\n%s", got[0].Entry, diff)
	}
	core, second := observer.New(zapcore.DebugLevel)
	current = zap.New(core) // the configuration was reloaded
	l.Warn("failed to contact")
	if first.Len() != 0 || second.Len() != 1 {
		t.Errorf("after a reload: %d messages to the old one, %d to the new one", first.Len(), second.Len())
	}
}

// TestLoggerIsNotFlooded repeats what raft repeats while a server is down.
func TestLoggerIsNotFlooded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		core, seen := observer.New(zapcore.DebugLevel)
		l := newLogger(func() *zap.Logger { return zap.New(core) })
		for range 100 {
			for _, peer := range []string{"a", "b"} {
				l.Error("failed to appendEntries to", "peer", peer, "error", errors.New("refused"))
			}
			time.Sleep(time.Second / 5)
		}
		got := seen.TakeAll()
		if len(got) != 4 {
			t.Fatalf("%d messages in 20 s about two servers: %v", len(got), got)
		}
		if n := got[2].ContextMap()["left_out"]; n != int64(49) {
			t.Errorf("the second message about a server says that %v were left out", n)
		}
	})
}
