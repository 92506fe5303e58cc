package cli

import (
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

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

// summary is what a verb does, in a line.
func summary(kind *resource.Kind, v verb) string {
	if !v.several {
		return fmt.Sprintf(v.short, kind.Name)
	}
	text := fmt.Sprintf(v.short, kind.Plural)
	switch kind.Scope {
	case resource.InNamespace:
		text += " of a namespace"
	case resource.InCollection:
		text += " of a collection"
	}
	return text
}

// examples are command lines after the verb, by verb and kind.
var examples = map[string]map[string][]string{
	"create": {
		"service": {"users urls=http://10.0.0.1:8080,http://10.0.0.2:8080 retryTimeout=50ms"},
		"route":   {"hi paths=/hi,/hi/{id} methods=GET,POST modules=hi"},
		"module":  {"hi payload@=hi.ts"},
		"domain": {
			"shop patterns=shop.example.com,*.shop.example.com",
			"shop patterns=shop.example.com cert@=shop.pem key@=shop.key",
		},
		"collection": {
			"users schema@=users.schema.json",
			`users schema:='{"type":"object"}' visibility=public`,
		},
		"document": {
			`alice collection=users data:='{"age":42}'`,
			"alice collection=users data@=alice.json",
		},
		"secret": {"api-key data@=key.txt", "api-key data@=- < key.txt"},
	},
	"delete": {
		"document": {"alice collection=users", "--all collection=users"},
	},
	"list": {
		"document": {"collection=users --limit 20 --offset 40"},
	},
	showing: {
		"document": {"alice collection=users"},
		"module":   {"hi", "hi -o source > hi.ts"},
	},
}

// example is what help shows of them.
func example(program string, kind *resource.Kind, v verb) string {
	var lines []string
	for _, line := range examples[v.name][kind.Name] {
		lines = append(lines, "  "+strings.Join([]string{program, kind.Name, v.name, line}, " "))
	}
	return strings.Join(lines, "\n")
}

// typeHelp says how values of a field type are written on a command line.
var typeHelp = map[string]string{
	"string": "text", "strings": "list", "int": "number", "bool": "true/false", "duration": "duration", "bytes": "file", "json": "JSON",
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
