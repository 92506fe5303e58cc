// Package caddymodule is everything of DGate that is Caddy configuration: the app, its global
// option block, and the command. The work is done by the packages that it imports.
package caddymodule

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"sync"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/dgate-io/caddy-dgate/adminext"
	"github.com/dgate-io/caddy-dgate/handlers"
	"github.com/dgate-io/caddy-dgate/internal/gateway"
	"github.com/dgate-io/caddy-dgate/internal/keyring"
	"github.com/dgate-io/caddy-dgate/internal/manifest"
	"github.com/dgate-io/caddy-dgate/internal/resource"
	"github.com/dgate-io/caddy-dgate/raftstorage"
)

func init() { caddy.RegisterModule(new(App)) }

// App is the DGate gateway: it owns the replicated resources and the script engine that the
// dgate handlers and the admin API share. What it owns outlives config reloads.
//
// The store of the resources is opened at start if the app is configured, even if by nothing, or
// if there is a dgate handler. Otherwise it is opened when a script first asks it for something.
type App struct {
	// Where resources and the Raft log live. Default: `dgate` inside Caddy's data directory.
	// Cannot change in a reload. Only one Caddy process can use it at a time.
	DataDir string `json:"data_dir,omitempty"`

	// `persistent` keeps resources in data_dir; `memory` forgets them when Caddy exits.
	// Default: `persistent`. Cannot change in a reload.
	Storage string `json:"storage,omitempty"`

	// Whether requests for hosts that no domain has are routed in the namespace `default`. They
	// never are while it has a domain of its own. If false, the admin API and the command line also
	// refuse what names no namespace. Default: true.
	UseDefault *bool `json:"default_namespace,omitempty"`

	// Hosts that dgate handlers without a namespace of their own answer, as patterns like those of
	// domains: `example.com`, `*.example.com`, `api.*`, `*shop*`, `*` or `/regular expression/`.
	// Requests for others get 403. Default: all hosts.
	AllowedDomains []string `json:"allowed_domains,omitempty"`

	// Resource files, YAML or JSON; wildcards and placeholders such as `{env.DIR}/*.yaml` are
	// allowed. What they list is stored at start and at each reload, where it differs from what is
	// stored already; nothing is deleted. A mistake in one of them refuses the whole configuration,
	// and so does a name without wildcards that no file has; wildcards that match nothing are
	// warned about in the log.
	Resources []string `json:"resources,omitempty"`

	// Differs when the resource files do, so that a reload sees an edit. The Caddyfile adapter sets
	// it; nothing reads it.
	ResourcesDigest string `json:"resources_digest,omitempty"`

	// Headers of every answer of a dgate handler, also if it refuses a request or fails. What the
	// upstream or a script sets under the same name takes its place, so that there is always one.
	// Values may have placeholders.
	GlobalHeaders http.Header `json:"global_headers,omitempty"`

	// Words about this node, sent upstream in the header X-DGate-Tags. They must have no commas.
	// Placeholders such as `{env.REGION}` are expanded once, when the configuration is loaded.
	Tags []string `json:"tags,omitempty"`

	// Environment variables that modules can read in `process.env`. Default: none.
	Env []string `json:"env,omitempty"`

	// What secrets are encrypted with on disk: 32 bytes as hex or base64, or a passphrase of at
	// least 16 characters; usually a placeholder such as `{env.DGATE_ENCRYPTION_KEY}`. Further ones
	// are older keys, which are needed until Caddy has once started with the new one. Default: a
	// key that is made when it is first needed, in the file `encryption.key` of data_dir. That
	// protects backups and copies of the data, not a stolen disk.
	EncryptionKey []string `json:"encryption_key,omitempty"`

	// Makes this Caddy one of several that have the same resources, documents and secrets. Default:
	// it is on its own, and listens nowhere.
	Cluster *Cluster `json:"cluster,omitempty"`

	// Bounds of what modules may use.
	Limits *Limits `json:"limits,omitempty"`

	// How many new certificates domains may lead to.
	Certificates *Certificates `json:"certificates,omitempty"`

	ctx      caddy.Context
	logger   *zap.Logger
	stores   bool // whether the store is opened at start
	key      nodeKey
	acquired bool // whether Cleanup has a node to give back
	node     *node
	running  *settings // what the node was configured with, if Start has run
	proxy    *handlers.Proxy
	headers  handlers.GlobalHeaders
	announce *announcer
	tags     []string               // Tags, expanded
	keks     []*keyring.KEK         // of EncryptionKey, and of the secrets of the cluster
	cluster  *raftstorage.Cluster   // as Cluster says; nil for a node on its own
	allowed  []resource.HostPattern // of AllowedDomains
	objects  manifest.Resources     // of the resource files
	servers  []*tlsServer           // that have a dgate handler and TLS

	background sync.WaitGroup
	stop       context.CancelFunc // ends what runs in the background; nil if nothing does
}

// The values of App.Storage.
const (
	persistent = "persistent"
	memory     = "memory"
)

// CaddyModule implements [caddy.Module].
func (*App) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "dgate", New: func() caddy.Module { return new(App) }}
}

// UnmarshalJSON implements [json.Unmarshaler]. It is not called for an app that only exists because
// a handler has asked for it, which is how such an app is told.
func (a *App) UnmarshalJSON(data []byte) error {
	type fields App // without this method
	a.stores = true
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	return dec.Decode((*fields)(a))
}

// Provision implements [caddy.Provisioner]. It opens nothing: `caddy validate` provisions too,
// also beside a running server.
func (a *App) Provision(ctx caddy.Context) (err error) {
	a.ctx, a.logger = ctx, ctx.Logger()
	if err := errors.Join(a.Limits.check(), a.Certificates.check(), checkEnv(a.Env)); err != nil {
		return err
	}
	if a.tags, err = expand("tags", a.Tags); err != nil {
		return err
	}
	if err := checkTags(a.tags); err != nil {
		return err
	}
	if a.headers, err = handlers.ParseGlobalHeaders(a.GlobalHeaders); err != nil {
		return err
	}
	if a.keks, err = parseKEKs(a.EncryptionKey); err != nil {
		return err
	}
	if err = a.provisionCluster(); err != nil {
		return err
	}
	if a.allowed, err = parseHosts(a.AllowedDomains); err != nil {
		return err
	}
	key, err := a.nodeKey()
	if err != nil {
		return err
	}
	if !a.stores {
		key = runningKey(key)
	}
	if a.objects, err = a.readResources(); err != nil {
		return err
	}
	if a.node, err = acquire(key); err != nil {
		return err
	}
	a.key, a.acquired = key, true
	if err = a.node.metrics.register(ctx); err != nil {
		return err
	}
	if a.announce, err = newAnnouncer(ctx, a.node); err != nil {
		return fmt.Errorf("events: %w", err)
	}
	if err = newIssuance(ctx, a); err != nil {
		return fmt.Errorf("events: %w", err)
	}
	if a.proxy, err = handlers.NewProxy(ctx, a.node.fetch); err != nil {
		return err
	}
	return a.node.prepare(a.settings())
}

// nodeKey says which node the configuration is about.
func (a *App) nodeKey() (nodeKey, error) {
	repl := caddy.NewReplacer()
	dir, err := repl.ReplaceOrErr(a.DataDir, true, true)
	if err != nil {
		return nodeKey{}, fmt.Errorf("data_dir: %w", err)
	}
	switch a.Storage {
	case "", persistent:
	case memory:
		return nodeKey{memory: true}, nil
	default:
		return nodeKey{}, fmt.Errorf("storage must be %s or %s, not %q", persistent, memory, a.Storage)
	}
	if dir == "" {
		dir = filepath.Join(caddy.AppDataDir(), "dgate")
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return nodeKey{}, fmt.Errorf("data_dir: %w", err)
	}
	return nodeKey{dir: dir}, nil
}

// RequireStore implements [handlers.App].
func (a *App) RequireStore() error {
	key, err := a.nodeKey()
	if err == nil && a.acquired && key != a.key {
		err = cannotChange(a.key, key)
	}
	a.stores = true
	return err
}

// Start implements [caddy.App]. When it returns, what was stored before is being served.
func (a *App) Start() error {
	running := a.settings()
	if err := a.node.configure(running); err != nil {
		return err
	}
	a.running = running
	open := a.node.open()
	if !a.stores && !open {
		return nil
	}
	ctx, cancel := context.WithTimeout(a.ctx, startTimeout)
	defer cancel()
	if err := a.node.start(ctx); err != nil {
		return err
	}
	if open {
		a.node.unlock(ctx) // with the keys of this configuration
	}
	return a.store(ctx)
}

// Stop implements [caddy.App]. Requests may still be running, so nothing that they use is torn down here.
func (a *App) Stop() error {
	if a.stop != nil {
		a.stop()
	}
	a.background.Wait()
	return nil
}

// Cleanup implements [caddy.CleanerUpper]. Requests that are still running keep what they use: the
// node stays where it is, closed if no other configuration has it.
func (a *App) Cleanup() error {
	if a.proxy != nil {
		a.proxy.Close()
	}
	if !a.acquired {
		return nil
	}
	a.acquired = false
	if a.announce != nil {
		a.announce.close()
	}
	a.node.certs.care.leave(a)
	if a.running != nil {
		a.node.unconfigure(a.running)
	}
	return release(a.key)
}

// Gateway implements [handlers.App].
func (a *App) Gateway() *gateway.Gateway { return a.node.gateway }

// Proxy implements [handlers.App].
func (a *App) Proxy() *handlers.Proxy { return a.proxy }

// GlobalHeaderList implements [handlers.App].
func (a *App) GlobalHeaderList() handlers.GlobalHeaders { return a.headers }

// Site implements [handlers.App].
func (a *App) Site(ctx context.Context, modules []*resource.Module, namespace string, limits *handlers.Limits) (*gateway.Site, error) {
	return a.node.gateway.NewSite(context.WithValue(ctx, envKey{}, a.Env), gateway.SiteOptions{
		Modules: modules, Namespace: namespace, Limits: limits.Over(a.Limits.js()),
	})
}

// Wait implements [handlers.App].
func (a *App) Wait(ctx context.Context) error {
	select {
	case <-a.node.ready:
		return nil
	case <-ctx.Done():
		return errors.New("the store is not open yet")
	}
}

var (
	_ caddy.Provisioner  = (*App)(nil)
	_ caddy.App          = (*App)(nil)
	_ caddy.CleanerUpper = (*App)(nil)
	_ handlers.App       = (*App)(nil)
	_ adminext.App       = (*App)(nil)
)
