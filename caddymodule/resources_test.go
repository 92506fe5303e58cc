package caddymodule

import (
	"os"
	"path/filepath"
	"testing"
)

// TestDigestOfExpanded: an edit of a file that is named with a placeholder is seen, where the
// placeholder can be expanded.
func TestDigestOfExpanded(t *testing.T) {
	dir := t.TempDir()
	patterns := []string{"{env.DGATE_TEST_DIR}/*.yaml"}
	write := func(text string) string {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, "a.yaml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return digestResources(patterns)
	}
	if got := write("namespaces: [{name: a}]\n"); got != "" {
		t.Errorf("digest %s without the variable", got)
	}
	t.Setenv("DGATE_TEST_DIR", dir)
	a, b := write("namespaces: [{name: a}]\n"), write("namespaces: [{name: b}]\n")
	if a == "" || a == b {
		t.Errorf("digests %q and %q", a, b)
	}
}
