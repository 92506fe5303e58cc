package cli

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"github.com/dgate-io/caddy-dgate/internal/adminclient"
)

// clusterCommand is about the nodes and who is one.
func (s *session) clusterCommand() *cobra.Command {
	cluster := &cobra.Command{
		Use: "cluster", Short: "Show the nodes, add and remove some", GroupID: groupNode, RunE: helpOrNoTopic,
		Long: "Show the nodes of the cluster, and change which there are. Any node can be asked.",
	}
	cluster.AddCommand(
		s.statusCommand(),
		s.membersCommand(),
		s.joinCommand(),
		s.leaveCommand(),
		s.removeCommand(),
		s.transferCommand(),
		s.recoverCommand(),
		s.tokenCommand(),
		s.nodeCommand("snapshot", "Make the node write a snapshot now", http.MethodPost, "cluster", "snapshot"),
		helpCommand(cluster),
	)
	return cluster
}

// clusterCall posts a request about the cluster and prints how the node is afterwards.
func (s *session) clusterCall(cmd *cobra.Command, name string, request any) error {
	if err := s.checkOutput(nil); err != nil {
		return err
	}
	client, err := s.client(cmd.Flags().Changed)
	if err != nil {
		return err
	}
	defer client.Close()
	body, err := json.Marshal(request)
	if err != nil {
		return err
	}
	data, err := client.Post(cmd.Context(), []string{"cluster", name}, body)
	if err != nil {
		return err
	}
	if err := s.printStatus(data); err != nil {
		return err
	}
	return s.end()
}

// ask sends a request without a body, and hands the answer on.
func (s *session) ask(cmd *cobra.Command, show func(json.RawMessage) error, path ...string) error {
	if err := s.checkOutput(nil); err != nil {
		return err
	}
	client, err := s.client(cmd.Flags().Changed)
	if err != nil {
		return err
	}
	defer client.Close()
	data, err := client.Data(cmd.Context(), http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	return show(data)
}

func (s *session) statusCommand() *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "Show how the node that answers is, the others, and what to do next",
		Args: cobra.NoArgs, ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return s.ask(cmd, func(data json.RawMessage) error {
				if err := s.printStatus(data); err != nil {
					return err
				}
				return s.end()
			}, "cluster", "status")
		},
	}
}

func (s *session) membersCommand() *cobra.Command {
	return &cobra.Command{
		Use: "members", Short: "List the nodes", Args: cobra.NoArgs, ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return s.ask(cmd, func(data json.RawMessage) error {
				if err := s.printMembers(data); err != nil {
					return err
				}
				return s.end()
			}, "cluster", "members")
		},
	}
}

func (s *session) joinCommand() *cobra.Command {
	return &cobra.Command{
		Use: "join <address…>", Short: "Make the node a member of another cluster",
		Long: `Make the node that answers a member of the cluster that has a member at one of the
addresses, without a change of its configuration. It needs the secret and the
name of that cluster in its Caddyfile, and no resources of its own.

Addresses are host:port, dns://name:port or srv://_dgate._tcp.name.`,
		Example: "  " + s.program.Name + " cluster join 10.0.0.1:7373",
		Args:    cobra.MinimumNArgs(1), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.clusterCall(cmd, "join", map[string]any{"addresses": args})
		},
	}
}

func (s *session) leaveCommand() *cobra.Command {
	return &cobra.Command{
		Use: "leave", Short: "Take the node out of its cluster",
		Long: `Take the node that answers out of its cluster. It goes on serving what it knows, and
takes no changes any more: stop it then.`,
		Args: cobra.NoArgs, ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return s.clusterCall(cmd, "leave", struct{}{})
		},
	}
}

func (s *session) removeCommand() *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use: "remove <id>", Short: "Take a node out of the cluster",
		Long: `Take a node out of the cluster, by its id, name or address. If too few voters would
answer then for changes to be possible, it is refused.`,
		Example: "  " + s.program.Name + " cluster remove web2-5f0c61a2",
		Args:    cobra.ExactArgs(1), ValidArgsFunction: s.completeMembers,
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.clusterCall(cmd, "remove", map[string]any{"id": args[0], "force": force})
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "also if no majority of the voters answers then")
	return cmd
}

func (s *session) transferCommand() *cobra.Command {
	return &cobra.Command{
		Use: "transfer [id]", Short: "Make another node the leader",
		Long: "Make another node the leader, by its id, name or address, or any that is up to date.",
		Args: cobra.MaximumNArgs(1), ValidArgsFunction: s.completeMembers,
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.clusterCall(cmd, "transfer", map[string]any{"id": strings.Join(args, "")})
		},
	}
}

func (s *session) recoverCommand() *cobra.Command {
	var yes bool
	var last uint64
	cmd := &cobra.Command{
		Use: "recover --yes", Short: "Make a new cluster of one node when the others are lost for good",
		Long: `Make a new cluster of the node that answers, with everything that is in its log, when
so many voters are lost for good that no leader can be elected any more. Ask the
node with the highest index: cluster status shows it.

Make sure that the others cannot start: if a majority of them comes back, there are
two clusters that both take changes, which cannot be put together again.

Everything in its log counts as agreed on then, and what only the lost nodes had
is gone. Members of the old cluster that come back are refused; give them an empty
data_dir before they start, and let them join.`,
		Args: cobra.NoArgs, ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !yes {
				return errors.New("recover makes a new cluster of this node alone, and shuts the other members out for good; make sure that they cannot start, as a majority of them would go on as a second cluster; say --yes if they are lost")
			}
			return s.clusterCall(cmd, "recover", map[string]any{"yes": true, "lastIndex": last})
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "the other voters are lost for good")
	cmd.Flags().Uint64Var(&last, "last-index", 0, "the highest `index` seen on any node; refuse if this one has less")
	return cmd
}

func (s *session) tokenCommand() *cobra.Command {
	var fresh bool
	cmd := &cobra.Command{
		Use: "token", Short: "Print what another node needs to join: a secret",
		Long: `Print the token of the cluster: its name, its secret and the addresses of its members,
in one word for the option token of another node's cluster block. Whoever has it
can do everything. It is shown on the machine of the node, or to requests that are
authenticated.

With --new, print a new secret for the option secret. That needs no server.`,
		Example: "  " + s.program.Name + " cluster token --new\n  " + s.program.Name + " cluster token",
		Args:    cobra.NoArgs, ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if fresh {
				_, err := fmt.Fprintln(s.stdout, newSecret())
				return err
			}
			return s.ask(cmd, func(data json.RawMessage) error {
				if cmd.Flags().Changed("output") {
					return s.print(nil, data)
				}
				var answer struct {
					Token string `json:"token"`
				}
				if err := json.Unmarshal(data, &answer); err != nil {
					return err
				}
				_, err := fmt.Fprintln(s.stdout, oneLine(answer.Token))
				return err
			}, "cluster", "token")
		},
	}
	cmd.Flags().BoolVar(&fresh, "new", false, "print a new secret, without asking a server")
	return cmd
}

// newSecret is 32 random bytes as base64, with letters and digits, as those who read it expect.
func newSecret() string {
	for {
		var key [32]byte
		_, _ = rand.Read(key[:]) // it never fails
		text := base64.StdEncoding.EncodeToString(key[:])
		if strings.ContainsAny(text, "0123456789") && strings.ToUpper(text) != text && strings.ToLower(text) != text {
			return text
		}
	}
}

// completeMembers completes the ids of members, with their names.
func (s *session) completeMembers(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	client, err := s.client(cmd.Flags().Changed)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	defer client.Close()
	members, err := readMembers(cmd, client)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var ids []cobra.Completion
	for _, m := range members {
		ids = append(ids, cobra.CompletionWithDesc(oneLine(m.ID), oneLine(m.Name+" "+m.Address)))
	}
	return ids, cobra.ShellCompDirectiveNoFileComp
}

func readMembers(cmd *cobra.Command, client *adminclient.Client) (members []clusterMember, err error) {
	data, err := client.Data(cmd.Context(), http.MethodGet, []string{"cluster", "members"}, nil)
	if err == nil {
		err = json.Unmarshal(data, &members)
	}
	return members, err
}
