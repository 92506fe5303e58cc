package certstore

import (
	"fmt"
	"testing"

	"github.com/dgate-io/caddy-dgate/internal/state"
)

// The issuers are listed at every handshake that may need a new certificate, so that must not cost more
// when there are many certificates.
func TestListIsShallow(t *testing.T) { //nolint:paralleltest // it counts allocations
	s, node := open(t)
	var ops []state.Op
	for _, issuer := range []string{"a", "a-b", "b"} {
		for i := range 1500 {
			key := fmt.Sprintf("certificates/%s/n%d.test/n%d.test.crt", issuer, i, i)
			ops = append(ops, state.Op{Key: fileKey(key), Data: []byte(`{}`)})
		}
	}
	if _, err := node.Propose(t.Context(), ops...); err != nil {
		t.Fatal(err)
	}
	var got []string
	allocations := testing.AllocsPerRun(3, func() { got, _ = s.List(t.Context(), "certificates", false) })
	if want := "[certificates/a certificates/a-b certificates/b]"; fmt.Sprint(got) != want {
		t.Errorf("there are %v, want %s", got, want)
	}
	if allocations > 300 {
		t.Errorf("a list of 3 issuers allocates %.0f times", allocations)
	}
}
