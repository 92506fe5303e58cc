package cli

import (
	"net/http"

	"github.com/spf13/cobra"
)

// nodeCommands are about the server, not about resources.
func (s *session) nodeCommands() []*cobra.Command {
	status := s.statusCommand()
	changelog := s.nodeCommand("changelog", "Show how many changes there were, and a hash that is equal on all nodes", http.MethodGet, "changelog")
	status.GroupID, changelog.GroupID = groupNode, groupNode
	return []*cobra.Command{status, s.clusterCommand(), changelog, s.typesCommand()}
}

// nodeCommand prints the answer to a request without a body.
func (s *session) nodeCommand(use, short, method string, path ...string) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Args: cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := s.checkOutput(nil); err != nil {
				return err
			}
			client, err := s.client(cmd.Flags().Changed)
			if err != nil {
				return err
			}
			defer client.Close()
			data, err := client.Data(cmd.Context(), method, path, nil)
			if err != nil {
				return err
			}
			if err := s.print(nil, data); err != nil {
				return err
			}
			return s.end()
		},
	}
}
