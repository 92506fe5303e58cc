package raftstorage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"

	"go.uber.org/zap"

	"github.com/dgate-io/caddy-dgate/internal/state"
	"github.com/dgate-io/caddy-dgate/raftstorage/peer"
)

// comparison asks a leader whether its state had the same hash at an index.
type comparison struct {
	Index uint64 `json:"index"`
	Hash  string `json:"hash"`
}

// verdict is the answer; empty if all is well, or cannot be told.
type verdict struct {
	Diverged string `json:"diverged,omitempty"`
}

// serveCompare compares the state of another member with that of this leader.
func (s *store) serveCompare(_ context.Context, _ peer.Identity, r *http.Request) (any, error) {
	var theirs comparison
	if err := decode(r, &theirs); err != nil {
		return nil, err
	}
	return verdict{s.checkHash(theirs.Index, theirs.Hash)}, nil
}

// checkHash says how a state that has a hash at an index differs from that of this node, or "".
func (s *store) checkHash(index uint64, hash string) string {
	ours, ok := s.db.HashAt(index)
	if !ok || ours == hash {
		return ""
	}
	return fmt.Sprintf("at index %d the hash of the state is %s instead of %s", index, short(hash), short(ours))
}

func short(hash string) string { return hash[:min(len(hash), 12)] }

// compare looks from time to time whether the state of this node is that of the leader. If it is
// not, there is a mistake in this program, and a copy of the leader's state takes its place.
func (m *member) compare(ctx context.Context) {
	s := m.s
	for sleep(ctx, s.cfg.timing.compare) {
		if m.leader().self || s.db.ClusterID() == "" || s.db.Halted() != nil {
			continue
		}
		why, err := s.compareOnce(ctx)
		if err != nil || why == "" {
			continue // the next time, perhaps
		}
		s.diverged.Store(&why)
		s.log().Error("the state of this node is not that of its cluster; a copy of the leader's takes its place. Please report this", zap.String("difference", why))
		if err := s.resync(ctx); err != nil {
			s.log().Error("the state of the leader cannot be copied; trying again later", zap.Error(err))
			continue
		}
		s.log().Warn("the state of this node is that of the leader again", zap.Uint64("index", s.db.Applied()))
		s.diverged.Store(nil)
	}
}

// compareOnce asks the leader once.
func (s *store) compareOnce(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.timing.propose)
	defer cancel()
	log := s.db.Changelog()
	var answer verdict
	err := s.callLeader(ctx, "compare", comparison{log.LatestIndex, log.Hash}, &answer)
	return answer.Diverged, err
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
