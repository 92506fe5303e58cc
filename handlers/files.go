package handlers

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// ScriptModule is one module of a script: what a file had in it when the Caddyfile was adapted.
type ScriptModule struct {
	// What other modules import it by, and errors show: the path of the file, relative to the
	// folder of the first one.
	Name string `json:"name"`

	// `typescript` or `javascript`. Default: `typescript`.
	Type string `json:"type,omitempty"`

	// The source code.
	Source string `json:"source"`
}

// types are the languages of files, by extension.
var types = map[string]string{
	".ts": resource.TypeScript, ".mts": resource.TypeScript, ".cts": resource.TypeScript,
	".js": resource.JavaScript, ".mjs": resource.JavaScript, ".cjs": resource.JavaScript,
}

// script tells whether a file has the extension of one.
func script(file string) bool { return types[strings.ToLower(filepath.Ext(file))] != "" }

// readScript reads the files of a script, of which the first is the entry.
func readScript(files []string) ([]ScriptModule, error) {
	modules := make([]ScriptModule, len(files))
	for i, file := range files {
		if !script(file) {
			return nil, fmt.Errorf("%s is not a script: its name must end in .ts, .mts, .cts, .js, .mjs or .cjs", file)
		}
		source, err := readSource(file)
		if err != nil {
			return nil, err
		}
		name, err := filepath.Rel(filepath.Dir(files[0]), file)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		modules[i] = ScriptModule{Name: filepath.ToSlash(name), Type: types[strings.ToLower(filepath.Ext(file))], Source: source}
	}
	return modules, nil
}

// readSource reads a file that is not larger than a module may be. It may be the wrong file.
func readSource(file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer f.Close() //nolint:errcheck // it was read
	data, err := io.ReadAll(io.LimitReader(f, resource.MaxModuleSize+1))
	switch {
	case err != nil:
		return "", err
	case len(data) > resource.MaxModuleSize:
		return "", fmt.Errorf("%s: must not be larger than %d bytes", file, resource.MaxModuleSize)
	case !utf8.Valid(data):
		return "", fmt.Errorf("%s: is not text in UTF-8", file)
	}
	return string(data), nil
}

// resources are modules as the gateway has them.
func resources(modules []ScriptModule) ([]*resource.Module, error) {
	out := make([]*resource.Module, len(modules))
	seen := map[string]bool{}
	for i, m := range modules {
		switch {
		case m.Name == "":
			return nil, fmt.Errorf("modules[%d]: has no name", i)
		case seen[m.Name]:
			return nil, fmt.Errorf("module %s is there twice", m.Name)
		}
		seen[m.Name] = true
		switch m.Type = cmp.Or(m.Type, resource.TypeScript); m.Type {
		case resource.TypeScript, resource.JavaScript:
		default:
			return nil, fmt.Errorf("module %s: type must be typescript or javascript, not %q", m.Name, m.Type)
		}
		out[i] = &resource.Module{Name: m.Name, Type: m.Type, Payload: []byte(m.Source)}
	}
	return out, nil
}

// Beside makes a path that is relative to the Caddyfile absolute. One that begins with a
// placeholder is left as it is.
func Beside(d *caddyfile.Dispenser, path string) string {
	if filepath.IsAbs(path) || len(path) > 0 && path[0] == '{' {
		return path
	}
	abs, err := filepath.Abs(filepath.Join(filepath.Dir(d.File()), path))
	if err != nil {
		return path
	}
	return abs
}
