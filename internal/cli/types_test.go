package cli

import (
	"strings"
	"testing"

	"github.com/dgate-io/caddy-dgate/types"
)

// TestTypes sees to it that the declarations are printed whole, without a server.
func TestTypes(t *testing.T) {
	var out, errs strings.Builder
	if code := Run(t.Context(), []string{"types", "--admin", "http://127.0.0.1:1"}, nil, &out, &errs); code != 0 || errs.String() != "" {
		t.Fatalf("exit code %d, %s", code, errs.String())
	}
	if out.String() != types.Declarations {
		t.Error("something else than types/dgate.d.ts was printed")
	}
}
