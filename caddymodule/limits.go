package caddymodule

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/dustin/go-humanize"

	"github.com/dgate-io/caddy-dgate/internal/gateway"
	"github.com/dgate-io/caddy-dgate/internal/js"
	"github.com/dgate-io/caddy-dgate/internal/js/host/fetch"
)

// Limits bound what modules may use. A limit that is not set has its default.
type Limits struct {
	// How long a script may compute without waiting for anything. What Go code does on its
	// behalf does not count. Default: 100ms.
	CPU caddy.Duration `json:"cpu,omitempty"`

	// How long one hook may take, waiting included. Default: 30s.
	Timeout caddy.Duration `json:"timeout,omitempty"`

	// By how much the memory of the process may grow while scripts run, in bytes. Default: 256 MiB.
	Heap uint64 `json:"heap,omitempty"`

	// How many virtual machines the modules of one route may use at a time; the process as a
	// whole may use four times as many. Default: 1024.
	VMs int `json:"vms,omitempty"`

	// How much of a body a script may read, in bytes. Default: 10 MiB.
	Body int64 `json:"body,omitempty"`

	// What fetch may connect to: `any`, `public` addresses only, or `off`. Caddy's admin address
	// can never be reached. Default: `any`.
	Fetch string `json:"fetch,omitempty"`
}

// check reports every limit that makes no sense.
func (l *Limits) check() error {
	if l == nil {
		return nil
	}
	var errs []error
	for name, negative := range map[string]bool{"cpu": l.CPU < 0, "timeout": l.Timeout < 0, "vms": l.VMs < 0, "body": l.Body < 0} {
		if negative {
			errs = append(errs, fmt.Errorf("limits: %s must not be negative", name))
		}
	}
	if _, err := parsePolicy(l.Fetch); err != nil {
		errs = append(errs, fmt.Errorf("limits: fetch: %w", err))
	}
	return errors.Join(errs...)
}

// js are the limits as the engine has them.
func (l *Limits) js() js.Limits {
	if l == nil {
		return js.Limits{}
	}
	return js.Limits{
		CPU: time.Duration(l.CPU), Timeout: time.Duration(l.Timeout), Heap: l.Heap, VMs: l.VMs, Body: l.Body,
	}
}

// settings are what the node of the app is to run with.
func (a *App) settings() *settings {
	s := &settings{logger: a.logger, keks: a.keks, admin: adminAddresses(a.ctx), gateway: gateway.Options{Limits: a.Limits.js(), Tags: a.Tags, Env: a.Env, Logger: a.logger}}
	if a.Limits != nil {
		s.fetch, _ = parsePolicy(a.Limits.Fetch) // checked before
	}
	return s
}

// unmarshalLimits reads the block of the option limits.
func unmarshalLimits(d *caddyfile.Dispenser) (*Limits, error) {
	l := new(Limits)
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		name := d.Val()
		var value string
		if !d.AllArgs(&value) {
			return nil, d.ArgErr()
		}
		var err error
		switch name {
		case "cpu":
			err = parseDuration(value, &l.CPU)
		case "timeout":
			err = parseDuration(value, &l.Timeout)
		case "heap":
			l.Heap, err = parseSize(value)
		case "vms":
			if l.VMs, err = strconv.Atoi(value); err != nil || l.VMs < 1 {
				err = fmt.Errorf("must be a whole number from 1 on, not %q", value)
			}
		case "body":
			var n uint64
			n, err = parseSize(value)
			l.Body = int64(n) //nolint:gosec // bounded by parseSize
		case "fetch":
			l.Fetch = value
			_, err = parsePolicy(value)
		default:
			return nil, d.Errf("unrecognized limit %q; there are cpu, timeout, heap, vms, body and fetch", name)
		}
		if err != nil {
			return nil, d.Errf("limits: %s: %v", name, err)
		}
	}
	return l, nil
}

// parseSize reads a size such as 256MiB.
func parseSize(text string) (uint64, error) {
	n, err := humanize.ParseBytes(text)
	if err != nil || n == 0 || n > 1<<50 {
		return 0, fmt.Errorf("must be a size such as 256MiB, not %q", text)
	}
	return n, nil
}

func parseDuration(text string, into *caddy.Duration) error {
	span, err := caddy.ParseDuration(text)
	if err != nil || span <= 0 {
		return fmt.Errorf("must be a duration such as 100ms, not %q", text)
	}
	*into = caddy.Duration(span)
	return nil
}

// parsePolicy is fetch.ParsePolicy with a default.
func parsePolicy(name string) (fetch.Policy, error) {
	if name == "" {
		return fetch.Any, nil
	}
	return fetch.ParsePolicy(name)
}
