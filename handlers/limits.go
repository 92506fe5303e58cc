package handlers

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/dustin/go-humanize"

	"github.com/dgate-io/caddy-dgate/internal/js"
)

// Limits bound what modules may use.
type Limits struct {
	// How long a script may compute without waiting for anything. Parsing JSON, hashing,
	// ciphers and TextDecoder do not count where they go through 32 KiB or more.
	// Default: 100ms.
	CPU caddy.Duration `json:"cpu,omitempty"`

	// How long one hook may take, waiting included. Default: 30s.
	Timeout caddy.Duration `json:"timeout,omitempty"`

	// By how much the memory of the process may grow while scripts run, in bytes. Default: 256 MiB.
	Heap uint64 `json:"heap,omitempty"`

	// How many virtual machines the modules of one route or handler may use at a time; the process
	// as a whole may use four times as many. Default: 1024.
	VMs int `json:"vms,omitempty"`

	// How much of a body a script may read, in bytes. Default: 10 MiB.
	Body int64 `json:"body,omitempty"`
}

// Check reports every limit that makes no sense.
func (l *Limits) Check() error {
	if l == nil {
		return nil
	}
	var errs []error
	for _, limit := range [...]struct {
		name     string
		negative bool
	}{{"cpu", l.CPU < 0}, {"timeout", l.Timeout < 0}, {"vms", l.VMs < 0}, {"body", l.Body < 0}} {
		if limit.negative {
			errs = append(errs, fmt.Errorf("limits: %s must not be negative", limit.name))
		}
	}
	return errors.Join(errs...)
}

// Over are the limits as the engine has them. One that is not set is taken from base.
func (l *Limits) Over(base js.Limits) js.Limits {
	if l != nil {
		base.CPU = cmp.Or(time.Duration(l.CPU), base.CPU)
		base.Timeout = cmp.Or(time.Duration(l.Timeout), base.Timeout)
		base.Heap = cmp.Or(l.Heap, base.Heap)
		base.VMs = cmp.Or(l.VMs, base.VMs)
		base.Body = cmp.Or(l.Body, base.Body)
	}
	return base
}

// Set reads one limit as a Caddyfile has it. It tells whether there is one of that name.
func (l *Limits) Set(name, value string) (known bool, err error) {
	switch name {
	case "cpu":
		l.CPU, err = parseDuration(value)
	case "timeout":
		l.Timeout, err = parseDuration(value)
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
	default:
		return false, nil
	}
	return true, err
}

// EachLimit reads the block of an option limits and hands each one in it to set, which tells
// whether it knows the name. names lists those that it knows.
func EachLimit(d *caddyfile.Dispenser, set func(name, value string) (known bool, err error), names string) error {
	var once Once
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		if err := once.Check(d); err != nil {
			return err
		}
		name := d.Val()
		var value string
		if !d.AllArgs(&value) {
			return d.ArgErr()
		}
		known, err := set(name, value)
		switch {
		case !known:
			return d.Errf("unrecognized limit %q; there are %s", name, names)
		case err != nil:
			return d.Errf("limits: %s: %v", name, err)
		}
	}
	return nil
}

// parseSize reads a size such as 256MiB.
func parseSize(text string) (uint64, error) {
	n, err := humanize.ParseBytes(text)
	if err != nil || n == 0 || n > 1<<50 {
		return 0, fmt.Errorf("must be a size such as 256MiB, not %q", text)
	}
	return n, nil
}

// parseDuration reads a duration such as 100ms.
func parseDuration(text string) (caddy.Duration, error) {
	span, err := caddy.ParseDuration(text)
	if err != nil || span <= 0 {
		return 0, fmt.Errorf("must be a duration such as 100ms, not %q", text)
	}
	return caddy.Duration(span), nil
}
