package caddymodule

import (
	"errors"
	"fmt"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/dgate-io/caddy-dgate/handlers"
	"github.com/dgate-io/caddy-dgate/internal/js"
	"github.com/dgate-io/caddy-dgate/internal/js/host/fetch"
)

// Limits bound what modules may use. A limit that is not set has its default.
type Limits struct {
	handlers.Limits

	// What fetch may connect to: `any`, `public` addresses only, or `off`. Caddy's admin address
	// can never be reached. Default: `any`.
	Fetch string `json:"fetch,omitempty"`
}

// check reports every limit that makes no sense.
func (l *Limits) check() error {
	if l == nil {
		return nil
	}
	err := l.Check()
	if _, policy := parsePolicy(l.Fetch); policy != nil {
		err = errors.Join(err, fmt.Errorf("limits: fetch: %w", policy))
	}
	return err
}

// js are the limits as the engine has them.
func (l *Limits) js() js.Limits {
	if l == nil {
		return js.Limits{}
	}
	return l.Over(js.Limits{})
}

// unmarshalLimits reads the block of the option limits.
func unmarshalLimits(d *caddyfile.Dispenser) (*Limits, error) {
	l := new(Limits)
	err := handlers.EachLimit(d, func(name, value string) (known bool, err error) {
		if name != "fetch" {
			return l.Set(name, value)
		}
		l.Fetch = value
		_, err = parsePolicy(value)
		return true, err
	}, "cpu, timeout, heap, vms, body and fetch")
	return l, err
}

// parsePolicy is fetch.ParsePolicy with a default.
func parsePolicy(name string) (fetch.Policy, error) {
	if name == "" {
		return fetch.Any, nil
	}
	return fetch.ParsePolicy(name)
}
