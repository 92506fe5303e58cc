package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/dgate-io/caddy-dgate/internal/manifest"
	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// sourceField is the field of a kind that is a file, nil if there is none or more than one.
func sourceField(kind *resource.Kind) *resource.Field {
	var found *resource.Field
	for i := range kind.Fields {
		if kind.Fields[i].Type != "bytes" {
			continue
		}
		if found != nil {
			return nil
		}
		found = &kind.Fields[i]
	}
	return found
}

// checkOutput refuses an output that a command does not have, before it does anything. kind is nil
// for what does not show one resource.
func (s *session) checkOutput(kind *resource.Kind) error {
	if s.flags.output != formatSource || (kind != nil && sourceField(kind) != nil) {
		return nil
	}
	var kinds []string
	for _, k := range resource.All {
		if sourceField(k) != nil {
			kinds = append(kinds, k.Name+" get")
		}
	}
	return fmt.Errorf("output %s is for %s", formatSource, strings.Join(kinds, ", "))
}

// toSource is the decoded content of the field that is a file.
func toSource(kind *resource.Kind, data json.RawMessage) ([]byte, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(data, &members); err != nil {
		return nil, err
	}
	var source []byte
	if value, ok := members[sourceField(kind).Name]; ok {
		if err := json.Unmarshal(value, &source); err != nil {
			return nil, err
		}
	}
	return source, nil
}

// end writes what follows every success: an extra newline, as it always did, unless what was
// printed is a file.
func (s *session) end() error {
	if s.flags.output == formatSource {
		return nil
	}
	_, err := fmt.Fprintln(s.stdout)
	return err
}

// print writes data in the format that was asked for. kind may be nil.
func (s *session) print(kind *resource.Kind, data json.RawMessage) error {
	var out []byte
	var err error
	switch s.flags.output {
	case formatYAML:
		out, err = toYAML(data)
	case formatTable:
		out, err = toTable(kind, data)
	case formatSource:
		out, err = toSource(kind, data)
	default:
		out, err = toJSON(data)
	}
	if err != nil {
		return fmt.Errorf("print the answer: %w", err)
	}
	_, err = s.stdout.Write(out)
	return err
}

// toJSON indents, and keeps the order of the members.
func toJSON(data json.RawMessage) ([]byte, error) {
	var buf bytes.Buffer
	if err := json.Indent(&buf, bytes.TrimSpace(data), "", "  "); err != nil {
		return nil, err
	}
	buf.WriteByte('\n')
	return buf.Bytes(), nil
}

// toYAML keeps the order of the members too.
func toYAML(data json.RawMessage) ([]byte, error) {
	node, err := manifest.YAML(data)
	if err != nil {
		return nil, err
	}
	return manifest.EncodeYAML(node)
}
