package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v3"
)

// YAML converts JSON to a tree of YAML that keeps the order of members and the digits of numbers.
func YAML(data json.RawMessage) (*yaml.Node, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	return yamlNode(dec)
}

// EncodeYAML writes a tree as text.
func EncodeYAML(node *yaml.Node) ([]byte, error) {
	var buf bytes.Buffer
	enc := yaml.NewEncoder(&buf)
	enc.SetIndent(2)
	if err := errors.Join(enc.Encode(node), enc.Close()); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}

// yamlNode reads one value.
func yamlNode(dec *json.Decoder) (*yaml.Node, error) {
	token, err := dec.Token()
	if err != nil {
		return nil, err
	}
	switch t := token.(type) {
	case json.Delim:
		node := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
		if t == '{' {
			node.Kind, node.Tag = yaml.MappingNode, "!!map"
		}
		for dec.More() { // in an object, names and values take turns
			child, err := yamlNode(dec)
			if err != nil {
				return nil, err
			}
			node.Content = append(node.Content, child)
		}
		if len(node.Content) == 0 {
			node.Style = yaml.FlowStyle
		}
		_, err := dec.Token()
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return node, err
	case json.Number:
		return &yaml.Node{Kind: yaml.ScalarNode, Value: t.String()}, nil
	case nil:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Value: "null"}, nil
	case string:
		return textNode(t), nil
	default:
		var node yaml.Node
		return &node, node.Encode(t)
	}
}

// textNode writes a text so that it is read as that text. The library knows when quotes are
// needed, but not for a key that looks like a merge, nor what we take for a number; and its blocks
// lose some white space.
func textNode(text string) *yaml.Node {
	var node yaml.Node
	err := node.Encode(text) // which reads what it wrote, and fails on some text with tabs
	block := node.Style&yaml.LiteralStyle != 0
	if err != nil || text == "<<" || isNumber(text) || block && !plainLines(text) || strings.ContainsFunc(text, unusual) {
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: text, Style: yaml.DoubleQuotedStyle}
	}
	return &node
}

// plainLines tells whether no line of a text begins or ends with white space, or is empty.
func plainLines(text string) bool {
	for line := range strings.SplitSeq(strings.TrimSuffix(text, "\n"), "\n") {
		if line == "" || line != strings.TrimSpace(line) {
			return false
		}
	}
	return true
}

func unusual(r rune) bool { return r != '\n' && r != ' ' && !unicode.IsGraphic(r) }
