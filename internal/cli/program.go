package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
)

// Exit codes.
const (
	exitOK          = 0
	exitFailure     = 1
	exitDifferences = 2 // diff found some
	exitIncomplete  = 2 // import has left something out
	exitNoTopic     = 3
)

// Program is a command line under some name. The zero value is dgate-cli.
type Program struct {
	// Name is what help calls the program, such as "caddy dgate".
	Name string
	// Version is what --version prints and what the server sees. Default: that of the build.
	Version string
	// Getenv reads the environment. Default: [os.Getenv].
	Getenv func(string) string
}

// Run runs dgate-cli with args, which do not begin with the program's name, and gives the exit code.
func Run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	return Program{}.Run(ctx, args, stdin, stdout, stderr)
}

// Run runs the program with args, which do not begin with the program's name, and gives the exit code.
func (p Program) Run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	if p.Name == "" {
		p.Name = "dgate-cli"
	}
	if p.Version == "" {
		p.Version = buildVersion()
	}
	if p.Getenv == nil {
		p.Getenv = os.Getenv
	}
	s := &session{program: p, stdin: stdin, stdout: stdout, stderr: stderr}
	root := s.rootCommand()
	if args == nil {
		args = []string{} // cobra would take those of the process
	}
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	if text := err.Error(); text != "" {
		fmt.Fprintln(stderr, text)
	}
	if code, ok := errors.AsType[exitError](err); ok {
		return code.code
	}
	return exitFailure
}

// session is one run.
type session struct {
	program Program
	stdin   io.Reader
	stdout  io.Writer
	stderr  io.Writer
	flags   flags
}

// exitError ends the program with a code of its own. Without a text it is no error to tell about.
type exitError struct {
	code int
	text string
}

func (e exitError) Error() string { return e.text }

func noTopic(word string) error { return exitError{exitNoTopic, "No help topic for '" + word + "'"} }

// rootCommand builds the tree anew: it is short, and shares nothing between runs.
func (s *session) rootCommand() *cobra.Command {
	name, _, _ := strings.Cut(s.program.Name, " ")
	root := &cobra.Command{
		Use:           name,
		Annotations:   map[string]string{cobra.CommandDisplayNameAnnotation: s.program.Name},
		Short:         "Manage the resources of a DGate gateway",
		Long:          rootHelp,
		SilenceErrors: true,
		SilenceUsage:  true,
		// A script for the shell completes programs, not the commands of another one.
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: s.program.Name != name},
		RunE:              func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			if s.flags.version {
				fmt.Fprintf(s.stdout, "%s version %s\n", s.program.Name, s.program.Version)
				cmd.RunE = func(*cobra.Command, []string) error { return nil }
			}
			return nil
		},
	}
	s.flags.register(root.PersistentFlags(), s.program.Getenv)
	root.AddGroup(&cobra.Group{ID: groupResources, Title: "Resources:"}, &cobra.Group{ID: groupFiles, Title: "Resource files:"}, &cobra.Group{ID: groupNode, Title: "Server:"})
	root.AddCommand(s.nounCommands()...)
	root.AddCommand(s.applyCommand(), s.diffCommand(), s.exportCommand(), s.importCommand())
	root.AddCommand(s.nodeCommands()...)
	root.AddCommand(s.backupCommand(), s.restoreCommand())
	root.SetHelpCommand(helpCommand(root))
	_ = root.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp))
	return root
}

const (
	groupResources = "resources"
	groupFiles     = "files"
	groupNode      = "node"
)

const rootHelp = `Manage the resources of a DGate gateway.

Values are given as key=value; lists are separated by commas, durations are
written like 50ms. key:=json takes a JSON value, key@=file the content of a file.`

// helpCommand is "help [command…]", on every level.
func helpCommand(parent *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use: "help [command]", Aliases: []string{"h"}, Short: "Show help for a command",
		RunE: func(_ *cobra.Command, args []string) error {
			target, rest, err := parent.Find(args)
			if err != nil || len(rest) > 0 {
				return noTopic(args[len(args)-max(1, len(rest))])
			}
			target.InitDefaultHelpFlag() // which cobra adds only to what it runs
			return target.Help()
		},
	}
}

const modulePath = "github.com/dgate-io/caddy-dgate"

// buildVersion is the version of this module in the running program.
func buildVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "dev"
	}
	modules := append([]*debug.Module{&info.Main}, info.Deps...)
	for _, m := range modules {
		if m.Path == modulePath && m.Version != "" && m.Version != "(devel)" {
			return m.Version
		}
	}
	return "dev"
}
