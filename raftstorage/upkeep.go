package raftstorage

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"
	"go.uber.org/zap"
)

// upkeep is what keeps the log short. Raft counts entries only, and they can be large.
type upkeep struct {
	entries       atomic.Int64 // appended since the node is open
	bytes         atomic.Int64
	bytesSince    atomic.Int64 // appended since the last snapshot
	taken         atomic.Int64 // unix time of the last snapshot, nanoseconds
	snapshotIndex atomic.Uint64
	wake          chan struct{}
}

// wakeEvery is after how many entries the bounds are looked at again.
const wakeEvery = 1024

// logGrew is told after each append, by raft's main goroutine: it must not wait for anything.
func (s *store) logGrew(entries, bytes int) {
	u := &s.upkeep
	u.bytes.Add(int64(bytes))
	since := u.bytesSince.Add(int64(bytes))
	before := u.entries.Add(int64(entries)) - int64(entries)
	if since >= s.cfg.SnapshotBytes || before/wakeEvery != (before+int64(entries))/wakeEvery {
		s.wakeUpkeep()
	}
}

func (s *store) wakeUpkeep() {
	select {
	case s.upkeep.wake <- struct{}{}:
	default: // it is awake
	}
}

// restored notes the snapshot that the log goes on from. Raft writes the time, in milliseconds,
// into its name only.
func (u *upkeep) restored(meta *raft.SnapshotMeta) {
	u.snapshotIndex.Store(meta.Index)
	if ms, err := strconv.ParseInt(meta.ID[strings.LastIndexByte(meta.ID, '-')+1:], 10, 64); err == nil {
		u.taken.Store(time.UnixMilli(ms).UnixNano())
	}
}

// snapshotTaken notes that the log was shortened.
func (u *upkeep) snapshotTaken(index uint64) {
	u.bytesSince.Store(0)
	u.taken.Store(time.Now().UnixNano())
	u.snapshotIndex.Store(index)
}

// trailing is how many entries a snapshot leaves in the log: about 64 MiB of them.
func (u *upkeep) trailing() uint64 {
	entries, bytes := u.entries.Load(), u.bytes.Load()
	if entries == 0 || bytes == 0 {
		return maxTrailing
	}
	return uint64(min(max(trailingBytes/max(bytes/entries, 1), minTrailing), maxTrailing))
}

// maintain looks after raft's settings and takes snapshots by size, until it ends.
func (m *member) maintain(ctx context.Context) {
	s := m.s
	var again <-chan time.Time
	for {
		select {
		case <-s.upkeep.wake:
		case <-again:
		case <-ctx.Done():
			return
		}
		again = nil
		m.tune()
		if s.upkeep.bytesSince.Load() < max(s.cfg.SnapshotBytes, s.db.Size()) {
			continue
		}
		if wait := time.Until(time.Unix(0, s.upkeep.taken.Load()).Add(s.cfg.timing.snapshotGap)); wait > 0 {
			again = time.After(wait)
			continue
		}
		if err := m.snapshot(); err != nil && !errors.Is(err, raft.ErrRaftShutdown) {
			s.log().Error("snapshot failed", zap.Error(err))
			again = time.After(s.cfg.timing.snapshotGap)
		}
	}
}

// tune gives raft the settings that fit now.
func (m *member) tune() {
	conf := m.raft.ReloadableConfig()
	conf.TrailingLogs = m.s.upkeep.trailing()
	if m.led.Load() {
		conf.HeartbeatTimeout, conf.ElectionTimeout = m.s.cfg.timing.election, m.s.cfg.timing.election
	}
	if conf == m.raft.ReloadableConfig() {
		return
	}
	if err := m.raft.ReloadConfig(conf); err != nil {
		m.s.log().Error("raft refuses its settings", zap.Error(err))
	}
}

// snapshot takes a snapshot, if there is something new. While storage fails raft would not answer.
func (m *member) snapshot() error {
	if err := m.s.storageFailure(); err != nil {
		return err
	}
	err := m.raft.Snapshot().Error()
	if err != nil && !errors.Is(err, raft.ErrNothingNewToSnapshot) {
		return fmt.Errorf("snapshot: %w", err)
	}
	return nil
}
