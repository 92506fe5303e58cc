package cli

import (
	"io"

	"github.com/spf13/cobra"

	"github.com/dgate-io/caddy-dgate/types"
)

// typesCommand prints the declarations for authors of modules. It needs no server.
func (s *session) typesCommand() *cobra.Command {
	return &cobra.Command{
		Use: "types", Short: "Print TypeScript declarations of what modules can use", GroupID: groupNode,
		Long: "Print TypeScript declarations of what modules can use, for editors and compilers:\n\n" +
			"  dgate-cli types > dgate.d.ts\n\nIts first lines have a tsconfig.json that goes with it.",
		Args: cobra.NoArgs, ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(*cobra.Command, []string) error {
			_, err := io.WriteString(s.stdout, types.Declarations)
			return err
		},
	}
}
