package adminext

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/caddyserver/caddy/v2"

	"github.com/dgate-io/caddy-dgate/internal/resource"
)

func init() { caddy.RegisterModule(new(Admin)) }

// Admin mounts the admin API on Caddy's admin endpoint, under /dgate/. It has no configuration of
// its own; everything is that of the dgate app.
type Admin struct{ handler *Handler }

// CaddyModule implements [caddy.Module].
func (*Admin) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "admin.api.dgate", New: func() caddy.Module { return new(Admin) }}
}

// Provision implements [caddy.Provisioner].
func (a *Admin) Provision(ctx caddy.Context) error {
	a.handler = New(activeApp, ctx.Logger())
	return nil
}

// Routes implements [caddy.AdminRouter]. One subtree, so that what is not found is answered by us;
// and the path without the slash, so that it is not redirected.
func (a *Admin) Routes() []caddy.AdminRoute {
	serve := caddy.AdminHandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		a.handler.ServeHTTP(w, r)
		return nil
	})
	return []caddy.AdminRoute{{Pattern: "/dgate", Handler: serve}, {Pattern: "/dgate/", Handler: serve}}
}

// ErrNoStore is what requests are answered as long as nothing wants the store to be open.
var ErrNoStore = refuse(http.StatusServiceUnavailable, resource.Internal,
	"no dgate app is configured; put these lines at the top of the Caddyfile and reload: {\n\tdgate\n}")

// activeApp finds the app of the config that runs now. It is looked up for each request, since
// after a failed reload this module belongs to a config that never ran.
func activeApp() (App, error) {
	ctx := caddy.ActiveContext()
	if ctx.Context == nil { // the admin endpoint is there before the first config runs
		return nil, refuse(http.StatusServiceUnavailable, resource.NoLeader, "Caddy is still starting, which takes a node that joins a cluster some seconds; try again")
	}
	found, err := ctx.AppIfConfigured("dgate")
	if errors.Is(err, caddy.ErrNotConfigured) || err == nil && found == nil {
		return nil, ErrNoStore
	}
	if err != nil {
		return nil, &statusError{http.StatusServiceUnavailable, fmt.Errorf("the dgate app is not available: %w", err)}
	}
	app, ok := found.(App)
	if !ok {
		return nil, fmt.Errorf("the dgate app is a %T, which has no admin API", found)
	}
	return app, nil
}

var (
	_ caddy.Provisioner = (*Admin)(nil)
	_ caddy.AdminRouter = (*Admin)(nil)
)
