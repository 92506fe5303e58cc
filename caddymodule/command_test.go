package caddymodule

import (
	"bytes"
	"testing"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"
)

// TestCommandCompletion: the shell completes the commands below caddy dgate like those of dgate-cli.
func TestCommandCompletion(t *testing.T) {
	tests := map[string]struct {
		args []string
		want string
	}{
		"nouns":                  {[]string{"dgate", "rou"}, "route\n:4\n"},
		"verbs":                  {[]string{"dgate", "rt", "cre"}, "create\n:4\n"},
		"keys":                   {[]string{"dgate", "rt", "get", ""}, "name=\nnamespace=\n:6\n"},
		"keys after a flag":      {[]string{"dgate", "-n", "a", "ns", "create", "na"}, "name=\ntags=\n:6\n"},
		"files":                  {[]string{"dgate", "mod", "mk", "payload@="}, ":0\n"},
		"no script for programs": {[]string{"dgate", "complet"}, ":4\n"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			caddy := &cobra.Command{Use: "caddy"}
			dgate := &cobra.Command{Use: "dgate"}
			caddycmd.Commands()["dgate"].CobraFunc(dgate)
			caddy.AddCommand(dgate)
			var out bytes.Buffer
			caddy.SetOut(&out)
			caddy.SetArgs(append([]string{cobra.ShellCompNoDescRequestCmd}, tt.args...))
			if err := caddy.ExecuteContext(t.Context()); err != nil || out.String() != tt.want {
				t.Errorf("%q, %v; want %q", out.String(), err, tt.want)
			}
		})
	}
}
