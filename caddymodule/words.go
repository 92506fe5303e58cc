package caddymodule

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"golang.org/x/net/http/httpguts"

	"github.com/dgate-io/caddy-dgate/handlers"
)

// words takes one or more arguments, which check must not refuse.
func words(d *caddyfile.Dispenser, to *[]string, check func([]string) error) error {
	args := d.RemainingArgs()
	if len(args) == 0 {
		return d.ArgErr()
	}
	if err := check(args); err != nil {
		return d.WrapErr(err)
	}
	*to = append(*to, args...)
	return nil
}

// checkTags refuses tags that a list in a header could not have.
func checkTags(tags []string) error {
	var errs []error
	for _, tag := range tags {
		if strings.TrimSpace(tag) == "" || strings.Contains(tag, ",") || !httpguts.ValidHeaderFieldValue(tag) {
			errs = append(errs, fmt.Errorf("tags: %q must be a word without commas and control characters", tag))
		}
	}
	return errors.Join(errs...)
}

// checkEnv refuses what cannot be the name of an environment variable.
func checkEnv(names []string) error {
	var errs []error
	for _, name := range names {
		if name == "" || strings.ContainsAny(name, "={}$ \x00") {
			errs = append(errs, fmt.Errorf("env: %q must be the name of an environment variable, such as STAGE; its value is that of Caddy's environment", name))
		}
	}
	return errors.Join(errs...)
}

// unmarshalGlobalHeaders reads the block of the option global_headers. A name that is there again
// adds a value.
func (a *App) unmarshalGlobalHeaders(d *caddyfile.Dispenser) error {
	if d.NextArg() {
		return d.ArgErr()
	}
	if a.GlobalHeaders == nil {
		a.GlobalHeaders = http.Header{}
	}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		name := d.Val()
		var value string
		if !d.AllArgs(&value) {
			return d.ArgErr()
		}
		if err := handlers.CheckGlobalHeader(name, value); err != nil {
			return d.WrapErr(err)
		}
		a.GlobalHeaders.Add(name, value)
	}
	return nil
}
