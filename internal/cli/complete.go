package cli

import (
	"bytes"
	"context"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// Complete completes the word after args, for a program that this one is a command of.
func (p Program) Complete(ctx context.Context, args []string, word string) ([]cobra.Completion, cobra.ShellCompDirective) {
	line := slices.Concat([]string{cobra.ShellCompRequestCmd}, args, []string{word})
	var out bytes.Buffer
	if p.Run(ctx, line, strings.NewReader(""), &out, io.Discard) != exitOK {
		return nil, cobra.ShellCompDirectiveError
	}
	// A line for each completion, and then one with a colon and the directive.
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	last := len(lines) - 1
	directive, err := strconv.Atoi(strings.TrimPrefix(lines[last], ":"))
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	return lines[:last], cobra.ShellCompDirective(directive)
}

// completeKeys completes the keys that were not given yet.
func completeKeys(kind *resource.Kind, allowed []string) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, toComplete string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if strings.Contains(toComplete, "@=") {
			return nil, cobra.ShellCompDirectiveDefault
		}
		pairs, _, err := parseArgs(args)
		if err != nil || strings.Contains(toComplete, "=") {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var keys []cobra.Completion
		for _, f := range kind.Fields {
			given := slices.ContainsFunc(pairs, func(p pair) bool { return p.key == f.Name })
			if given || !slices.Contains(allowed, f.Name) {
				continue
			}
			op := "="
			switch {
			case f.Type == "bytes" || f.Secret:
				op = "@="
			case f.Type == "json":
				op = ":="
			}
			keys = append(keys, cobra.CompletionWithDesc(f.Name+op, f.Help))
		}
		return keys, cobra.ShellCompDirectiveNoSpace | cobra.ShellCompDirectiveNoFileComp
	}
}
