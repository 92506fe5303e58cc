package host_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/dgate-io/caddy-dgate/internal/js/host"
	"github.com/dgate-io/caddy-dgate/internal/js/host/fetch"
	"github.com/dgate-io/caddy-dgate/internal/js/host/hosttest"
)

// TestModules imports each module in every way there is: the exports are the same.
func TestModules(t *testing.T) {
	client := fetch.New(fetch.Options{})
	t.Cleanup(client.Close)
	deps := host.Deps{Fetch: client}
	modules := host.Modules(deps)
	for _, m := range modules {
		h := hosttest.Host{
			Modules: modules, Globals: host.Globals(deps),
			Prelude: fmt.Sprintf(`import whole from %q; import * as all from %q; import dgate from "dgate";`, m.Name, m.Name),
		}
		name, ours := strings.CutPrefix(m.Name, "dgate/")
		cases := map[string]hosttest.Case{
			"imported and required": {
				Code: fmt.Sprintf(`const names = Object.keys(whole), same = (m) => names.every((n) => m[n] === whole[n]); return [names.length, same(all), same(require(%q))]`, m.Name),
				Want: fmt.Sprintf(`[%d,true,true]`, len(m.Exports)),
			},
		}
		if ours {
			cases["on dgate"] = hosttest.Case{Code: fmt.Sprintf(`return Object.keys(dgate[%q]).join() === Object.keys(whole).join()`, name), Want: `true`}
		}
		t.Run(m.Name, func(t *testing.T) { h.Run(t, cases) })
	}
}
