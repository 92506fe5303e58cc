package performance_test

import (
	"testing"

	"github.com/dgate-io/caddy-dgate/internal/js"
	"github.com/dgate-io/caddy-dgate/internal/js/host/hosttest"
	"github.com/dgate-io/caddy-dgate/internal/js/host/performance"
)

func TestPerformance(t *testing.T) {
	host := hosttest.Host{Globals: []js.Global{performance.Global()}}
	host.Run(t, map[string]hosttest.Case{
		"now":        {Code: `const a = performance.now(); await new Promise(r => setTimeout(r, 5)); const d = performance.now() - a; return [a >= 0, d >= 5, d < 5000]`, Want: `[true,true,true]`},
		"timeOrigin": {Code: `const d = Date.now() - (performance.timeOrigin + performance.now()); return [d > -50, d < 5000, Object.keys(performance)]`, Want: `[true,true,["now","timeOrigin"]]`},
	})
}
