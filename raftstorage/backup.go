package raftstorage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/dgate-io/caddy-dgate/internal/state"
)

// Backup writes what users own, as of one moment, on any node and without asking others: a node
// that has no leader, or does not take changes any more, writes what it has. The result of a file
// that was cut off is noticed when it is read. Secrets are in it as they are stored, encrypted with
// keys that are encrypted with the encryption keys of the configuration.
//
// It is written to a file in the data directory first, so that a slow w keeps nobody waiting; only
// if there is no space for that, directly.
func (n *Node) Backup(ctx context.Context, w io.Writer) (state.SnapshotHeader, error) {
	s, err := n.current()
	if err != nil {
		return state.SnapshotHeader{}, err
	}
	now := time.Now().UTC()
	header, err := s.backup(ctx, now, w)
	if err != nil && state.NoSpace(err) && ctx.Err() == nil {
		header, err = s.db.Backup(&stoppable{withContext(ctx, w), s.stop}, now)
	}
	if err != nil {
		return state.SnapshotHeader{}, fmt.Errorf("backup: %w", err)
	}
	return header, nil
}

// backup writes one to a temporary file, and then to w.
func (s *store) backup(ctx context.Context, now time.Time, w io.Writer) (header state.SnapshotHeader, err error) {
	f, err := newSpool(s.cfg.Dir)
	if err != nil {
		return header, err
	}
	defer func() { err = errors.Join(err, f.discard()) }()
	if header, err = s.db.Backup(&stoppable{withContext(ctx, f), s.stop}, now); err != nil {
		return header, err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return header, err
	}
	_, err = io.Copy(&stoppable{withContext(ctx, w), s.stop}, f.File)
	return header, err
}

// spool is a temporary file in the data directory, which nobody else sees.
type spool struct{ *os.File }

// spoolPattern is the pattern of their names; a process that was killed can leave one on systems
// that do not remove the names of open files.
const spoolPattern = "spool-*.tmp"

func newSpool(dir string) (*spool, error) {
	f, err := os.CreateTemp(dir, spoolPattern)
	if err != nil {
		return nil, err
	}
	_ = os.Remove(f.Name()) // where that does not work it is done at the end
	return &spool{f}, nil
}

func (f *spool) discard() error {
	err := f.Close()
	if removed := os.Remove(f.Name()); removed != nil && !errors.Is(removed, os.ErrNotExist) {
		err = errors.Join(err, removed)
	}
	return err
}

// withContext ends a long write with its context.
func withContext(ctx context.Context, w io.Writer) io.Writer { return &contextWriter{ctx, w} }

type contextWriter struct {
	ctx context.Context //nolint:containedctx // that of one call
	w   io.Writer
}

func (w *contextWriter) Write(b []byte) (int, error) {
	if w.ctx.Err() != nil {
		return 0, context.Cause(w.ctx)
	}
	return w.w.Write(b)
}
