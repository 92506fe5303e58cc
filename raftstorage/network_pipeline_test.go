package raftstorage

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/raft"
)

// fullPipeline takes no request any more until it is closed, like raft's when nobody reads answers.
type fullPipeline struct {
	answers chan raft.AppendFuture
	closed  chan struct{}
	once    sync.Once
}

func (p *fullPipeline) AppendEntries(*raft.AppendEntriesRequest, *raft.AppendEntriesResponse) (raft.AppendFuture, error) {
	<-p.closed
	return nil, raft.ErrPipelineShutdown
}
func (p *fullPipeline) Consumer() <-chan raft.AppendFuture { return p.answers }
func (p *fullPipeline) Close() error                       { p.once.Do(func() { close(p.closed) }); return nil }

// answered is a request and what became of it.
type answered struct {
	err     error
	success bool
}

func (a answered) Error() error                        { return a.err }
func (a answered) Start() time.Time                    { return time.Time{} }
func (a answered) Request() *raft.AppendEntriesRequest { return &raft.AppendEntriesRequest{} }
func (a answered) Response() *raft.AppendEntriesResponse {
	return &raft.AppendEntriesResponse{Success: a.success}
}

// TestPipelineEnds: raft, which reads no answer after one that says no, is not left waiting for space
// to send more.
func TestPipelineEnds(t *testing.T) {
	t.Parallel()
	for what, answer := range map[string]answered{
		"a broken connection": {err: errors.New("broken"), success: true},
		"a refusal":           {success: false},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			full := &fullPipeline{answers: make(chan raft.AppendFuture), closed: make(chan struct{})}
			p := newPipeline(full, &network{stalled: func() error { return nil }, addresses: &addresses{}}, "s", "a:1")
			defer func() { must(t, p.Close()) }()
			for _, a := range []answered{{success: true}, answer} {
				full.answers <- a
				if got := <-p.Consumer(); got != raft.AppendFuture(a) {
					t.Errorf("got %v", got)
				}
			}
			sent := make(chan error, 1)
			go func() {
				_, err := p.AppendEntries(&raft.AppendEntriesRequest{}, &raft.AppendEntriesResponse{})
				sent <- err
			}()
			select {
			case err := <-sent:
				if !errors.Is(err, raft.ErrPipelineShutdown) {
					t.Errorf("got %v", err)
				}
			case <-time.After(5 * time.Second):
				t.Error("raft waits for ever")
			}
		})
	}
}
