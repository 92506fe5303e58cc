package cluster

import (
	"flag"
	"os"
	"slices"
	"strconv"
	"testing"

	"github.com/dgate-io/caddy-dgate/tests/harness"
)

func TestMain(m *testing.M) {
	// As many tests beside each other as there are cores would leave these idle: see [rounds]. The
	// command line wins.
	_ = flag.Set("test.parallel", "4")
	harness.MainWith(m, map[string]func(){"lock-node": lockNode})
}

// form is how much time the tests are to take: "long" for hours, "short" for few rounds of each as CI
// does it, and else only those of [basic], so that all tests of the repository stay quick.
var form = os.Getenv("DGATE_FAULTS")

var long = form == "long"

// basic are the tests that always run.
var basic = []string{"TestKillSingle", "TestKillLeader", "TestKillAll", "TestStopLeader", "TestCannotJoin"}

// rounds is how often something is done: few times with all other tests, many in the long form, where
// DGATE_ROUNDS can say another number. In the short form tests run beside each other: most of what
// they do is to wait.
func rounds(t *testing.T, few, many int) int {
	t.Helper()
	if long {
		if n, err := strconv.Atoi(os.Getenv("DGATE_ROUNDS")); err == nil {
			return n
		}
		return many
	}
	if testing.Short() || form == "" && !slices.Contains(basic, t.Name()) {
		t.Skip("takes seconds: DGATE_FAULTS=short go test ./tests/cluster")
	}
	t.Parallel()
	return few
}

// onlyLong skips a test that has no short form.
func onlyLong(t *testing.T) {
	t.Helper()
	if !long {
		t.Skip("only in the long form: bash .ci/faults " + t.Name())
	}
}
