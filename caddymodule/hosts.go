package caddymodule

import (
	"errors"
	"fmt"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// parseHosts reads the option allowed_domains. Errors name every pattern that is none, and
// placeholders that expand to nothing.
func parseHosts(texts []string) ([]resource.HostPattern, error) {
	repl := caddy.NewReplacer()
	patterns := make([]resource.HostPattern, len(texts))
	var errs []error
	for i, text := range texts {
		// A regular expression may have braces that are no placeholder.
		text, err := repl.ReplaceOrErr(text, true, false)
		if err == nil {
			patterns[i], err = resource.ParseHostPattern(text)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("allowed_domains: %q %w", texts[i], err))
		}
	}
	return patterns, errors.Join(errs...)
}

// unmarshalDefaultNamespace reads the option default_namespace.
func (a *App) unmarshalDefaultNamespace(d *caddyfile.Dispenser) error {
	var value string
	if !d.AllArgs(&value) {
		return d.ArgErr()
	}
	on := value == "on"
	if !on && value != "off" {
		return d.Errf("default_namespace must be on or off, not %q", value)
	}
	a.UseDefault = &on
	return nil
}
