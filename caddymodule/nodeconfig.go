package caddymodule

import (
	"slices"

	"go.uber.org/zap"

	"github.com/dgate-io/caddy-dgate/internal/domaintls"
	"github.com/dgate-io/caddy-dgate/internal/gateway"
	"github.com/dgate-io/caddy-dgate/internal/js/host/fetch"
	"github.com/dgate-io/caddy-dgate/internal/keyring"
	"github.com/dgate-io/caddy-dgate/raftstorage"
)

// settings are what a configuration can change of a running node.
type settings struct {
	logger  *zap.Logger
	fetch   fetch.Options // where scripts may connect to
	gateway gateway.Options
	keks    []*keyring.KEK // of the configuration
	certs   domaintls.Limits
	cluster *raftstorage.Cluster
}

// settings are what the node of the app is to run with.
func (a *App) settings() *settings {
	s := &settings{
		logger: a.logger, keks: a.keks, certs: a.Certificates.limits(), cluster: a.cluster, fetch: fetch.Options{Forbidden: adminAddresses(a.ctx)},
		gateway: gateway.Options{
			Limits: a.Limits.js(), Tags: a.tags, Env: a.Env, Logger: a.logger,
			AllowedDomains: a.allowed, NoDefault: a.DefaultNamespace() == "", Proxies: a.proxy,
		},
	}
	if a.Limits != nil {
		s.fetch.Policy, _ = parsePolicy(a.Limits.Fetch) // checked before
	}
	return s
}

// prepare takes over what the store must be opened with, unless a configuration has started already:
// what is provisioned may open it before its configuration starts.
func (n *node) prepare(s *settings) error {
	n.configuring.Lock()
	defer n.configuring.Unlock()
	if len(n.configurations) > 0 || n.open() {
		return nil
	}
	n.settings.Store(s)
	return n.store.Configure(s.cluster)
}

// configure takes the settings of a configuration over. If that cannot be, those before go on.
func (n *node) configure(s *settings) error {
	n.configuring.Lock()
	defer n.configuring.Unlock()
	if err := n.use(s); err != nil {
		return err
	}
	n.configurations = append(n.configurations, s)
	return nil
}

// unconfigure forgets the settings of a configuration that has ended. If it was the newest, it has
// failed to start, and the one before goes on.
func (n *node) unconfigure(s *settings) {
	n.configuring.Lock()
	defer n.configuring.Unlock()
	n.configurations = slices.DeleteFunc(n.configurations, func(other *settings) bool { return other == s })
	if last := len(n.configurations) - 1; last >= 0 && n.settings.Load() == s {
		if err := n.use(n.configurations[last]); err != nil {
			s.logger.Error("the cluster stays as the configuration wanted it that has failed", zap.Error(err))
		}
	}
}

// use makes the node run with settings. The cluster is what can fail.
func (n *node) use(s *settings) error {
	if err := n.store.Configure(s.cluster); err != nil {
		return err
	}
	n.settings.Store(s)
	n.fetch.Configure(s.fetch)
	n.gateway.Configure(s.gateway)
	n.certs.limiter.Configure(s.certs)
	return nil
}
