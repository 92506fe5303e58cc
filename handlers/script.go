package handlers

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/dgate-io/caddy-dgate/internal/gateway"
	"github.com/dgate-io/caddy-dgate/internal/resource"
)

func init() { caddy.RegisterModule(new(Script)) }

// Script runs the hooks of a module around the handlers that come after it. `requestModifier` runs
// before them and may answer in their place. `requestHandler` answers instead of them.
// `responseModifier` runs when they write the header of their answer; the body is held back, within
// limits, only if the hook asks for it, and never that of an event stream. `errorHandler` may answer
// when they return an error, or when another hook fails. A hook that fails ends the request with
// status 500: what comes after is not run.
//
// The placeholder `{http.dgate.module}` and the object `dgate` in the access log have the name of
// the first module.
type Script struct {
	// The modules: the first has the hooks, the others can be imported. The Caddyfile adapter puts
	// what is in the files here, so that a reload sees an edit.
	Modules []ScriptModule `json:"modules,omitempty"`

	// Files to read the modules from, in place of modules. They are read when the configuration
	// is loaded, and with watch whenever they change.
	Files []string `json:"files,omitempty"`

	// Run changed files without a reload. A file that does not work is logged, and what ran before
	// goes on. For development.
	Watch bool `json:"watch,omitempty"`

	// The namespace that the modules keep documents, secrets and cached values in. Default: `default`.
	Namespace string `json:"namespace,omitempty"`

	// Bounds of what the modules may use. What is not set here is as in the dgate app.
	Limits *Limits `json:"limits,omitempty"`

	logger *zap.Logger
	debug  bool
	site   *gateway.Site
	watch  *watch // nil without Watch
}

// CaddyModule implements [caddy.Module].
func (*Script) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.dgate_js", New: func() caddy.Module { return new(Script) }}
}

// Provision implements [caddy.Provisioner]. Modules that do not work are an error of the configuration.
func (h *Script) Provision(ctx caddy.Context) error {
	h.logger = ctx.Logger()
	h.debug = debugs(h.logger)
	app, err := ctx.App("dgate")
	if err != nil {
		return fmt.Errorf("dgate app: %w", err)
	}
	if err := h.check(); err != nil {
		return err
	}
	watchHandshakes(ctx)
	seen := stamps(h.Files) // before they are read: what changes meanwhile is not missed
	modules, err := h.read()
	if err != nil {
		return err
	}
	if h.site, err = app.(App).Site(ctx, modules, h.Namespace, h.Limits); err != nil {
		return err
	}
	if h.Watch {
		h.watch = startWatch(h.Files, seen, h.changed)
	}
	return nil
}

// check looks for what does not fit together.
func (h *Script) check() error {
	switch {
	case len(h.Modules) == 0 && len(h.Files) == 0:
		return errors.New("there is no module to run")
	case len(h.Modules) > 0 && len(h.Files) > 0:
		return errors.New("there must be modules or files, not both")
	case h.Watch && len(h.Files) == 0:
		return errors.New("only files can be watched, and there are none")
	}
	if err := checkNamespace(h.Namespace); err != nil {
		return err
	}
	return h.Limits.Check()
}

// read gives the modules.
func (h *Script) read() ([]*resource.Module, error) {
	if len(h.Files) == 0 {
		return resources(h.Modules)
	}
	modules, err := readScript(h.Files)
	if err != nil {
		return nil, err
	}
	return resources(modules)
}

// changed runs what is in the files now.
func (h *Script) changed(ctx context.Context) {
	modules, err := h.read()
	if err == nil {
		err = h.site.Replace(ctx, modules)
	}
	switch {
	case ctx.Err() != nil:
	case err != nil:
		h.logger.Error("changed files do not work; what ran before goes on", zap.Strings("files", h.Files), zap.Error(err))
	default:
		h.logger.Info("changed files run now", zap.Strings("files", h.Files))
	}
}

// Cleanup implements [caddy.CleanerUpper]. Requests in flight finish on what they have.
func (h *Script) Cleanup() error {
	if h.watch != nil {
		h.watch.stop()
	}
	if h.site != nil {
		h.site.Close()
	}
	return nil
}

// ServeHTTP implements [caddyhttp.MiddlewareHandler].
func (h *Script) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	client, _ := caddyhttp.GetVar(r.Context(), caddyhttp.ClientIPVarKey).(string)
	err := h.site.Serve(w, r, client, &traceOf(r.Context()).Trace, func(w http.ResponseWriter, r *http.Request) error {
		return withStatus(next.ServeHTTP(w, r))
	})
	if err != nil {
		return respondError(w, err, h.debug)
	}
	return nil
}

var (
	_ caddy.Provisioner           = (*Script)(nil)
	_ caddy.CleanerUpper          = (*Script)(nil)
	_ caddyhttp.MiddlewareHandler = (*Script)(nil)
)
