package certstore

import (
	"context"
	"fmt"
	"slices"

	"github.com/caddyserver/certmagic"

	"github.com/dgate-io/caddy-dgate/internal/state"
)

// Exists implements [certmagic.Storage], for values and directories.
func (s *Storage) Exists(_ context.Context, key string) bool {
	name, err := cleanDir(key)
	if err != nil {
		return false
	}
	if isProbe(name) {
		_, ok := s.probes.get(name)
		return ok
	}
	if name == "" {
		return true
	}
	if _, found, err := s.get(name); found || err != nil {
		return err == nil
	}
	return s.below(name)
}

// below tells whether a name is a directory.
func (s *Storage) below(name string) (found bool) {
	_ = s.view(func(r *state.Reader) error { // an error is reported by what comes next
		for _, err := range r.Page(context.Background(), state.File, "", prefix(name), 0) {
			found = err == nil
			break
		}
		return nil
	})
	return found
}

// List implements [certmagic.Storage]: the keys below a directory in the order of a walk, with those
// of directories. Not recursive, what is deeper than one level is left out.
func (s *Storage) List(ctx context.Context, path string, recursive bool) ([]string, error) {
	dir, err := cleanDir(path)
	if err != nil {
		return nil, err
	}
	var keys []string
	isFile := false
	err = s.view(func(r *state.Reader) (err error) {
		if dir != "" {
			if _, isFile, err = r.Get(fileKey(dir)); err != nil || isFile {
				return err
			}
		}
		keys, err = list(ctx, r, prefix(dir), recursive)
		return err
	})
	switch {
	case err != nil:
		return nil, fmt.Errorf("list %s: %w", dir, err)
	case len(keys) == 0 && !isFile && dir != "":
		return nil, notExist("list", dir)
	}
	return keys, nil
}

// list collects values and the directories that they are in.
func list(ctx context.Context, r *state.Reader, prefix string, recursive bool) (keys []string, err error) {
	seen := map[string]bool{}
	add := func(key string) {
		if !seen[key] {
			seen[key] = true
			keys = append(keys, key)
		}
	}
	if !recursive { // which handshakes do
		for key, err := range r.Level(ctx, state.File, "", prefix) {
			if err != nil {
				return nil, err
			}
			add(key)
		}
		slices.SortFunc(keys, compare)
		return keys, nil
	}
	for rec, err := range r.Page(ctx, state.File, "", prefix, 0) {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return nil, err
		}
		rest := rec.Key.Name[len(prefix):]
		for _, dir := range parents(rest) {
			add(prefix + dir)
		}
		add(rec.Key.Name)
	}
	slices.SortFunc(keys, compare)
	return keys, nil
}

// Stat implements [certmagic.Storage]. The size is that of the value before it was encrypted, and 0
// if it cannot be decrypted. A directory was modified when the newest value below it was.
func (s *Storage) Stat(_ context.Context, key string) (certmagic.KeyInfo, error) {
	info := certmagic.KeyInfo{Key: key}
	name, err := cleanDir(key)
	if err != nil {
		return info, err
	}
	if value, ok := s.probes.get(name); ok {
		info.IsTerminal, info.Size = true, int64(len(value))
		return info, nil
	}
	found := name == ""
	err = s.view(func(r *state.Reader) error {
		if rec, ok, err := r.Get(fileKey(name)); name != "" && (ok || err != nil) {
			found, info.IsTerminal, info.Modified = ok, true, rec.UpdatedAt
			if value, undecodable := s.decode(rec); undecodable == nil {
				info.Size = int64(len(value))
			}
			return err
		}
		for rec, err := range r.Page(context.Background(), state.File, "", prefix(name), 0) {
			if err != nil {
				return err
			}
			found = true
			if rec.UpdatedAt.After(info.Modified) {
				info.Modified = rec.UpdatedAt
			}
		}
		return nil
	})
	if err != nil {
		return info, fmt.Errorf("stat %s: %w", name, err)
	}
	if !found {
		return info, notExist("stat", name)
	}
	return info, nil
}
