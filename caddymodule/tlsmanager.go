package caddymodule

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"reflect"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddytls"
	"github.com/caddyserver/certmagic"
)

func init() { caddy.RegisterModule(new(Manager)) }

// Manager serves the certificates that domains bring along, from memory, as soon as they are
// stored. Of several that are for a name, that which names it comes before that of a wildcard. For
// names without one, Caddy goes on as if it was not there.
//
// It needs a permission module beside it, because Caddy would otherwise obtain certificates for
// every name that anybody asks for.
type Manager struct {
	app *App
}

// CaddyModule implements [caddy.Module].
func (*Manager) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "tls.get_certificate.dgate", New: func() caddy.Module { return new(Manager) }}
}

// UnmarshalCaddyfile sets up the manager from Caddyfile tokens. Syntax:
//
//	get_certificate dgate
func (*Manager) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	for d.Next() {
		if d.NextArg() {
			return d.ArgErr()
		}
		if d.NextBlock(d.Nesting()) {
			return d.Errf("get_certificate dgate takes no options")
		}
	}
	return nil
}

// errNoPermission is why the manager refuses to load.
var errNoPermission = errors.New(`get_certificate dgate needs a permission module, because Caddy would obtain a certificate for every name that anybody asks for without one; add to the global options:
	on_demand_tls {
		permission dgate
	}`)

// Provision implements [caddy.Provisioner].
func (m *Manager) Provision(ctx caddy.Context) error {
	app, err := ctx.App("tls") // which is being provisioned, and has loaded its permission module
	if err != nil {
		return fmt.Errorf("tls app: %w", err)
	}
	if !hasPermission(app.(*caddytls.TLS)) {
		return errNoPermission
	}
	m.app, err = appOf(ctx)
	return err
}

// hasPermission tells whether certificates on demand need a permission.
func hasPermission(app *caddytls.TLS) bool {
	if app.Automation == nil || app.Automation.OnDemand == nil {
		return false
	}
	if od := app.Automation.OnDemand; od.Ask != "" || od.PermissionRaw != nil {
		return true
	}
	// Caddy has no other way to ask: once loaded, the module is in this field alone.
	field := reflect.ValueOf(app.Automation.OnDemand).Elem().FieldByName("permission")
	return field.IsValid() && field.Kind() == reflect.Interface && !field.IsNil()
}

// GetCertificate implements [certmagic.Manager].
func (m *Manager) GetCertificate(ctx context.Context, hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	name := nameOf(hello)
	if err := m.app.waitFor(ctx, name); err != nil {
		return nil, err
	}
	certs := m.app.node.certs
	cert := certs.Certificate(name)
	if cert != nil {
		certs.Granted(name)
	}
	return cert, nil
}

// nameOf is the name that a client asks for, or else the address that it has connected to.
func nameOf(hello *tls.ClientHelloInfo) string {
	if hello.ServerName != "" || hello.Conn == nil {
		return strings.ToLower(hello.ServerName)
	}
	addr := hello.Conn.LocalAddr().String()
	if host, _, err := net.SplitHostPort(addr); err == nil {
		addr = host
	}
	return strings.ToLower(addr)
}

var (
	_ caddy.Provisioner     = (*Manager)(nil)
	_ certmagic.Manager     = (*Manager)(nil)
	_ caddyfile.Unmarshaler = (*Manager)(nil)
)
