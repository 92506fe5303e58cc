package cluster

import (
	"os"
	"testing"

	"github.com/dgate-io/caddy-dgate/tests/harness"
)

func TestMain(m *testing.M) { harness.MainWith(m, map[string]func(){"lock-node": lockNode}) }

// long tells whether the tests are to take their time.
var long = os.Getenv("DGATE_FAULTS") == "long"

// rounds is how often something is done: few times with all other tests, many in the long form.
func rounds(t *testing.T, few, many int) int {
	t.Helper()
	if long {
		return many
	}
	if os.Getenv("DGATE_FAULTS") == "" {
		t.Skip("until the cluster stands: DGATE_FAULTS=short")
	}
	if testing.Short() {
		t.Skip("takes seconds")
	}
	return few
}

// onlyLong skips a test that has no short form.
func onlyLong(t *testing.T) {
	t.Helper()
	if !long {
		t.Skip("only in the long form: bash .ci/faults " + t.Name())
	}
}
