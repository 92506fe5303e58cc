package raftstorage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"go.uber.org/zap"

	"github.com/dgate-io/caddy-dgate/internal/state"
	"github.com/dgate-io/caddy-dgate/raftstorage/peer"
)

// compareTick is how often a member looks whether it is time to compare.
const compareTick = time.Second

// comparison asks a leader whether its state had the same hash at an index.
type comparison struct {
	Index uint64 `json:"index"`
	Hash  string `json:"hash"`
}

// verdict is the answer; empty if all is well.
type verdict struct {
	Diverged string `json:"diverged,omitempty"`
	// Unknown is true if it cannot be told, or not yet.
	Unknown bool `json:"unknown,omitempty"`
}

// serveCompare compares the state of another member with that of this leader.
func (s *store) serveCompare(_ context.Context, _ peer.Identity, r *http.Request) (any, error) {
	var theirs comparison
	if err := decode(r, &theirs); err != nil {
		return nil, err
	}
	return s.judge(theirs), nil
}

// judge says how a state that has a hash at an index differs from that of this node.
func (s *store) judge(theirs comparison) verdict {
	ours, ok := s.db.HashAt(theirs.Index)
	if !ok || ours == theirs.Hash {
		return verdict{Unknown: !ok}
	}
	return verdict{Diverged: fmt.Sprintf("at index %d the hash of the state is %s instead of %s", theirs.Index, short(theirs.Hash), short(ours))}
}

func short(hash string) string { return hash[:min(len(hash), 12)] }

// compare looks whether the state of this node is that of the leader: as soon as there is one, when
// something has failed and works again, and from time to time.
func (m *member) compare(ctx context.Context) {
	every := m.s.cfg.timing.compare
	var due time.Time
	failed := false
	for sleep(ctx, min(compareTick, every)) {
		fails := m.guard.failed() != nil
		if failed && !fails {
			due = time.Time{}
		}
		if failed = fails; time.Now().After(due) && m.compareOnce(ctx) {
			due = time.Now().Add(every)
		}
	}
}

// compareOnce compares the state with that of the leader. If they are not the same, there is a mistake
// in this program, and a copy of the leader's takes the place of this one. It returns false if it
// should be tried again soon.
func (m *member) compareOnce(ctx context.Context) bool {
	s := m.s
	if m.leader().self || s.db.ClusterID() == "" || s.db.Halted() != nil {
		return false
	}
	answer, err := s.sameAsLeader(ctx)
	switch {
	case err != nil || answer.Unknown:
		return false
	case answer.Diverged == "":
		s.diverged.Store(nil)
		return true
	}
	if s.diverged.Swap(&answer.Diverged) == nil {
		s.log().Error("the state of this node is not that of its cluster; a copy of the leader's takes its place. Please report this", zap.String("difference", answer.Diverged))
	}
	if err := s.resync(ctx); err != nil {
		s.log().Error("the state of the leader cannot be copied; trying again later", zap.Error(err))
		return true
	}
	s.log().Warn("the state of this node is that of the leader again", zap.Uint64("index", s.db.Applied()))
	s.diverged.Store(nil)
	return true
}

// sameAsLeader asks the leader once.
func (s *store) sameAsLeader(ctx context.Context) (answer verdict, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.timing.propose)
	defer cancel()
	index, hash := s.db.AppliedHash()
	err = s.callLeader(ctx, "compare", comparison{index, hash}, &answer)
	return answer, err
}

// serveSnapshot sends the state of this leader, with everything agreed on.
func (s *store) serveSnapshot(ctx context.Context, from peer.Identity, r *http.Request) (any, error) {
	if _, err := s.serveBarrier(ctx, from, r); err != nil {
		return nil, err
	}
	snap, err := s.db.BeginSnapshot()
	if err != nil {
		return nil, err
	}
	return stream(func(w io.Writer) error {
		defer snap.Release()
		return snap.Write(w)
	}), nil
}

// stream is an answer that is written as it is made.
type stream func(w io.Writer) error

// WriteTo implements [io.WriterTo]; nobody needs the count.
func (f stream) WriteTo(w io.Writer) (int64, error) { return 0, f(w) }

// resync replaces the state by that of the leader. Nothing is applied meanwhile, so what comes is
// as new as what goes.
func (s *store) resync(ctx context.Context) error {
	s.applying.Lock()
	defer s.applying.Unlock()
	f, err := os.CreateTemp(s.cfg.Dir, "resync-*")
	if err != nil {
		return fmt.Errorf("copy the state: %w", err)
	}
	defer func() { _ = errors.Join(f.Close(), os.Remove(f.Name())) }() // nothing is kept in it
	if err := s.callLeader(ctx, "snapshot", nil, f); err != nil {
		return fmt.Errorf("copy the state: %w", err)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("copy the state: %w", err)
	}
	header, err := state.VerifySnapshot(f)
	if err != nil {
		return fmt.Errorf("copy the state: %w", err)
	}
	if header.Index < s.db.Applied() {
		return fmt.Errorf("copy the state: it ends at %d, and that of this node at %d", header.Index, s.db.Applied())
	}
	// The log must not end before the state does.
	ctx, cancel := context.WithTimeoutCause(ctx, s.cfg.timing.propose, errors.New("the log does not catch up"))
	defer cancel()
	if err := until(ctx, func() bool { return s.member.Load().raft.LastIndex() >= header.Index }); err != nil {
		return fmt.Errorf("copy the state: %w", err)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("copy the state: %w", err)
	}
	return s.db.Restore(f)
}
