package raftstorage

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/dgate-io/caddy-dgate/internal/resource"
	"github.com/dgate-io/caddy-dgate/internal/state"
)

const (
	// maxBackup bounds a backup that is restored, in bytes.
	maxBackup = 4 << 30
	// partsInFlight is how many parts of one are proposed at once.
	partsInFlight = 4
	// restorePatience is how long one part, or the end of restoring, is tried again.
	restorePatience = time.Minute
	// restoreLock is the name of the lock that whoever restores a backup has.
	restoreLock = "dgate/restore"
	// partsAtOnce is how many of them are deleted by one command.
	partsAtOnce = 500
)

// Restore replaces what users own, on all nodes, by what a backup has. Members, sessions, locks and
// settings of this cluster stay, and so does its id; the encryption keys of the backup are needed to
// read its secrets. It works on any node, and takes a majority of the voters.
//
// The backup is read to its end and verified before anything happens. Then it is brought into the
// log in parts, and one last command restores it everywhere; without that nothing has changed. The
// error has a code: validation_failed for what is no sound backup, too_large above 4 GiB, conflict
// if another one is being restored, and those of [Node.Propose].
func (n *Node) Restore(ctx context.Context, r io.Reader) error {
	s, err := n.current()
	if err != nil {
		return err
	}
	if err := s.writable(); err != nil {
		return err
	}
	f, err := newSpool(s.cfg.Dir)
	if err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	err = n.restoreFrom(ctx, s, f, r)
	return errors.Join(err, f.discard())
}

// restoreFrom spools a backup, verifies it, and restores it.
func (n *Node) restoreFrom(ctx context.Context, s *store, f *spool, r io.Reader) error {
	sum := sha256.New()
	size, err := io.Copy(io.MultiWriter(&stoppable{withContext(ctx, f), s.stop}, sum), io.LimitReader(r, maxBackup+1))
	switch {
	case err != nil:
		return fmt.Errorf("restore: %w", err)
	case size > maxBackup:
		return resource.Errorf(resource.TooLarge, "a backup must not be larger than %d bytes", maxBackup)
	}
	header, counts, err := verifyBackup(f)
	if err != nil {
		return err
	}
	id := randomHex(8)
	restore := &state.Restore{ID: id}
	sum.Sum(restore.Sum[:0])
	if err := n.Barrier(ctx); err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	lock, err := n.TryLock(ctx, restoreLock)
	if err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	if lock == nil {
		return resource.Errorf(resource.Conflict, "another backup is being restored; try again when that has ended")
	}
	defer s.unlockRestore(lock)
	if err := s.clearParts(ctx); err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	sending, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(lock.Context(), func() { cancel(context.Cause(lock.Context())) })()
	err = s.sendParts(sending, restore, f)
	if err == nil {
		err = n.endRestore(ctx, s, restore)
	}
	if err != nil {
		s.dropParts(id)
		return fmt.Errorf("restore: %w", err)
	}
	s.log().Warn("a backup was restored: everything is as it was then",
		zap.String("cluster", header.ClusterID), zap.Uint64("index", header.Index), zap.Time("taken", header.Taken), zap.Any("resources", counts))
	return nil
}

// unlockRestore lets others restore. If it fails the lock goes on trying by itself.
func (s *store) unlockRestore(lock *Lock) {
	ctx, cancel := context.WithTimeout(context.Background(), s.cfg.timing.propose)
	defer cancel()
	if err := lock.Unlock(ctx); err != nil {
		s.log().Warn("others cannot restore a backup yet", zap.Error(err))
	}
}

// ageMagic is how files begin that age has encrypted.
const ageMagic = "age-encryption.org/"

// verifyBackup reads a backup to its end, and goes back to its beginning.
func verifyBackup(f *spool) (header state.SnapshotHeader, counts map[string]int, err error) {
	start := make([]byte, len(ageMagic))
	n, err := f.ReadAt(start, 0)
	switch {
	case err != nil && !errors.Is(err, io.EOF):
		return header, nil, fmt.Errorf("restore: %w", err)
	case n == 0:
		return header, nil, resource.Errorf(resource.ValidationFailed, "the backup is empty")
	case bytes.Equal(start, []byte(ageMagic)):
		return header, nil, resource.Errorf(resource.ValidationFailed, "the backup is encrypted with age: decrypt it first, dgate-cli restore does so with --identity")
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return header, nil, fmt.Errorf("restore: %w", err)
	}
	header, counts, err = state.VerifyBackup(f)
	if err != nil {
		return header, nil, &resource.Error{Code: resource.ValidationFailed, Message: "nothing was restored: " + err.Error(), Err: err}
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return header, nil, fmt.Errorf("restore: %w", err)
	}
	return header, counts, nil
}

// sendParts brings a backup into the log.
func (s *store) sendParts(ctx context.Context, restore *state.Restore, r io.Reader) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	slots := make(chan struct{}, partsInFlight)
	for number := 0; ctx.Err() == nil; number++ {
		part := make([]byte, state.PartSize)
		n, err := io.ReadFull(r, part)
		if n > 0 {
			slots <- struct{}{}
			wg.Go(func() {
				defer func() { <-slots }()
				err := s.insist(ctx, func(ctx context.Context) error {
					_, err := s.propose(ctx, state.Command{Ops: []state.Op{restore.PutPart(number, part[:n])}})
					return err
				})
				if err != nil {
					cancel(err)
				}
			})
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			break
		}
		if err != nil {
			cancel(err)
		}
	}
	wg.Wait()
	return context.Cause(ctx)
}

// insist tries what may be done twice, while there is hope.
func (s *store) insist(ctx context.Context, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, restorePatience)
	defer cancel()
	for {
		err := do(ctx)
		switch code := resource.CodeOf(err); {
		case err == nil:
			return nil
		case code != resource.NoLeader && code != resource.OutcomeUnknown && code != resource.Overloaded && code != resource.IndexTimeout:
			return err
		}
		select {
		case <-time.After(s.cfg.timing.retry):
		case <-ctx.Done():
			return err
		case <-s.stop:
			return closedError()
		}
	}
}

// endRestore has all nodes restore what is in the log. One that takes longer than a proposal may is
// found in the state.
func (n *Node) endRestore(ctx context.Context, s *store, restore *state.Restore) error {
	return s.insist(ctx, func(ctx context.Context) error {
		_, err := s.propose(ctx, state.Command{Restore: restore})
		if err == nil || resource.CodeOf(err) == resource.ValidationFailed {
			return err
		}
		if current := n.Barrier(ctx); current != nil {
			return err
		}
		if last, found, problem := s.db.LastRestore(); problem == nil && found && last.ID == restore.ID {
			return nil // it was this one
		}
		return err
	})
}

// clearParts removes what is left of backups whose restoring was given up. The caller has the lock, so
// there is no other: also a part that came late is one of those.
func (s *store) clearParts(ctx context.Context) error {
	old, err := s.partsOf("")
	if err != nil {
		return err
	}
	return s.deleteParts(ctx, old)
}

// tidyParts is clearParts for a leader, unless somebody has the lock.
func (s *store) tidyParts(ctx context.Context) error {
	var old []state.Op // those of one moment: who gets the lock after that brings new ones
	err := s.db.View(func(r *state.Reader) error {
		_, locked, err := r.Get(lockKey(restoreLock))
		if locked || err != nil {
			return err
		}
		old, err = partsIn(r, "")
		return err
	})
	if err != nil {
		return err
	}
	return s.deleteParts(ctx, old)
}

// tidy removes from time to time, while this node leads, what is left of restores that were given up.
func (s *store) tidy(ctx context.Context) {
	for sleep(ctx, s.members.timing.autopilot) {
		if err := s.tidyParts(ctx); err != nil && ctx.Err() == nil {
			s.log().Warn("parts of a backup that was not restored cannot be removed yet", zap.Error(err))
		}
	}
}

// partsOf makes the operations that delete the parts of one backup, or with "" of all.
func (s *store) partsOf(id string) (ops []state.Op, err error) {
	err = s.db.View(func(r *state.Reader) (err error) {
		ops, err = partsIn(r, id)
		return err
	})
	return ops, err
}

func partsIn(r *state.Reader, id string) (ops []state.Op, err error) {
	for rec, err := range r.List(state.Part, id) {
		if err != nil {
			return nil, err
		}
		ops = append(ops, state.Delete(rec.Key, state.Condition{}))
	}
	return ops, nil
}

// dropParts removes what a restore that failed has brought into the log; if that fails too, the leader
// or the next one does it.
func (s *store) dropParts(id string) {
	ctx, cancel := context.WithTimeout(context.Background(), s.cfg.timing.propose)
	defer cancel()
	own, err := s.partsOf(id)
	if err = errors.Join(err, s.deleteParts(ctx, own)); err != nil {
		s.log().Warn("parts of a backup that was not restored stay for a while", zap.Error(err))
	}
}

func (s *store) deleteParts(ctx context.Context, ops []state.Op) error {
	for len(ops) > 0 {
		n := min(partsAtOnce, len(ops))
		if _, err := s.propose(ctx, state.Command{Ops: ops[:n]}); err != nil {
			return err
		}
		ops = ops[n:]
	}
	return nil
}
