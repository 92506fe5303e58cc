package tests

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/dgate-io/caddy-dgate/tests/harness"
)

// certificateNode is one of several Caddys with the same certificates. What differs is in the
// environment.
const certificateNode = `{
	admin {$ADMIN_ADDR}
	default_bind 127.0.0.1
	http_port {$HTTP_PORT}
	https_port {$HTTPS_PORT}
	skip_install_trust
	grace_period 5s
	storage dgate
	dgate {
		cluster {
			secret "the secret of these tests"
			listen {$RAFT_ADDR}
			join {$MEMBERS}
			expect 3
		}
	}
}

https://internal.test:{$HTTPS_PORT} {
	tls internal
	respond "ok"
}
`

// certificateNodes starts three new Caddys at the same time, which form a cluster.
func certificateNodes(t *testing.T) []*harness.Caddy {
	t.Helper()
	nodes := make([]*harness.Caddy, 3)
	var members []string
	for i := range nodes {
		nodes[i] = harness.New(t, certificateNode)
		members = append(members, nodes[i].Raft)
	}
	var wg sync.WaitGroup
	for i, c := range nodes {
		c.Setenv("MEMBERS", strings.Join(members, " "))
		wg.Go(func() {
			if err := c.Start(); err != nil {
				t.Errorf("node %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	if t.Failed() {
		t.FailNow()
	}
	return nodes
}

// TestClusterHasOneAuthority starts three nodes at once, each of which would make a certificate
// authority of its own, and takes away one after the other.
func TestClusterHasOneAuthority(t *testing.T) {
	t.Parallel()
	nodes := certificateNodes(t)
	root := authority(t, nodes[0])
	leaf := handshake(t, nodes[0], "internal.test", root)
	for i, c := range nodes[1:] {
		if other := authority(t, c); !other.Equal(root) {
			t.Errorf("node %d has another authority", i+1)
		}
		if other := handshake(t, c, "internal.test", root); !other.Equal(leaf) {
			t.Errorf("node %d has another certificate", i+1)
		}
	}
	for _, c := range nodes[1:] {
		if err := c.Kill(); err != nil {
			t.Fatal(err)
		}
	}
	// One node alone has no quorum: it goes on, also when it is started again.
	if err := nodes[0].Restart(); err != nil {
		t.Fatal(err)
	}
	if again := handshake(t, nodes[0], "internal.test", root); !again.Equal(leaf) {
		t.Error("without the others there is another certificate")
	}
	beside(t, nodes[0], root, "validate", "export")
	for i, c := range nodes[1:] {
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		if other := authority(t, c); !other.Equal(root) {
			t.Errorf("node %d has another authority", i+1)
		}
	}
	beside(t, nodes[1], root, "validate", "export", "import")
	if err := harness.Await(func() error {
		got, err := harness.Get(nodes[2].Admin + "/dgate/cluster/status")
		if err == nil && !strings.Contains(got.Body, `"leader"`) {
			err = fmt.Errorf("%s", got.Body)
		}
		return err
	}); err != nil {
		t.Error(err)
	}
}
