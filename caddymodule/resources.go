package caddymodule

import (
	"fmt"
	"os"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/dgate-io/caddy-dgate/internal/manifest"
)

// readResources reads the resource files. Wildcards that no file has are only warned about, since
// an empty directory may be meant.
func (a *App) readResources() (manifest.Resources, error) {
	patterns, err := expand("resources", a.Resources)
	if err != nil {
		return nil, err
	}
	files, err := manifest.Reader{Env: os.LookupEnv}.Read(patterns) //nolint:forbidigo // secrets may refer to it
	if err != nil {
		return nil, fmt.Errorf("resources: %w", err)
	}
	for _, pattern := range files.Unmatched {
		a.logger.Warn("no resource file matches", zap.String("pattern", pattern))
	}
	return files.Resources, nil
}

// digestResources is what resources_digest is for patterns, with the placeholders that this process
// can expand. It is empty if it cannot expand them all.
func digestResources(patterns []string) string {
	patterns, err := expand("resources", patterns)
	if err != nil {
		return ""
	}
	return manifest.Digest(patterns)
}

// expand replaces placeholders in the values of an option. The error names the option and the first
// placeholder that is unknown or expands to nothing.
func expand(option string, values []string) ([]string, error) {
	repl := caddy.NewReplacer()
	expanded := make([]string, len(values))
	for i, value := range values {
		var err error
		if expanded[i], err = repl.ReplaceOrErr(value, true, true); err != nil {
			return nil, fmt.Errorf("%s: %w", option, err)
		}
	}
	return expanded, nil
}
