package main

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/dgate-io/caddy-dgate/internal/js/host"
	"github.com/dgate-io/caddy-dgate/internal/js/host/fetch"
	"github.com/dgate-io/caddy-dgate/types"
)

var (
	moduleLine = regexp.MustCompile(`^declare module "(.*)" \{`)
	exportLine = regexp.MustCompile(`^\s+export (?:async )?(?:function|const|let|class) (\w+)`)
)

// TestNothingIsInvented finds exports that are declared and do not exist. The TypeScript compiler
// finds the others, with tools/types/surface.ts.
func TestNothingIsInvented(t *testing.T) {
	client := fetch.New(fetch.Options{})
	t.Cleanup(client.Close)
	exports := map[string][]string{}
	for _, m := range host.Modules(host.Deps{Fetch: client}) {
		exports[m.Name] = []string{}
		for _, e := range m.Exports {
			exports[m.Name] = append(exports[m.Name], e.Name)
		}
	}
	module, found := "", 0
	for line := range strings.Lines(types.Declarations) {
		if m := moduleLine.FindStringSubmatch(line); m != nil {
			module = strings.TrimPrefix(m[1], "node:") // which the bundler ignores
			if exports[module] == nil {
				t.Errorf("module %q is declared and does not exist", module)
			}
		}
		if m := exportLine.FindStringSubmatch(line); m != nil {
			found++
			if !slices.Contains(exports[module], m[1]) {
				t.Errorf("%s of %q is declared and does not exist", m[1], module)
			}
		}
	}
	if found == 0 {
		t.Error("no declaration was found: has the form of types.d.ts changed?")
	}
}
