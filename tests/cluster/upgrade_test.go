package cluster

import (
	"fmt"
	"os"
	"testing"
)

// Test 28: the nodes of a cluster are upgraded one after the other while clients write, and then
// downgraded again. None of them stops applying changes. The environment variable DGATE_OLD_CADDY
// names the older Caddy.
func TestMixedVersions(t *testing.T) {
	old := os.Getenv("DGATE_OLD_CADDY")
	if old == "" {
		t.Skip("DGATE_OLD_CADDY names no Caddy with an older version of DGate")
	}
	count := rounds(t, 1, 3)
	c := newCluster(t, 3)
	for _, n := range c.nodes {
		n.Program = old
	}
	c.start()
	c.collect(collection)
	w := startWorkload(t, c.nodes, 6)
	for range count {
		for _, program := range []string{"", old} {
			for _, n := range c.nodes {
				w.more(20)
				c.must(n.Stop())
				n.Program = program
				c.must(n.start())
				c.complete(3)
			}
			w.more(20)
			c.must(each(c.nodes, func(n *node) error {
				s, err := n.status()
				if err == nil && s.Halted != "" {
					err = fmt.Errorf("%s applies no changes any more: %s", n.name, s.Halted)
				}
				return err
			}))
		}
	}
	c.settle(w)
}
