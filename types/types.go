// Package types has the TypeScript declarations for authors of modules. `dgate-cli types` prints them.
package types

import _ "embed"

//go:generate sh -c "cd .. && go run ./internal/gen"

// Declarations is the file dgate.d.ts, whole.
//
//go:embed dgate.d.ts
var Declarations string
