package raftstorage

import (
	"sync"

	"github.com/hashicorp/raft"
)

// pipeline is raft's, with the same rules as single requests.
type pipeline struct {
	raft.AppendPipeline
	t      *network
	id     raft.ServerID
	target raft.ServerAddress

	answers chan raft.AppendFuture
	closed  chan struct{}
	once    sync.Once
}

func newPipeline(of raft.AppendPipeline, t *network, id raft.ServerID, target raft.ServerAddress) *pipeline {
	p := &pipeline{AppendPipeline: of, t: t, id: id, target: target, answers: make(chan raft.AppendFuture), closed: make(chan struct{})}
	go p.forward() // until raft closes it, which it always does
	return p
}

// forward passes answers on, and ends raft's pipeline after one that says no. Raft reads no answer
// after that, while it perhaps waits for space to send more, with nobody who would ever make it: it
// would send nothing to that server any more, and could not be shut down.
func (p *pipeline) forward() {
	for {
		select {
		case answer := <-p.AppendPipeline.Consumer():
			err := answer.Error()
			failed := err != nil || !answer.Response().Success
			p.t.rooms.learn(p.id, bytesOf(answer.Request()), err)
			select {
			case p.answers <- answer:
			case <-p.closed:
				return
			}
			if failed {
				_ = p.AppendPipeline.Close() // it never fails, and raft closes it again
				return
			}
		case <-p.closed:
			return
		}
	}
}

// bytesOf is how much a request sends.
func bytesOf(args *raft.AppendEntriesRequest) (size int) {
	for _, e := range args.Entries {
		size += len(e.Data) + len(e.Extensions)
	}
	return size
}

// Consumer implements raft.AppendPipeline.
func (p *pipeline) Consumer() <-chan raft.AppendFuture { return p.answers }

// Close implements raft.AppendPipeline.
func (p *pipeline) Close() error {
	p.once.Do(func() { close(p.closed) })
	return p.AppendPipeline.Close()
}

// AppendEntries implements raft.AppendPipeline.
func (p *pipeline) AppendEntries(args *raft.AppendEntriesRequest, resp *raft.AppendEntriesResponse) (raft.AppendFuture, error) {
	if err := p.t.stalled(); err != nil {
		return nil, err
	}
	// One that has moved is found when its connection breaks. An error now would have raft log the
	// server while its main goroutine writes the new address to it, and it takes no lock for that.
	if _, err := p.t.to(p.id, p.target); err != nil {
		return nil, err
	}
	sent := shorten(args, p.t.rooms.of(p.id))
	future, err := p.AppendPipeline.AppendEntries(args, resp)
	if err != nil {
		p.t.rooms.learn(p.id, sent, err)
	}
	return future, err
}
