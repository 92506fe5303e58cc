package manifest

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// likeJSON makes a tree one that has a form in JSON: a date is the text that was written, and keys
// are texts, as in "200: OK". Aliases are not followed: what they stand for is in the tree.
func likeJSON(node *yaml.Node) {
	if node.Kind == yaml.ScalarNode && node.Tag == "!!timestamp" {
		node.Tag = "!!str"
	}
	for i, child := range node.Content {
		isKey := node.Kind == yaml.MappingNode && i%2 == 0
		if isKey && child.Kind == yaml.ScalarNode && child.Tag != "!!merge" {
			child.Tag = "!!str"
		}
		likeJSON(child)
	}
}

// keyNotText finds a key that cannot be one in JSON, nil if there is none.
func keyNotText(node *yaml.Node) *yaml.Node {
	for i, child := range node.Content {
		isKey := node.Kind == yaml.MappingNode && i%2 == 0
		if isKey && child.Kind != yaml.ScalarNode && child.Kind != yaml.AliasNode {
			return child
		}
		if found := keyNotText(child); found != nil {
			return found
		}
	}
	return nil
}

// expand replaces {env.NAME} in secret fields by the value of the variable.
func (l *loader) expand(kind *resource.Kind, node *yaml.Node, fields []member) bool {
	ok := true
	for _, f := range kind.Fields {
		m := memberOf(fields, f.Name)
		text, isText := m.text()
		if !f.Secret || !isText || l.reader.Env == nil {
			continue
		}
		value, err := expandEnv(text, l.reader.Env)
		if err != nil {
			l.fail(lineOf(node, f.Name), "%s: %s: %w", kind.Name, f.Name, err)
			ok = false
		}
		m.value = jsonOf(value)
	}
	return ok
}

// expandEnv fails if a variable is not set, or empty. The error has its name only.
func expandEnv(text string, env func(string) (string, bool)) (string, error) {
	const begin, end = "{env.", "}"
	var out strings.Builder
	for {
		before, rest, found := strings.Cut(text, begin)
		out.WriteString(before)
		if !found {
			return out.String(), nil
		}
		name, after, closed := strings.Cut(rest, end)
		if !closed {
			out.WriteString(begin + rest)
			return out.String(), nil
		}
		switch value, set := env(name); {
		case !set:
			return "", fmt.Errorf("the environment variable %s is not set", name)
		case value == "":
			return "", fmt.Errorf("the environment variable %s is empty", name)
		default:
			out.WriteString(value)
		}
		text = after
	}
}
