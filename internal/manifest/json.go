package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"

	"go.yaml.in/yaml/v3"
)

// member is one member of a JSON object.
type member struct {
	name  string
	value json.RawMessage
}

// memberOf finds a member, nil if there is none.
func memberOf(members []member, name string) *member {
	if i := slices.IndexFunc(members, func(m member) bool { return m.name == name }); i >= 0 {
		return &members[i]
	}
	return nil
}

// text is the value if it is a string.
func (m *member) text() (text string, ok bool) {
	if m == nil || len(m.value) == 0 || m.value[0] != '"' {
		return "", false
	}
	return text, json.Unmarshal(m.value, &text) == nil
}

// object joins members.
func object(members []member) json.RawMessage {
	out := []byte{'{'}
	for i, m := range members {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(append(append(out, jsonOf(m.name)...), ':'), m.value...)
	}
	return append(out, '}')
}

// jsonOf is the JSON of a value that has some, without the escapes that only matter inside HTML.
func jsonOf(value any) json.RawMessage {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(value); err != nil {
		panic(err) // it is a text, a number or bytes
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n"))
}

// The conversion keeps what a decoder into Go values would lose, and what a document is stored
// with: the order of keys, and the digits of numbers. It is for trees that such a decoder has
// accepted, and [likeJSON] has prepared: aliases end, and do not multiply without bounds.

// membersOf converts a mapping. What it merges comes behind its own keys. Errors have no file.
func membersOf(node *yaml.Node) ([]member, error) {
	if node.Kind == yaml.AliasNode {
		return membersOf(node.Alias)
	}
	if node.Kind != yaml.MappingNode {
		return nil, &Error{Line: node.Line, Err: errors.New("only mappings can be merged")}
	}
	var members []member
	var merged []*yaml.Node
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		if key.Kind == yaml.AliasNode {
			key = key.Alias
		}
		switch {
		case key.Tag == "!!merge" && value.Kind == yaml.SequenceNode:
			merged = append(merged, value.Content...)
			continue
		case key.Tag == "!!merge":
			merged = append(merged, value)
			continue
		}
		data, err := toJSON(value)
		if err != nil {
			return nil, err
		}
		members = append(members, member{key.Value, data})
	}
	for _, m := range merged {
		more, err := membersOf(m)
		if err != nil {
			return nil, err
		}
		for _, one := range more {
			if memberOf(members, one.name) == nil {
				members = append(members, one)
			}
		}
	}
	return members, nil
}

// toJSON converts a value.
func toJSON(node *yaml.Node) (json.RawMessage, error) {
	switch node.Kind {
	case yaml.AliasNode:
		return toJSON(node.Alias)
	case yaml.MappingNode:
		members, err := membersOf(node)
		if err != nil {
			return nil, err
		}
		return object(members), nil
	case yaml.SequenceNode:
		out := []byte{'['}
		for i, item := range node.Content {
			data, err := toJSON(item)
			if err != nil {
				return nil, err
			}
			if i > 0 {
				out = append(out, ',')
			}
			out = append(out, data...)
		}
		return append(out, ']'), nil
	}
	return scalar(node)
}

func scalar(node *yaml.Node) (json.RawMessage, error) {
	if node.Style == 0 && isNumber(node.Value) { // as it is written, whatever its size
		return json.RawMessage(node.Value), nil
	}
	switch node.ShortTag() {
	case "!!null", "!!bool", "!!int", "!!float", "!!binary":
		var value any
		if err := node.Decode(&value); err != nil {
			return nil, err
		}
		if f, ok := value.(float64); ok && (math.IsNaN(f) || math.IsInf(f, 0)) {
			return nil, &Error{Line: node.Line, Err: fmt.Errorf("%s is not a number in JSON", node.Value)}
		}
		return jsonOf(value), nil
	}
	return jsonOf(node.Value), nil
}

// isNumber tells whether a text is a number in JSON.
func isNumber(text string) bool {
	return text != "" && (text[0] == '-' || text[0] >= '0' && text[0] <= '9') && json.Valid([]byte(text))
}
