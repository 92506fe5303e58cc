package raftstorage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"
	"go.uber.org/zap"
)

// guard stands between raft and its files. Raft panics when it cannot save its term or read an
// entry, in goroutines where nobody can recover, and would take the whole process with it. So
// while raft runs, an operation that fails is logged and tried again until it works or the store
// is closed; meanwhile status says so and proposals are refused.
type guard struct {
	logs   raft.LogStore
	stable raft.StableStore
	log    func() *zap.Logger
	pause  time.Duration
	stop   <-chan struct{}
	grown  func(entries, bytes int) // told after every append

	stall time.Duration // an append that takes longer is a hanging disk

	running atomic.Bool
	began   atomic.Pointer[time.Time] // when the append that is under way began; nil: none is
	blocked atomic.Pointer[time.Time] // since when the state cannot be written; nil: it can

	mu       sync.Mutex
	failures []failure
	broken   context.CancelCauseFunc // told of failures, see whileWorking; or nil
}

// failure is something that does not work at the moment.
type failure struct {
	what  string
	err   error
	since time.Time
}

// start makes failures be retried. Before, when raft is not running yet, they are returned.
func (g *guard) start() { g.running.Store(true) }

// failed says what does not work at the moment, or nil.
func (g *guard) failed() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.failing()
}

// failing is failed for those who have the lock.
func (g *guard) failing() error {
	var errs []error
	for _, f := range g.failures {
		errs = append(errs, fmt.Errorf("%s: %w", f.what, f.err))
	}
	return errors.Join(errs...)
}

// whileWorking is ctx until something fails; that is its cause then. It is for one caller.
func (g *guard) whileWorking(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.failing(); err != nil {
		cancel(err)
	}
	g.broken = cancel
	return ctx, func() { cancel(nil) }
}

// stalled says that the disk hangs or fails for so long that another server should lead. One that
// fails says so for certain, as when it is full, and is not waited for as long as one that hangs.
func (g *guard) stalled() error {
	g.mu.Lock()
	for _, f := range g.failures {
		if time.Since(f.since) > g.stall/failsSooner {
			g.mu.Unlock()
			return fmt.Errorf("the storage of this server fails: %s: %w", f.what, f.err)
		}
	}
	g.mu.Unlock()
	for _, since := range []*time.Time{g.began.Load(), g.blocked.Load()} {
		if since == nil {
			continue
		}
		if span := time.Since(*since); span > g.stall {
			return fmt.Errorf("the disk of this server has not taken a change for %s", span.Round(time.Second))
		}
	}
	return nil
}

// failsSooner is how much sooner than a disk that hangs one that fails is given up.
const failsSooner = 8

// note records that something failed, or with nil that it works again.
func (g *guard) note(what string, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err != nil && g.broken != nil {
		g.broken(fmt.Errorf("%s: %w", what, err))
	}
	i := slices.IndexFunc(g.failures, func(f failure) bool { return f.what == what })
	switch {
	case i < 0 && err != nil:
		g.failures = append(g.failures, failure{what, err, time.Now()})
		g.log().Error("storage fails; trying again until it works", zap.String("operation", what), zap.Error(err))
	case i >= 0 && err == nil:
		g.failures = slices.Delete(g.failures, i, i+1)
		g.log().Info("storage works again", zap.String("operation", what))
	case i >= 0:
		g.failures[i].err = err
	}
}

// retry runs op until it works. It returns false when the store is closed before.
func (g *guard) retry(what string, op func() error) bool {
	err := safely(op)
	if err == nil {
		return true
	}
	for pause := g.pause; ; pause = min(2*pause, 100*g.pause) {
		g.note(what, err)
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-g.stop:
			timer.Stop()
			return false
		}
		if err = safely(op); err == nil {
			g.note(what, nil)
			return true
		}
	}
}

// safely turns a panic of the database into an error.
func safely(op func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return op()
}

// call runs op for raft. When the store is closed while op still fails, it ends the goroutine: it
// is one of raft's, raft is being shut down, and an error would make it panic.
func (g *guard) call(what string, op func() error) error {
	if !g.running.Load() {
		return safely(op)
	}
	var answer error
	worked := g.retry(what, func() error {
		answer = op()
		if isAnswer(answer) {
			return nil
		}
		return answer
	})
	if !worked {
		runtime.Goexit()
	}
	return answer
}

// isAnswer tells errors that raft expects from those of the disk.
func isAnswer(err error) bool {
	return err == nil || errors.Is(err, raft.ErrLogNotFound) || strings.EqualFold(err.Error(), "not found")
}

// FirstIndex implements raft.LogStore.
func (g *guard) FirstIndex() (index uint64, err error) {
	err = g.call("read log", func() (err error) { index, err = g.logs.FirstIndex(); return err })
	return index, err
}

// LastIndex implements raft.LogStore.
func (g *guard) LastIndex() (index uint64, err error) {
	err = g.call("read log", func() (err error) { index, err = g.logs.LastIndex(); return err })
	return index, err
}

// GetLog implements raft.LogStore.
func (g *guard) GetLog(index uint64, entry *raft.Log) error {
	return g.call("read log", func() error { return g.logs.GetLog(index, entry) })
}

// StoreLog implements raft.LogStore.
func (g *guard) StoreLog(entry *raft.Log) error { return g.StoreLogs([]*raft.Log{entry}) }

// StoreLogs implements raft.LogStore.
func (g *guard) StoreLogs(entries []*raft.Log) error {
	began := time.Now()
	g.began.Store(&began)
	defer g.began.Store(nil)
	err := g.call("write log", func() error { return g.logs.StoreLogs(entries) })
	if err == nil && g.grown != nil {
		var size int
		for _, e := range entries {
			size += len(e.Data)
		}
		g.grown(len(entries), size)
	}
	return err
}

// DeleteRange implements raft.LogStore. Its errors are harmless to raft.
func (g *guard) DeleteRange(first, last uint64) error {
	return safely(func() error { return g.logs.DeleteRange(first, last) })
}

// Set implements raft.StableStore.
func (g *guard) Set(key, value []byte) error {
	return g.save(
		func() bool { old, err := g.stable.Get(key); return err == nil && bytes.Equal(old, value) },
		func() error { return g.stable.Set(key, value) },
	)
}

// save writes what is not there already: raft saves its term at every start, and a sole voter
// votes for itself every time. After a failure it always writes, because what can be read then
// need not be on the disk.
func (g *guard) save(same func() bool, write func() error) error {
	tried := false
	return g.call("write raft state", func() error {
		if !tried && same() {
			return nil
		}
		tried = true
		return write()
	})
}

// Get implements raft.StableStore.
func (g *guard) Get(key []byte) (value []byte, err error) {
	err = g.call("read raft state", func() (err error) { value, err = g.stable.Get(key); return err })
	return value, err
}

// SetUint64 implements raft.StableStore.
func (g *guard) SetUint64(key []byte, value uint64) error {
	return g.save(
		func() bool { old, err := g.stable.GetUint64(key); return err == nil && old == value },
		func() error { return g.stable.SetUint64(key, value) },
	)
}

// GetUint64 implements raft.StableStore.
func (g *guard) GetUint64(key []byte) (value uint64, err error) {
	err = g.call("read raft state", func() (err error) { value, err = g.stable.GetUint64(key); return err })
	return value, err
}

var (
	_ raft.LogStore    = (*guard)(nil)
	_ raft.StableStore = (*guard)(nil)
)
