// Package dgate is the import path of the DGate plugin for Caddy:
//
//	xcaddy build --with github.com/dgate-io/caddy-dgate
//
// It has no code of its own; importing it registers the Caddy modules of package caddymodule
// and of the packages below that.
package dgate

import _ "github.com/dgate-io/caddy-dgate/caddymodule"
