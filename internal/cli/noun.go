package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/dgate-io/caddy-dgate/internal/adminclient"
	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// verb is what can be done with the resources of every kind.
type verb struct {
	name    string
	aliases []string
	short   string
	// fields are those that may be given, and those of them that must be.
	fields func(*resource.Kind) (allowed, required []string)
	// several tells that it is about all resources of a scope, and not about one.
	several bool
	run     func(context.Context, *session, *adminclient.Client, *input) error
}

// showing is the verb that shows one resource.
const showing = "get"

var verbs = []verb{
	{"create", []string{"mk", "put"}, "Create or replace a %s", everyField, false, runCreate},
	{"delete", []string{"rm"}, "Delete a %s", keyFields, false, runDelete},
	{"list", []string{"ls"}, "List the %s", scopeFields, true, runList},
	{showing, nil, "Show a %s", keyFields, false, runGet},
}

func everyField(k *resource.Kind) (allowed, required []string) {
	for _, f := range k.Fields {
		allowed = append(allowed, f.Name)
		if f.Required {
			required = append(required, f.Name)
		}
	}
	return allowed, required
}

func keyFields(k *resource.Kind) (allowed, required []string) {
	for _, name := range k.KeyFields() {
		allowed = append(allowed, name)
		if f, ok := k.FieldByName(name); ok && f.Required {
			required = append(required, name)
		}
	}
	return allowed, required
}

func scopeFields(k *resource.Kind) (allowed, required []string) {
	last := k.KeyFields()[len(k.KeyFields())-1]
	all, needed := keyFields(k)
	return without(all, last), without(needed, last)
}

func without(words []string, word string) []string {
	var out []string
	for _, w := range words {
		if w != word {
			out = append(out, w)
		}
	}
	return out
}

// nounCommands makes a command for each kind, with its verbs below.
func (s *session) nounCommands() []*cobra.Command {
	var nouns []*cobra.Command
	for _, kind := range resource.All {
		noun := &cobra.Command{
			Use: kind.Name, Aliases: append([]string{kind.Plural}, kind.Aliases...),
			Short: "Manage " + kind.Plural, Long: kind.Help + "\n\n" + fieldHelp(kind, everyField), GroupID: groupResources,
			RunE: helpOrNoTopic,
		}
		for _, v := range verbs {
			noun.AddCommand(s.verbCommand(kind, v))
		}
		if kind.Name == "service" {
			noun.AddCommand(s.verbCommand(kind, verb{"health", nil, "Show how the upstreams of a %s are", keyFields, false, runHealth}))
		}
		if kind.Name == "domain" {
			noun.AddCommand(s.verbCommand(kind, verb{"status", nil, "Show which certificates a %s has", keyFields, false, runDomainStatus}))
		}
		noun.AddCommand(helpCommand(noun))
		nouns = append(nouns, noun)
	}
	return nouns
}

// helpOrNoTopic is what a command does that only has others below it.
func helpOrNoTopic(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return noTopic(args[0])
	}
	return cmd.Help()
}

func (s *session) verbCommand(kind *resource.Kind, v verb) *cobra.Command {
	allowed, required := v.fields(kind)
	var shown *resource.Kind // what the output may be the source of
	if v.name == showing {
		shown = kind
	}
	cmd := &cobra.Command{
		Use:     v.name + usage(kind, allowed),
		Aliases: v.aliases,
		Short:   summary(kind, v),
		Long:    summary(kind, v) + ".\n\n" + fieldHelp(kind, v.fields),
		Example: example(s.program.Name, kind, v),
		RunE: func(cmd *cobra.Command, args []string) error {
			in, err := s.readInput(kind, args, allowed)
			if err != nil {
				return err
			}
			if err := in.require(s.required(kind, required)); err != nil {
				return err
			}
			if !v.several {
				if err := in.one(); err != nil {
					return err
				}
			}
			if err := s.checkOutput(shown); err != nil {
				return err
			}
			client, err := s.client(cmd.Flags().Changed)
			if err != nil {
				return err
			}
			defer client.Close()
			if err := v.run(cmd.Context(), s, client, in); err != nil {
				return err
			}
			return s.end()
		},
		ValidArgsFunction: completeKeys(kind, allowed),
	}
	if kind.Scope == resource.InCollection {
		s.documentFlags(cmd, v)
	}
	return cmd
}

func runCreate(ctx context.Context, s *session, client *adminclient.Client, in *input) error {
	written, err := client.Put(ctx, in.kind.KeyOf(in.keyValues()...), in.body(), adminclient.Condition{})
	if err != nil {
		return in.withHint(err)
	}
	for _, w := range written.Warnings {
		fmt.Fprintln(s.stderr, "warning:", w)
	}
	return s.print(in.kind, in.echo())
}

func runDelete(ctx context.Context, s *session, client *adminclient.Client, in *input) error {
	if s.flags.all {
		return deleteAll(ctx, client, in)
	}
	return client.Delete(ctx, in.kind.KeyOf(in.keyValues()...), adminclient.Condition{})
}

func runList(ctx context.Context, s *session, client *adminclient.Client, in *input) error {
	if in.kind.Scope == resource.InCollection {
		return listDocuments(ctx, s, client, in)
	}
	var within []string
	for _, name := range without(in.kind.KeyFields(), in.kind.KeyFields()[len(in.kind.KeyFields())-1]) {
		within = append(within, in.word(name))
	}
	data, err := client.List(ctx, in.kind, within...)
	if err != nil {
		return err
	}
	return s.print(in.kind, data)
}

func runGet(ctx context.Context, s *session, client *adminclient.Client, in *input) error {
	data, err := client.Get(ctx, in.kind.KeyOf(in.keyValues()...))
	if err != nil {
		return err
	}
	return s.print(in.kind, data)
}

func runHealth(ctx context.Context, s *session, client *adminclient.Client, in *input) error {
	data, err := client.Health(ctx, in.kind.KeyOf(in.keyValues()...))
	if err != nil {
		return err
	}
	return s.print(nil, data)
}
