package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddytls"
	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"

	"github.com/dgate-io/caddy-dgate/internal/domaintls"
)

func init() { caddy.RegisterModule(new(Permission)) }

// Permission allows certificates on demand for the names that domains name: for the exact ones if
// their `tls` is `auto` or `each`, and for those under a wildcard such as `*.example.com` if it is
// `each`. All others are refused, so that strangers cannot have certificates ordered for names of
// their own. It looks at what this node has in memory, and asks nobody.
//
// The option `certificates` of the `dgate` app bounds how many new certificates are obtained.
type Permission struct {
	app     *App
	storage certmagic.Storage
	logger  *zap.Logger
}

// tlsTimeout is how long a handshake that comes before the store is open is made to wait.
const tlsTimeout = 10 * time.Second

// CaddyModule implements [caddy.Module].
func (*Permission) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "tls.permission.dgate", New: func() caddy.Module { return new(Permission) }}
}

// UnmarshalCaddyfile sets up the permission from Caddyfile tokens. Syntax:
//
//	permission dgate
func (*Permission) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	for d.Next() {
		if d.NextArg() {
			return d.ArgErr()
		}
		if d.NextBlock(d.Nesting()) {
			return d.Errf("permission dgate takes no options; the limits are those of the option certificates in the block dgate")
		}
	}
	return nil
}

// Provision implements [caddy.Provisioner].
func (p *Permission) Provision(ctx caddy.Context) (err error) {
	p.logger, p.storage = ctx.Logger(), ctx.Storage()
	p.app, err = appOf(ctx)
	return err
}

// appOf is the app, which a TLS module needs to have its store opened.
func appOf(ctx caddy.Context) (*App, error) {
	app, err := ctx.App("dgate")
	if err != nil {
		return nil, fmt.Errorf("dgate app: %w", err)
	}
	return app.(*App), app.(*App).RequireStore()
}

// CertificateAllowed implements [caddytls.OnDemandPermission].
func (p *Permission) CertificateAllowed(ctx context.Context, name string) error {
	if err := p.app.waitFor(ctx, name); err != nil {
		return err
	}
	err := p.app.node.certs.allow(ctx, p.storage, name)
	if err == nil {
		return nil
	}
	if limited, ok := errors.AsType[*domaintls.LimitError](err); ok && p.app.node.certs.warnings.first(limited.Refusal, time.Now()) {
		p.logger.Warn("no certificate, because there were too many new ones",
			zap.String("name", name), zap.String("namespace", limited.Namespace), zap.String("limit", limited.Limit),
			zap.Int("per_hour", limited.Bound), zap.Time("until", limited.Until),
			zap.String("note", "further names are counted by the metric dgate_domain_certificates_refused_total, and logged once a minute"))
	}
	return fmt.Errorf("%s: %w: %w", name, caddytls.ErrPermissionDenied, err)
}

// waitFor waits until the stored domains are known. The error is about a name.
func (a *App) waitFor(ctx context.Context, name string) error {
	if a.node.open() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, tlsTimeout)
	defer cancel()
	if err := a.Wait(ctx); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

var (
	_ caddy.Provisioner           = (*Permission)(nil)
	_ caddytls.OnDemandPermission = (*Permission)(nil)
	_ caddyfile.Unmarshaler       = (*Permission)(nil)
)
