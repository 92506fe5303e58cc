package js

import (
	"testing"
	"time"
)

// TestDeepStructures makes natives recurse as deep as the limits let a script
// build. A Go stack that overflows would end the process.
func TestDeepStructures(t *testing.T) {
	if testing.Short() || underRace { // nothing in it runs side by side
		t.Skip("slow")
	}
	tests := map[string]string{
		"proxies":         `let p = {}; for (let i = 0; i < n; i++) p = new Proxy(p, h); p.x; "x" in p`,
		"prototypes":      `let p = {}; for (let i = 0; i < n; i++) p = Object.create(p); p.x`,
		"bound functions": `let p = () => {}; for (let i = 0; i < n; i++) p = p.bind(); p()`,
		"stringify":       `let p = {}; for (let i = 0; i < n; i++) p = { p }; JSON.stringify(p)`,
		"stringify array": `let p = []; for (let i = 0; i < n; i++) p = [p]; JSON.stringify(p)`,
		"join":            `let p = []; for (let i = 0; i < n; i++) p = [p]; String(p)`,
		"flat":            `let p = []; for (let i = 0; i < n; i++) p = [p]; p.flat(Infinity)`,
		"regexp":          `new RegExp("(".repeat(n) + ")".repeat(n))`,
		"regexp classes":  `new RegExp("(?=".repeat(n) + ")".repeat(n))`,
		"promises":        `let p = new Promise(() => {}); for (let i = 0; i < n; i++) { const q = p; p = Promise.resolve().then(() => q) }`,
		"error cause":     `let p = new Error("x"); for (let i = 0; i < n; i++) p = new Error("x", { cause: p }); throw p`,
		"concatenation":   `let s = "é"; for (let i = 0; i < n; i++) s = s + "x"; s.length`,
		"iterators":       `let it = [1].values(); for (let i = 0; i < 20000; i++) it = it.map(x => x); it.next()`,
	}
	for name, code := range tests {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			res := call(t, newTestEngine(), Limits{CPU: 3 * time.Second}, ts("export function requestHandler() { const n = 1000000, h = {}; "+code+" }"))
			t.Logf("%v after %v", res.err, time.Since(start).Round(time.Millisecond))
		})
	}
}
