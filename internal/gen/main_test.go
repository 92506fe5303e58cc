package main

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/dgate-io/caddy-dgate/internal/js/host"
	"github.com/dgate-io/caddy-dgate/internal/js/host/fetch"
	"github.com/dgate-io/caddy-dgate/internal/resource"
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

// TestEveryFieldIsExplained finds fields of the configuration and of resources that have no comment.
func TestEveryFieldIsExplained(t *testing.T) {
	t.Chdir("../..")
	s, err := loadStructs(configPackages...)
	if err != nil {
		t.Fatal(err)
	}
	if s.modules["dgate"] != "caddymodule.App" {
		t.Errorf("the app is not among the modules: %v", s.modules)
	}
	names := slices.Collect(maps.Values(s.modules))
	for i := 0; i < len(names); i++ {
		for _, f := range s.fields(names[i]) {
			if f.doc == "" {
				t.Errorf("%s: the field %s has no comment", names[i], f.name)
			}
			if f.of != "" && !slices.Contains(names, f.of) {
				names = append(names, f.of)
			}
		}
	}
	for _, kind := range resource.All {
		for _, f := range kind.Fields {
			if f.Help == "" {
				t.Errorf("%s: the field %s has no help", kind.Name, f.Name)
			}
		}
	}
}
