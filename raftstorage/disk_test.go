package raftstorage

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/raft"

	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// TestReadsWithoutLeader opens a store whose raft cannot elect anybody, because it cannot write.
func TestReadsWithoutLeader(t *testing.T) {
	dir := t.TempDir()
	n := New(logged(t, Config{Dir: dir}))
	if err := n.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	write(t, n, service("s", "http://a"))
	stop(t, n)

	disk := &disk{}
	disk.fail(errors.New("no space left"))
	n = start(t, quiet(Config{Dir: dir, faults: disk.between, timing: quick()}))
	if diff := cmp.Diff([]string{"s"}, names(t, n, "service")); diff != "" {
		t.Errorf("services (-want +got):\n%s", diff)
	}
	<-disk.failed
	if _, err := n.Propose(t.Context(), service("s2", "http://a")); resource.CodeOf(err) != resource.NoLeader {
		t.Errorf("proposal: %v", err)
	}
	if st := n.Status(); !strings.Contains(st.StorageFailed, "no space left") || st.Leader != "" {
		t.Errorf("%+v", st)
	}
	disk.fail(nil)
	if _, err := n.store.leading.wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	write(t, n, service("s2", "http://a"))
	if st := n.Status(); st.StorageFailed != "" || st.Role != Leader || st.Leader != st.ID {
		t.Errorf("afterwards: %+v", st)
	}
}

// TestDiskFailsWhileWriting: a proposal waits for the disk, others are refused, and closing does
// not wait for it.
func TestDiskFailsWhileWriting(t *testing.T) {
	for name, recovers := range map[string]bool{"and works again": true, "for ever": false} {
		t.Run(name, func(t *testing.T) {
			disk := &disk{}
			n := start(t, quiet(Config{Dir: t.TempDir(), faults: disk.between, timing: quick()}))
			disk.fail(errors.New("input/output error"))
			answered := make(chan error)
			go func() {
				_, err := n.Propose(context.Background(), service("s", "http://a"))
				answered <- err
			}()
			<-disk.failed
			if recovers {
				disk.fail(nil)
				if err := <-answered; err != nil {
					t.Error(err)
				}
				return
			}
			if err := <-answered; resource.CodeOf(err) != resource.OutcomeUnknown {
				t.Errorf("got %v", err)
			}
			if _, err := n.Propose(t.Context(), service("s2", "http://a")); resource.CodeOf(err) != resource.NoLeader || !strings.Contains(err.Error(), "input/output error") {
				t.Errorf("another one: %v", err)
			}
		})
	}
}

// disk fails on demand.
type disk struct {
	raft.LogStore
	raft.StableStore
	terms  bool // saves them even while it fails, so that there is a leader
	mu     sync.Mutex
	err    error
	failed chan struct{} // closed at the first failure
}

func (d *disk) between(logs raft.LogStore, stable raft.StableStore) (raft.LogStore, raft.StableStore) {
	d.LogStore, d.StableStore = logs, stable
	return d, d
}

func (d *disk) fail(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.err = err
	if err != nil {
		d.failed = make(chan struct{})
	}
}

func (d *disk) check() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.err != nil && d.failed != nil {
		select {
		case <-d.failed:
		default:
			close(d.failed)
		}
	}
	return d.err
}

func (d *disk) StoreLogs(logs []*raft.Log) error {
	return errors.Join(d.check(), ifNil(d.check(), func() error { return d.LogStore.StoreLogs(logs) }))
}

func (d *disk) SetUint64(key []byte, v uint64) error {
	if d.terms && bytes.Equal(key, currentTerm) {
		return d.StableStore.SetUint64(key, v)
	}
	return errors.Join(d.check(), ifNil(d.check(), func() error { return d.StableStore.SetUint64(key, v) }))
}

func ifNil(err error, f func() error) error {
	if err != nil {
		return nil
	}
	return f()
}
