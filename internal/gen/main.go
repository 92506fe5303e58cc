// Command gen writes what is generated of the program itself. Run `go generate ./types` after a
// change of the resource kinds, the hooks, what host modules export, or the configuration:
//
//   - types/dgate.d.ts, the TypeScript declarations for authors of modules: the kinds from the
//     registry, the hooks from their table, and the file types.d.ts of each package whose objects
//     scripts see
//   - tools/types/surface.ts, which uses everything that scripts can import, so that the TypeScript
//     compiler finds what has no declaration
//   - docs/reference/resources.md, the kinds and their fields, from the registry
//   - docs/reference/config.md, the JSON configuration, from the comments of its structs
//
// It must be run at the root of the repository.
package main

import (
	"fmt"
	"os"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

// files are what is generated.
var files = map[string]func() ([]byte, error){
	"types/dgate.d.ts":            declare,
	"tools/types/surface.ts":      surface,
	"docs/reference/resources.md": resources,
	"docs/reference/config.md":    config,
}

func run() error {
	for name, generate := range files {
		text, err := generate()
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if err := os.WriteFile(name, text, 0o644); err != nil { //nolint:gosec // all may read the repository
			return err
		}
	}
	return nil
}
