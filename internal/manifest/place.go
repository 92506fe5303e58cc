package manifest

import (
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// lineOf is the line of a field of a mapping, or of the mapping itself.
func lineOf(node *yaml.Node, field string) int {
	if key, _ := child(node, field); key != nil {
		return key.Line
	}
	return node.Line
}

// lineAt is the line of what a path in a resource leads to, such as urls[0] or data.items["a b"],
// or of as much of the path as is in the file.
func lineAt(kind *resource.Kind, node *yaml.Node, path string) int {
	name, rest := cut(path)
	line := node.Line
	for i := 0; i+1 < len(node.Content); i += 2 {
		f, ok := kind.FieldByName(node.Content[i].Value)
		if node.Content[i].Value == name || ok && f.Name == name { // it may have another spelling
			line, node = node.Content[i].Line, node.Content[i+1]
			break
		}
	}
	for rest != "" {
		if name, rest = cut(rest); name == "" {
			return line
		}
		if node.Kind == yaml.AliasNode {
			return line // what it stands for is elsewhere
		}
		key, value := child(node, name)
		if key == nil {
			return line
		}
		line, node = key.Line, value
	}
	return line
}

// child finds a member of a mapping, or an item of a list by its number.
func child(node *yaml.Node, name string) (key, value *yaml.Node) {
	switch node.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(node.Content); i += 2 {
			if node.Content[i].Value == name {
				return node.Content[i], node.Content[i+1]
			}
		}
	case yaml.SequenceNode:
		if i, err := strconv.Atoi(name); err == nil && i >= 0 && i < len(node.Content) {
			return node.Content[i], node.Content[i]
		}
	}
	return nil, nil
}

// cut takes the first name off a path: what is up to a dot or a bracket, or inside of brackets.
func cut(path string) (name, rest string) {
	path = strings.TrimPrefix(path, ".")
	if !strings.HasPrefix(path, "[") {
		if i := strings.IndexAny(path, ".["); i >= 0 {
			return path[:i], path[i:]
		}
		return path, ""
	}
	if quoted, err := strconv.QuotedPrefix(path[1:]); err == nil {
		name, _ = strconv.Unquote(quoted) // it is a quoted prefix
		return name, strings.TrimPrefix(path[1+len(quoted):], "]")
	}
	name, rest, _ = strings.Cut(path[1:], "]")
	return name, rest
}
