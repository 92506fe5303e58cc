package caddymodule

import (
	"fmt"
	"path/filepath"
	"slices"

	"github.com/caddyserver/caddy/v2"

	"github.com/dgate-io/caddy-dgate/internal/keyring"
)

// parseKEKs reads the option encryption_key. Errors name the variable that is empty, and not what
// is in it.
func parseKEKs(texts []string) ([]*keyring.KEK, error) {
	repl := caddy.NewReplacer()
	keks := make([]*keyring.KEK, len(texts))
	for i, text := range texts {
		text, err := repl.ReplaceOrErr(text, true, true)
		if err != nil {
			return nil, fmt.Errorf("encryption_key: %w", err)
		}
		if keks[i], err = keyring.ParseKEK(text); err != nil {
			return nil, fmt.Errorf("encryption_key %w", err)
		}
	}
	return keks, nil
}

// kekSource says where the keys of a node come from. What is kept in memory has a key
// that is forgotten together with it, beside those of the configuration.
func (n *node) kekSource() keyring.Source {
	if n.key.memory {
		own := keyring.NewKEK()
		return keyring.Source{Keys: func() []*keyring.KEK {
			return append(slices.Clip(n.settings.Load().keks), own)
		}}
	}
	return keyring.Source{
		Keys: func() []*keyring.KEK { return n.settings.Load().keks },
		File: filepath.Join(n.key.dir, keyring.FileName),
	}
}
