package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/dgate-io/caddy-dgate/internal/adminclient"
	"github.com/dgate-io/caddy-dgate/internal/manifest"
	"github.com/dgate-io/caddy-dgate/internal/resource"
)

const filesHelp = `

Files are YAML or JSON with a list of resources per kind, as export writes them
and the option resources of the Caddyfile reads them. A directory stands for its
files .yaml, .yml and .json, and - for the standard input. Resources that name no
namespace are of the one that -n names, or of default.

With --prune, resources that the files do not list are deleted: those of kinds
that the files have a list of, be it empty (routes: []), in namespaces that the
files, or -n, name; documents only in collections that listed documents are in.
Namespaces are never deleted.`

// fileInput are the flags of commands that read resource files.
type fileInput struct {
	names []string
	prune bool
}

// register adds them. -f is --follow elsewhere; here it is the file.
func (f *fileInput) register(s *session, cmd *cobra.Command) {
	cmd.Flags().StringArrayVarP(&f.names, "file", "f", nil, "resource `file`, directory, pattern such as '*.yaml', or -; may be repeated")
	cmd.Flags().BoolVar(&f.prune, "prune", false, "delete what the files do not list")
	cmd.Flags().BoolVar(&s.flags.follow, "follow", s.flags.follow, "follow redirects (env DGATE_FOLLOW_REDIRECTS)")
}

func (s *session) applyCommand() *cobra.Command {
	var in fileInput
	var yes, dryRun bool
	cmd := &cobra.Command{
		Use: "apply -f <file>…", Short: "Make the server have what resource files list", GroupID: groupFiles,
		Long: `Make the server have what resource files list.

It shows a plan (+ create, ~ change, - delete), asks, and then makes all changes
or none. What somebody else changes in between is not overwritten: then nothing
is applied. It asks only on a terminal; scripts go ahead.

It exits with 0 if all was applied or there was nothing to do, and with 1 if not.` + filesHelp,
		Example: "  " + s.program.Name + " apply -f gateway.yaml\n  " + s.program.Name + " apply -f ./dgate --prune --yes",
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.withPlan(cmd, append(in.names, args...), in.prune, func(client *adminclient.Client, p *plan) error {
				if err := s.showPlan(cmd, p); err != nil || dryRun || !p.differs() {
					return err
				}
				if !yes {
					if err := s.confirm(); err != nil {
						return err
					}
				}
				done, err := client.Apply(cmd.Context(), p.guarded())
				if err != nil {
					return p.refused(err)
				}
				_, err = fmt.Fprintf(s.notes(cmd), "applied, at index %d\n", done.Index)
				return err
			})
		},
	}
	in.register(s, cmd)
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "show the plan, and apply nothing")
	return cmd
}

func (s *session) diffCommand() *cobra.Command {
	var in fileInput
	cmd := &cobra.Command{
		Use: "diff -f <file>…", Short: "Show what apply would change", GroupID: groupFiles,
		Long: `Show what apply would change: + create, ~ change, - delete. Values that are
secret or large are not shown, only that they differ.

It exits with 0 if there is no difference, with 2 if there are some, and with 1
if something is wrong.` + filesHelp,
		Example: "  " + s.program.Name + " diff -f gateway.yaml",
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.withPlan(cmd, append(in.names, args...), in.prune, func(_ *adminclient.Client, p *plan) error {
				if err := s.showPlan(cmd, p); err != nil {
					return err
				}
				if p.differs() {
					return exitError{code: exitDifferences}
				}
				return nil
			})
		},
	}
	in.register(s, cmd)
	return cmd
}

// plan is what files and server have to do with each other.
type plan struct {
	files   manifest.Files
	ops     []adminclient.Operation
	effects *adminclient.Effects
}

// withPlan reads files, has the server make a plan, and calls use with it.
func (s *session) withPlan(cmd *cobra.Command, names []string, prune bool, use func(*adminclient.Client, *plan) error) error {
	switch {
	case len(names) == 0:
		return errors.New("input error: no files; name them with -f <file>")
	case s.flags.namespace == everywhere:
		return fmt.Errorf("input error: %s as a namespace is for list only", everywhere)
	}
	if err := s.checkOutput(nil); err != nil {
		return err
	}
	getenv := func(name string) (string, bool) { value := s.program.Getenv(name); return value, value != "" }
	files, err := manifest.Reader{Env: getenv, Namespace: s.flags.namespace, Stdin: s.stdin}.Read(names)
	if err != nil {
		return err
	}
	client, err := s.client(cmd.Flags().Changed)
	if err != nil {
		return err
	}
	defer client.Close()
	p := &plan{files: files}
	for _, r := range files.Resources {
		p.ops = append(p.ops, adminclient.Operation{Put: r.Object})
	}
	if prune {
		unlisted, err := s.unlisted(cmd.Context(), client, files)
		if err != nil {
			return err
		}
		for _, key := range unlisted {
			p.ops = append(p.ops, adminclient.Operation{Delete: key})
		}
	}
	p.effects = &adminclient.Effects{JSON: []byte(`{"results":[]}`)}
	if len(p.ops) > 0 {
		if p.effects, err = client.Plan(cmd.Context(), p.ops); err != nil {
			return files.Resources.Locate(err)
		}
	}
	for _, w := range p.effects.Warnings {
		fmt.Fprintln(s.stderr, "warning:", w)
	}
	return use(client, p)
}

// differs tells whether there is something to do.
func (p *plan) differs() bool {
	for _, e := range p.effects.Each {
		if e.Action != adminclient.Unchanged {
			return true
		}
	}
	return false
}

// guarded are the operations for what the plan was made on, and for nothing later. What is as it
// should be is among them: it must still be so.
func (p *plan) guarded() []adminclient.Operation {
	ops := make([]adminclient.Operation, len(p.ops))
	for i, op := range p.ops {
		op.Version = &p.effects.Each[i].Version
		ops[i] = op
	}
	return ops
}

// refused is the error of an apply whose plan was accepted.
func (p *plan) refused(err error) error {
	located := p.files.Resources.Locate(err)
	if resource.CodeOf(err) == resource.PreconditionFailed {
		return fmt.Errorf("%w; it has changed since the plan was made, and nothing was applied: look at a new plan", located)
	}
	return located
}

// confirm asks, if somebody is there.
func (s *session) confirm() error {
	if f, ok := s.stdin.(*os.File); !ok || !term.IsTerminal(int(f.Fd())) {
		return nil
	}
	fmt.Fprint(s.stderr, "apply this? [y/N] ")
	line, err := bufio.NewReader(s.stdin).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read the answer: %w", err)
	}
	switch strings.ToLower(strings.TrimSpace(line)) {
	case "y", "yes":
		return nil
	}
	return errors.New("nothing was applied")
}

// unlisted are the resources that the files should list if they were to stay, in an order in which
// they can be deleted.
func (s *session) unlisted(ctx context.Context, client *adminclient.Client, files manifest.Files) ([]resource.Key, error) {
	listed := map[resource.Key]bool{}
	within := scopes{}
	within.add(s.flags.namespace, "")
	for _, r := range files.Resources {
		key := r.Key()
		listed[key] = true
		kind := resource.MustKind(key.Kind)
		switch values := kind.KeyValues(key); kind.Scope {
		case resource.Global:
			within.add(key.Name, "")
		case resource.InCollection:
			within.add(values[0], values[1])
		default:
			within.add(values[0], "")
		}
	}
	var unlisted []resource.Key
	for _, kind := range slices.Backward(resource.All) {
		if !files.Kinds[kind.Name] {
			continue
		}
		keys, err := within.keys(ctx, client, kind)
		if err != nil {
			return nil, err
		}
		for _, key := range keys {
			if !listed[key] {
				unlisted = append(unlisted, key)
			}
		}
	}
	return unlisted, nil
}
