package main

import (
	"os/exec"
	"strings"
	"testing"
)

// TestDependencies: the program is small because it links none of these.
func TestDependencies(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", ".").Output()
	if err != nil {
		t.Skip("go list does not work here:", err)
	}
	for pkg := range strings.FieldsSeq(string(out)) {
		for _, heavy := range []string{"github.com/caddyserver/", "github.com/dop251/goja", "github.com/hashicorp/", "go.etcd.io/", "github.com/evanw/"} {
			if strings.HasPrefix(pkg, heavy) {
				t.Errorf("dgate-cli links %s", pkg)
			}
		}
	}
}
