package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"

	"github.com/dgate-io/caddy-dgate/raftstorage/certstore"
)

// nodeStorage is the certificate storage of a node. The first use opens the store, which may be before
// the app has started: the local certificate authority is loaded while a configuration is provisioned.
// If another process has the store open, that one is asked.
type nodeStorage struct {
	node *node
	own  *certstore.Storage

	mu     sync.Mutex
	other  *certstore.Client // the process that has the store open, or nil
	server *certstore.Server // what answers others, or nil
}

func newNodeStorage(n *node) *nodeStorage {
	return &nodeStorage{node: n, own: certstore.New(n.measured(), n.keys)}
}

// backend is what the storage of this process and that of another have in common.
type backend interface {
	certmagic.Storage
	certmagic.TryLocker
	certmagic.LockLeaseRenewer
}

// String names the storage in logs.
func (s *nodeStorage) String() string { return "dgate:" + s.node.key.String() }

// use finds who answers, and opens the store if nobody does.
func (s *nodeStorage) use(ctx context.Context) (backend, error) {
	if s.node.open() {
		return s.own, nil
	}
	if other := s.running(ctx); other != nil {
		return other, nil
	}
	if err := mustExist(s.node.key); err != nil {
		return nil, err
	}
	_, err := s.node.opened(ctx)
	if err == nil {
		return s.own, nil
	}
	if other := s.running(ctx); other != nil { // it was faster
		return other, nil
	}
	return nil, err
}

// running is the process that has the store open, or nil.
func (s *nodeStorage) running(ctx context.Context) backend {
	if s.node.key.memory {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.other != nil {
		if s.other.Alive(ctx) {
			return s.other
		}
		s.other = nil
	}
	other, err := certstore.Dial(ctx, s.node.key.dir)
	if err != nil {
		return nil
	}
	s.other = other
	return other
}

// mustExist refuses to make a new store for a command that reads one.
func mustExist(key nodeKey) error {
	if !isCommand("storage") || key.memory {
		return nil
	}
	path := filepath.Join(key.dir, "raft.db")
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there is no store in %s; if the dgate block has another data_dir, write `storage dgate { data_dir <path> }`", key.dir)
	}
	return nil
}

// serve lets other processes use the store, which is open.
func (s *nodeStorage) serve() {
	if s.node.key.memory {
		return
	}
	server, err := certstore.Serve(s.node.key.dir, s.own)
	if err != nil {
		s.node.settings.Load().logger.Warn("caddy storage export and import will not work while Caddy runs", zap.Error(err))
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.server = server
}

// close stops answering other processes.
func (s *nodeStorage) close() error {
	s.mu.Lock()
	server := s.server
	s.server = nil
	s.mu.Unlock()
	if server == nil {
		return nil
	}
	return server.Close()
}

// Store implements [certmagic.Storage].
func (s *nodeStorage) Store(ctx context.Context, key string, value []byte) error {
	b, err := s.use(ctx)
	if err != nil {
		return err
	}
	return b.Store(ctx, key, value)
}

// Load implements [certmagic.Storage].
func (s *nodeStorage) Load(ctx context.Context, key string) ([]byte, error) {
	b, err := s.use(ctx)
	if err != nil {
		return nil, err
	}
	return b.Load(ctx, key)
}

// Delete implements [certmagic.Storage].
func (s *nodeStorage) Delete(ctx context.Context, key string) error {
	b, err := s.use(ctx)
	if err != nil {
		return err
	}
	return b.Delete(ctx, key)
}

// Exists implements [certmagic.Storage].
func (s *nodeStorage) Exists(ctx context.Context, key string) bool {
	b, err := s.use(ctx)
	return err == nil && b.Exists(ctx, key)
}

// List implements [certmagic.Storage].
func (s *nodeStorage) List(ctx context.Context, path string, recursive bool) ([]string, error) {
	b, err := s.use(ctx)
	if err != nil {
		return nil, err
	}
	return b.List(ctx, path, recursive)
}

// Stat implements [certmagic.Storage].
func (s *nodeStorage) Stat(ctx context.Context, key string) (certmagic.KeyInfo, error) {
	b, err := s.use(ctx)
	if err != nil {
		return certmagic.KeyInfo{}, err
	}
	return b.Stat(ctx, key)
}

// Lock implements [certmagic.Storage].
func (s *nodeStorage) Lock(ctx context.Context, name string) error {
	b, err := s.use(ctx)
	if err != nil {
		return err
	}
	return b.Lock(ctx, name)
}

// TryLock implements [certmagic.TryLocker].
func (s *nodeStorage) TryLock(ctx context.Context, name string) (bool, error) {
	b, err := s.use(ctx)
	if err != nil {
		return false, err
	}
	return b.TryLock(ctx, name)
}

// Unlock implements [certmagic.Storage]. It opens nothing: what was not opened has no locks.
func (s *nodeStorage) Unlock(ctx context.Context, name string) error {
	s.mu.Lock()
	other := s.other
	s.mu.Unlock()
	if other != nil {
		return errors.Join(other.Unlock(ctx, name), s.own.Unlock(ctx, name))
	}
	return s.own.Unlock(ctx, name)
}

// RenewLockLease implements [certmagic.LockLeaseRenewer].
func (s *nodeStorage) RenewLockLease(ctx context.Context, name string, lease time.Duration) error {
	b, err := s.use(ctx)
	if err != nil {
		return err
	}
	return b.RenewLockLease(ctx, name, lease)
}

var _ backend = (*nodeStorage)(nil)
