package caddymodule

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"slices"
	"sync"

	"github.com/caddyserver/certmagic"

	"github.com/dgate-io/caddy-dgate/raftstorage/certstore"
)

// isCommand tells what Caddy was started for.
func isCommand(names ...string) bool { return len(os.Args) > 1 && slices.Contains(names, os.Args[1]) }

// isTrial tells whether configurations of this process are never started.
func isTrial() bool { return isCommand("validate", "adapt") }

// trialStorage is the storage of a configuration that is only tried. It reads what a running
// process has, and keeps for itself what is stored: trying a configuration must not begin a store,
// join a cluster or make a certificate authority.
type trialStorage struct {
	key nodeKey

	once  sync.Once
	other *certstore.Client // nil if no process is running
	files *certmagic.FileStorage
	err   error
}

func newTrialStorage(key nodeKey) *trialStorage { return &trialStorage{key: key} }

// String names the storage in logs.
func (s *trialStorage) String() string { return "dgate (to be tried only)" }

// open finds a running process and makes a place for what is stored.
func (s *trialStorage) open(ctx context.Context) error {
	s.once.Do(func() {
		if !s.key.memory {
			if other, err := certstore.Dial(ctx, s.key.dir); err == nil {
				s.other = other
			}
		}
		s.files = &certmagic.FileStorage{}
		s.files.Path, s.err = os.MkdirTemp("", "dgate-trial-")
	})
	return s.err
}

func (s *trialStorage) close() error {
	if s.files == nil || s.files.Path == "" {
		return nil
	}
	return os.RemoveAll(s.files.Path)
}

// Store implements [certmagic.Storage].
func (s *trialStorage) Store(ctx context.Context, key string, value []byte) error {
	if err := s.open(ctx); err != nil {
		return err
	}
	return s.files.Store(ctx, key, value)
}

// Load implements [certmagic.Storage].
func (s *trialStorage) Load(ctx context.Context, key string) ([]byte, error) {
	if err := s.open(ctx); err != nil {
		return nil, err
	}
	value, err := s.files.Load(ctx, key)
	if errors.Is(err, fs.ErrNotExist) && s.other != nil {
		return s.other.Load(ctx, key)
	}
	return value, err
}

// Delete implements [certmagic.Storage].
func (s *trialStorage) Delete(ctx context.Context, key string) error {
	if err := s.open(ctx); err != nil {
		return err
	}
	return s.files.Delete(ctx, key)
}

// Exists implements [certmagic.Storage].
func (s *trialStorage) Exists(ctx context.Context, key string) bool {
	if s.open(ctx) != nil {
		return false
	}
	return s.files.Exists(ctx, key) || s.other != nil && s.other.Exists(ctx, key)
}

// List implements [certmagic.Storage].
func (s *trialStorage) List(ctx context.Context, path string, recursive bool) ([]string, error) {
	if err := s.open(ctx); err != nil {
		return nil, err
	}
	keys, err := s.files.List(ctx, path, recursive)
	if s.other == nil {
		return keys, err
	}
	stored, other := s.other.List(ctx, path, recursive)
	if err != nil && other != nil {
		return nil, other
	}
	keys = append(keys, stored...)
	slices.Sort(keys)
	return slices.Compact(keys), nil
}

// Stat implements [certmagic.Storage].
func (s *trialStorage) Stat(ctx context.Context, key string) (certmagic.KeyInfo, error) {
	if err := s.open(ctx); err != nil {
		return certmagic.KeyInfo{}, err
	}
	info, err := s.files.Stat(ctx, key)
	if errors.Is(err, fs.ErrNotExist) && s.other != nil {
		return s.other.Stat(ctx, key)
	}
	return info, err
}

// Lock implements [certmagic.Storage]. Nobody else is kept out of what only this process sees.
func (s *trialStorage) Lock(context.Context, string) error { return nil }

// Unlock implements [certmagic.Storage].
func (s *trialStorage) Unlock(context.Context, string) error { return nil }

var _ certmagic.Storage = (*trialStorage)(nil)
