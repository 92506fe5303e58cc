package tests

import (
	"context"
	"net/http"
	"os/exec"
	"strings"
	"testing"

	"github.com/dgate-io/caddy-dgate/internal/adminclient/original/originaltest"
	"github.com/dgate-io/caddy-dgate/tests/harness"
)

// TestImport takes over an original DGate, after which the gateway routes as that one did: by
// host, with stripped paths, and with the first module in the alphabet as the entry. A module that
// does not compile is left out.
func TestImport(t *testing.T) {
	up := harness.NewUpstream(t, "up", harness.HTTP)
	from := originaltest.Start(t)
	shop := from.Resources["shop"]
	for _, service := range shop["service"] {
		service["urls"] = []string{up.URL}
	}
	shop["module"] = []originaltest.Resource{
		{"name": "a-entry", "payload": []byte(`import { name } from "./lib"; export const requestModifier = (ctx) => ctx.request().headers.set("X-Entry", name);`)},
		{"name": "broken", "payload": []byte("export const = 1;")},
		{"name": "lib", "payload": []byte(`exports.name = "a-entry"`)},
	}
	for _, route := range shop["route"] {
		if route["name"] == "users" {
			route["modules"] = []string{"lib", "a-entry"}
		}
	}
	g := startGateway(t, caddyfile)
	ctx, cancel := context.WithTimeout(t.Context(), harness.Patience)
	defer cancel()
	out, err := g.Command(ctx, "dgate-cli", "import", "--from", from.URL()).CombinedOutput()
	if exit, ok := err.(*exec.ExitError); !ok || exit.ExitCode() != 2 { //nolint:errorlint // it is never wrapped
		t.Fatalf("%v\n%s", err, out)
	}
	if !strings.Contains(string(out), "  module shop/broken: payload: broken.ts:1:14:") {
		t.Errorf("the module that does not compile:\n%s", out)
	}
	echo := g.echo(harness.Request{URL: "/users/7", Header: http.Header{"Host": {"shop.example.com"}}})
	if echo.Path != "/7" || echo.Headers["X-Entry"] != "a-entry" {
		t.Errorf("%+v", echo)
	}
	if answer := g.do(harness.Request{URL: "/users/7", Header: http.Header{"Host": {"elsewhere.example.com"}}}); answer.Status != http.StatusNotFound {
		t.Errorf("another host: %d", answer.Status)
	}
}
