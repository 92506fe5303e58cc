package caddymodule

import (
	"errors"
	"fmt"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/certmagic"

	"github.com/dgate-io/caddy-dgate/handlers"
)

func init() { caddy.RegisterModule(new(Storage)) }

// Storage keeps certificates, their private keys and everything else that Caddy's TLS has to remember
// in the replicated store of DGate: all nodes of a cluster have the same certificates and share the
// work of obtaining them, without a shared disk. Private keys are encrypted as secrets are.
//
// Certificates that a node knows are served without the other nodes too, also after a restart.
// Beside a running Caddy, commands such as `caddy storage export` use its store.
type Storage struct {
	// Where the store is, for `caddy storage export` and `import`, which do not read the `dgate` block.
	// It must be the `data_dir` of that block. Default: that, or `dgate` inside Caddy's data directory.
	DataDir string `json:"data_dir,omitempty"`

	key      nodeKey
	node     *node
	acquired bool
	trial    *trialStorage // of a configuration that is only tried
}

// CaddyModule implements [caddy.Module].
func (*Storage) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "caddy.storage.dgate", New: func() caddy.Module { return new(Storage) }}
}

// Provision implements [caddy.Provisioner]. It opens nothing; the first use does.
func (s *Storage) Provision(ctx caddy.Context) (err error) {
	if s.key, err = s.nodeKey(ctx); err != nil {
		return err
	}
	if s.node, err = acquire(s.key); err != nil {
		return err
	}
	s.acquired = true
	return nil
}

// nodeKey says which store it is: that of the app, or the usual one if there is no app.
func (s *Storage) nodeKey(ctx caddy.Context) (nodeKey, error) {
	asked, err := (&App{DataDir: s.DataDir}).nodeKey()
	if err != nil {
		return nodeKey{}, err
	}
	app, err := ctx.AppIfConfigured("dgate")
	switch {
	case errors.Is(err, caddy.ErrNotConfigured):
		return asked, nil
	case err != nil:
		return nodeKey{}, err
	}
	key := app.(*App).key
	if s.DataDir != "" && key != asked {
		return nodeKey{}, fmt.Errorf("storage dgate has the data_dir %s, and the dgate block has %s: leave the first one out, or make them the same", asked, key)
	}
	return key, nil
}

// CertMagicStorage implements [caddy.StorageConverter].
func (s *Storage) CertMagicStorage() (certmagic.Storage, error) {
	if isTrial() {
		s.trial = newTrialStorage(s.key)
		return s.trial, nil
	}
	return s.node.storage, nil
}

// Cleanup implements [caddy.CleanerUpper].
func (s *Storage) Cleanup() error {
	var err error
	if s.trial != nil {
		err = s.trial.close()
	}
	if s.acquired {
		s.acquired = false
		err = errors.Join(err, release(s.key))
	}
	return err
}

// UnmarshalCaddyfile sets up the storage from Caddyfile tokens. Syntax:
//
//	storage dgate {
//	    data_dir <path>
//	}
func (s *Storage) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	if d.NextArg() {
		return d.ArgErr()
	}
	var once handlers.Once
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		if err := once.Check(d); err != nil {
			return err
		}
		if d.Val() != "data_dir" {
			return d.Errf("unrecognized option %q of storage dgate; there is only data_dir", d.Val())
		}
		if !d.AllArgs(&s.DataDir) {
			return d.ArgErr()
		}
		s.DataDir = handlers.Beside(d, s.DataDir)
	}
	return nil
}

var (
	_ caddy.Provisioner      = (*Storage)(nil)
	_ caddy.CleanerUpper     = (*Storage)(nil)
	_ caddy.StorageConverter = (*Storage)(nil)
	_ caddyfile.Unmarshaler  = (*Storage)(nil)
)
