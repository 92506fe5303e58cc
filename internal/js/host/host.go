// Package host lists what scripts can import and use beyond the language: the
// modules "dgate/…" and the globals, each a package below this one. It holds
// nothing but the list; a new module is a package and a line here.
package host

import (
	"slices"

	"github.com/dgate-io/caddy-dgate/internal/js"
	"github.com/dgate-io/caddy-dgate/internal/js/host/abort"
	"github.com/dgate-io/caddy-dgate/internal/js/host/buffer"
	"github.com/dgate-io/caddy-dgate/internal/js/host/clone"
	"github.com/dgate-io/caddy-dgate/internal/js/host/crypto"
	"github.com/dgate-io/caddy-dgate/internal/js/host/dgate"
	"github.com/dgate-io/caddy-dgate/internal/js/host/domexception"
	"github.com/dgate-io/caddy-dgate/internal/js/host/encoding"
	"github.com/dgate-io/caddy-dgate/internal/js/host/fetch"
	"github.com/dgate-io/caddy-dgate/internal/js/host/headers"
	"github.com/dgate-io/caddy-dgate/internal/js/host/nodeutil"
	"github.com/dgate-io/caddy-dgate/internal/js/host/performance"
	"github.com/dgate-io/caddy-dgate/internal/js/host/secret"
	"github.com/dgate-io/caddy-dgate/internal/js/host/state"
	"github.com/dgate-io/caddy-dgate/internal/js/host/storage"
	"github.com/dgate-io/caddy-dgate/internal/js/host/stream"
	"github.com/dgate-io/caddy-dgate/internal/js/host/util"
	"github.com/dgate-io/caddy-dgate/internal/js/host/webcrypto"
	"github.com/dgate-io/caddy-dgate/internal/js/host/weburl"
)

// Deps are the parts of the process that modules work with.
type Deps struct {
	// Fetch makes the requests of scripts.
	Fetch *fetch.Client
	// Documents is what "dgate/state" reads and writes.
	Documents state.Store
	// Secrets is what "dgate/secret" reads.
	Secrets secret.Source
	// Cache is what "dgate/storage" keeps.
	Cache *storage.Cache
}

// Modules returns the host modules.
func Modules(deps Deps) []js.Module {
	modules := []js.Module{
		deps.Fetch.Module(),
		crypto.Module(),
		state.Module(deps.Documents),
		secret.Module(deps.Secrets),
		deps.Cache.Module(),
		util.Module(),
		weburl.Module(),
		buffer.Module(encoding.Base64()...),
		nodeutil.Module(encoding.Text()...),
		{Name: "console", Exports: js.Console()},
		{Name: "dgate/exp"},
		{Name: "dgate/x"},
	}
	return append(modules, dgate.Module(modules))
}

// Globals returns the globals that are not the engine's own.
func Globals(deps Deps) []js.Global {
	return slices.Concat(
		[]js.Global{deps.Fetch.Global(), headers.Global(), domexception.Global(), buffer.Global(), clone.Global(), performance.Global()},
		fetch.Globals(),
		stream.Globals(),
		abort.Globals(),
		encoding.Globals(),
		weburl.Globals(),
		webcrypto.Globals(),
	)
}
