package caddymodule

import _ "github.com/dgate-io/caddy-dgate/handlers" // registers http.handlers.dgate
