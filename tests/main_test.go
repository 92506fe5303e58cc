package tests

import (
	"flag"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/dgate-io/caddy-dgate/tests/harness"
)

var (
	update = flag.Bool("update", false, "rewrite what the scripts compare with")
	long   = flag.Bool("long", false, "TestACME with 100 domains, TestHTTPSManyCertificates with 1,000")
)

func TestMain(m *testing.M) { harness.Main(m) }

// TestScripts runs the stories in testdata/script, each with processes of its own.
func TestScripts(t *testing.T) {
	testscript.Run(t, harness.Params("testdata/script", *update))
}
