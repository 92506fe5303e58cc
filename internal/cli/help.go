package cli

import (
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// usage is what follows the verb in the first line of help.
func usage(kind *resource.Kind, allowed []string) string {
	name := kind.KeyFields()[len(kind.KeyFields())-1]
	if !slices.Contains(allowed, name) {
		return ""
	}
	if len(allowed) > len(kind.KeyFields()) {
		return " <" + name + "> [key=value…]"
	}
	return " <" + name + ">"
}

// typeHelp says how values of a field type are written on a command line.
var typeHelp = map[string]string{
	"string": "text", "strings": "list", "int": "number", "bool": "true/false", "duration": "duration", "bytes": "file",
}

// fieldHelp describes the fields that a verb takes.
func fieldHelp(kind *resource.Kind, fields func(*resource.Kind) (allowed, required []string)) string {
	allowed, required := fields(kind)
	if len(allowed) == 0 {
		return "It takes no keys."
	}
	var b strings.Builder
	b.WriteString("Keys:\n")
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, f := range kind.Fields {
		if !slices.Contains(allowed, f.Name) {
			continue
		}
		kindOf := typeHelp[f.Type]
		if kindOf == "" {
			kindOf = f.Type
		}
		need := "optional"
		switch {
		case slices.Contains(required, f.Name):
			need = "required"
		case f.Default != "":
			need = "default " + f.Default
		}
		_, _ = table.Write([]byte("  " + f.Name + "\t" + kindOf + "\t" + need + "\t" + f.Help + "\n"))
	}
	_ = table.Flush() // a strings.Builder takes everything
	return strings.TrimRight(b.String(), "\n")
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
			if f.Type == "bytes" {
				op = "@="
			}
			keys = append(keys, cobra.CompletionWithDesc(f.Name+op, f.Help))
		}
		return keys, cobra.ShellCompDirectiveNoSpace | cobra.ShellCompDirectiveNoFileComp
	}
}
