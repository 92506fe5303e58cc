package raftstorage

import (
	"context"
	"errors"
	"time"

	"github.com/hashicorp/raft"
)

// finish has raft answer what it was handed. It is not waited for long: perhaps its disk hangs.
func (m *member) finish() {
	if m.ending.Swap(true) {
		return // it has ended before, and answers nothing any more
	}
	ctx, cancel := context.WithTimeout(context.Background(), finishTime)
	defer cancel()
	if until(ctx, m.handing.TryLock) != nil {
		return
	}
	m.handing.Unlock()
	if m.guard.failed() != nil {
		return
	}
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		_ = m.raft.Barrier(finishTime).Error() // it comes after everything else
	}()
	for {
		select {
		case <-answered:
			return
		case <-ctx.Done():
			return
		case <-time.After(retryPause):
			if m.guard.failed() != nil {
				return
			}
		}
	}
}

// finishTime is how long a member that ends may take to answer, if its disk works. What it has not
// answered by then it never does.
const finishTime = 5 * time.Second

// end stops raft and the goroutines of this member, for so long as that may take.
func (m *member) end() error {
	if m.raft != nil {
		m.finish()
	}
	m.cancel()
	done := make(chan error, 1)
	go func() {
		var err error
		if m.raft != nil {
			stopped := m.raft.Shutdown()
			if t, ok := m.transport.(raft.WithClose); ok {
				err = t.Close() // ends what raft waits for
			}
			err = errors.Join(err, stopped.Error())
		} else if t, ok := m.transport.(raft.WithClose); ok {
			err = t.Close()
		}
		m.wg.Wait()
		m.endOnce.Do(func() { close(m.ended) })
		done <- err
	}()
	timer := time.NewTimer(m.s.cfg.timing.shutdown)
	defer timer.Stop()
	select {
	case err := <-done:
		return err
	case <-timer.C:
		return errors.New("raft does not stop")
	}
}
