package raftstorage

import (
	"errors"
	"testing"

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
