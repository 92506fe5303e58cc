package caddymodule

import (
	"os"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/dgate-io/caddy-dgate/internal/cli"
)

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name:  "dgate",
		Usage: "[--admin <address>] <command> [<args...>]",
		Short: "Manages the resources of a running DGate gateway",
		Long:  "The commands are those of dgate-cli; run caddy dgate without arguments to see them.",
		CobraFunc: func(cmd *cobra.Command) {
			program := cli.Program{Name: "caddy dgate"}
			cmd.DisableFlagParsing = true // the command line of dgate-cli has its own
			cmd.ValidArgsFunction = func(cmd *cobra.Command, args []string, word string) ([]cobra.Completion, cobra.ShellCompDirective) {
				return program.Complete(cmd.Context(), args, word)
			}
			cmd.Run = func(cmd *cobra.Command, args []string) {
				if code := program.Run(cmd.Context(), args, os.Stdin, os.Stdout, os.Stderr); code != 0 {
					os.Exit(code) //nolint:forbidigo // this is the main of the command, and has exit codes of its own
				}
			}
		},
	})
}
