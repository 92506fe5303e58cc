// Package harness runs real Caddy processes, and real upstreams for them, for end-to-end tests.
//
// The processes are the test binary itself, executed again under the name of the command, so that
// a test needs no build step and the race detector looks into them too. A package that uses the
// harness starts with
//
//	func TestMain(m *testing.M) { harness.Main(m) }
//
// and then has
//
//   - [Caddy], a process with ports, home and data directory of its own, that can be stopped,
//     killed, reloaded, and started again on what it left behind;
//   - [Upstream], an HTTP server that answers with what it was asked;
//   - [Params], the commands of the scripts in tests/testdata/script.
//
// Nothing here sleeps or uses a fixed port: waiting means to be told, or to look again until
// [Patience] is over. The harness knows DGate only as its users do.
package harness

import (
	"context"
	"maps"
	"os"
	"testing"
	"time"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	_ "github.com/caddyserver/caddy/v2/modules/standard" // what every Caddy has
	"github.com/rogpeppe/go-internal/testscript"

	_ "github.com/dgate-io/caddy-dgate" // what is tested
	"github.com/dgate-io/caddy-dgate/internal/cli"
)

// Patience is how long the harness waits for anything that should happen soon. It is long because
// a machine that runs tests is slow, with the race detector even more so; nothing waits for all of
// it unless it is going to fail.
const Patience = 60 * time.Second

// Main runs the tests of a package. The commands "caddy" and "dgate-cli" are on their PATH.
func Main(m *testing.M) { MainWith(m, nil) }

// MainWith is Main with more commands.
func MainWith(m *testing.M, more map[string]func()) {
	commands := maps.Clone(more)
	if commands == nil {
		commands = map[string]func(){}
	}
	commands["caddy"] = caddycmd.Main
	commands["dgate-cli"] = func() {
		os.Exit(cli.Run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	}
	testscript.Main(m, commands)
}

// patient is the context for one step of a test.
func patient() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), Patience)
}
