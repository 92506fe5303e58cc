// Command dgate-cli manages the resources of a DGate gateway. It does no more than to call package cli.
package main

import (
	"context"
	"os"
	"os/signal"

	"github.com/dgate-io/caddy-dgate/internal/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	code := cli.Run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
