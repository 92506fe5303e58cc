package tests

import (
	"encoding/json"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/dgate-io/caddy-dgate"

// layers has the packages of this module from the bottom to the top. A package imports only from
// layers below its own, and from packages that share its line: those of one directory tree.
var layers = [][]string{
	{"internal/resource", "types"},
	{"internal/hosts", "internal/js", "internal/manifest", "internal/state"},
	{"internal/js/host", "internal/change", "internal/domaintls", "internal/keyring"},
	{"internal/hook", "internal/adminclient", "internal/moduledata"},
	{"internal/gateway", "internal/cli"},
	{"handlers", "adminext", "raftstorage"},
	{"caddymodule"},
	{""}, // the import path of the plugin
	{"cmd", "examples", "internal/benchtest", "internal/gen", "tests", "adminext/admintest"}, // nobody imports these, but tests
}

// forbidden says what packages must not be linked with, whoever in between imports it. Every name
// stands for itself and all below it.
var forbidden = []struct {
	who    string
	names  []string
	except []string
}{
	{
		who:   "internal",
		names: []string{"github.com/caddyserver"},
	},
	{
		// The interfaces that a certificate storage implements, and what they need.
		who:    "raftstorage",
		names:  []string{"github.com/caddyserver", "github.com/dop251/goja"},
		except: []string{"github.com/caddyserver/certmagic", "github.com/caddyserver/zerossl"},
	},
	{
		who:   "cmd/dgate-cli",
		names: []string{"github.com/caddyserver", "github.com/dop251/goja", "github.com/hashicorp/raft", "github.com/hashicorp/raft-boltdb", "github.com/evanw/esbuild"},
	},
	{
		who:   "internal/resource",
		names: []string{"go.uber.org/zap", "github.com/dop251/goja", "github.com/hashicorp/raft", "go.etcd.io/bbolt"},
	},
	{
		who:   "internal/state",
		names: []string{"github.com/hashicorp/raft", "github.com/dop251/goja"},
	},
	{
		who:   "internal/js",
		names: []string{"github.com/hashicorp/raft", "go.etcd.io/bbolt"},
	},
}

// pkg is what `go list` says of a package.
type pkg struct {
	ImportPath string
	Imports    []string
	Deps       []string
}

// TestLayers holds the direction of imports that the design wants.
func TestLayers(t *testing.T) {
	t.Parallel()
	for _, p := range list(t) {
		name := relative(p.ImportPath)
		layer, tree := layerOf(name)
		if layer < 0 {
			t.Errorf("%s is in no layer: give it one in layers_test.go", p.ImportPath)
			continue
		}
		for _, imported := range p.Imports {
			if !ours(imported) {
				continue
			}
			if l, other := layerOf(relative(imported)); l > layer || l == layer && other != tree {
				t.Errorf("%s imports %s, which is not below it", p.ImportPath, imported)
			}
		}
		for _, rule := range forbidden {
			if !below(name, rule.who) {
				continue
			}
			for _, dep := range p.Deps {
				if belowAny(dep, rule.names) && !belowAny(dep, rule.except) {
					t.Errorf("%s is linked with %s", p.ImportPath, dep)
				}
			}
		}
	}
}

// list returns the packages of this module.
func list(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-e", "-json=ImportPath,Imports,Deps", "./...")
	cmd.Dir = ".." // the root of the module
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var pkgs []pkg
	for dec := json.NewDecoder(strings.NewReader(string(out))); dec.More(); {
		var p pkg
		if err := dec.Decode(&p); err != nil {
			t.Fatal(err)
		}
		pkgs = append(pkgs, p)
	}
	if len(pkgs) < 2 {
		t.Fatalf("go list found only %v", pkgs)
	}
	return pkgs
}

// layerOf returns the layer of a package, and the directory tree that gives it the layer: the
// longest that the package is in. The layer is -1 if there is none.
func layerOf(name string) (layer int, tree string) {
	layer = -1
	for i, trees := range layers {
		for _, t := range trees {
			if below(name, t) && (layer < 0 || len(t) > len(tree)) {
				layer, tree = i, t
			}
		}
	}
	return layer, tree
}

// below tells whether a package is dir or in it. Nothing else is below "", the root of a module.
func below(name, dir string) bool {
	return name == dir || dir != "" && strings.HasPrefix(name, dir+"/")
}

func belowAny(name string, dirs []string) bool {
	return slices.ContainsFunc(dirs, func(dir string) bool { return below(name, dir) })
}

func ours(path string) bool { return below(path, module) }

func relative(path string) string {
	return strings.TrimPrefix(strings.TrimPrefix(path, module), "/")
}
