package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// loader reads one file.
type loader struct {
	file string
	seen map[resource.Key]string // where a resource was listed first
	env  func(string) (string, bool)
	objs Resources
	errs []error
}

func (l *loader) fail(line int, format string, args ...any) {
	l.errs = append(l.errs, &Error{File: l.file, Line: line, Err: fmt.Errorf(format, args...)})
}

func (l *loader) load() {
	data, err := readFile(l.file, MaxFile)
	if err != nil {
		l.errs = append(l.errs, &Error{File: l.file, Err: err})
		return
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	for {
		var doc yaml.Node
		err := dec.Decode(&doc)
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			l.errs = append(l.errs, &Error{File: l.file, Err: err})
			return
		}
		if len(doc.Content) == 1 {
			likeJSON(&doc)
			l.document(doc.Content[0])
		}
	}
}

// document reads a mapping from kinds to lists.
func (l *loader) document(node *yaml.Node) {
	if node.Kind == yaml.ScalarNode && node.Tag == "!!null" {
		return // a document with nothing but comments
	}
	if node.Kind != yaml.MappingNode {
		l.fail(node.Line, "expected a mapping from kinds (%s) to lists", strings.Join(plurals(), ", "))
		return
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, list := node.Content[i], node.Content[i+1]
		kind, ok := resource.ByName(key.Value)
		switch {
		case !ok || key.Value != kind.Plural:
			l.fail(key.Line, "%q is not a kind of resource%s", key.Value, didYouMean(key.Value, plurals()))
		case list.Kind == yaml.ScalarNode && list.Tag == "!!null":
		case list.Kind != yaml.SequenceNode:
			l.fail(list.Line, "%s must be a list", key.Value)
		default:
			for _, item := range list.Content {
				l.item(kind, item)
			}
		}
	}
}

// item reads one resource.
func (l *loader) item(kind *resource.Kind, node *yaml.Node) {
	if node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	if node.Kind != yaml.MappingNode {
		l.fail(node.Line, "a %s must be a mapping from fields to values", kind.Name)
		return
	}
	var fields map[string]any
	if err := node.Decode(&fields); err != nil {
		l.errs = append(l.errs, &Error{File: l.file, Line: node.Line, Err: err})
		return
	}
	if !l.inline(kind, node, fields) || !l.expand(kind, node, fields) {
		return
	}
	data, err := json.Marshal(fields)
	if err != nil {
		l.fail(node.Line, "%s: %w", kind.Name, err)
		return
	}
	obj, err := resource.Decode(kind, data, resource.Strict)
	if err == nil {
		resource.Default(obj)
		err = obj.Validate()
	}
	if err != nil {
		l.wrong(kind, node, err)
		return
	}
	where := fmt.Sprintf("%s:%d", l.file, node.Line)
	if first, ok := l.seen[obj.Key()]; ok {
		l.fail(node.Line, "%s is listed before, at %s", obj.Key(), first)
		return
	}
	l.seen[obj.Key()] = where
	l.objs = append(l.objs, Resource{obj, where})
}

// inline replaces <field>File, a path relative to the file, by the content of that file.
func (l *loader) inline(kind *resource.Kind, node *yaml.Node, fields map[string]any) bool {
	for _, f := range kind.Fields {
		name := f.Name + "File"
		path, ok := fields[name].(string)
		if !ok || f.Type != "bytes" {
			continue
		}
		if _, both := fields[f.Name]; both {
			l.fail(lineOf(node, name), "%s: %s and %s are given; one is enough", kind.Name, f.Name, name)
			return false
		}
		if !filepath.IsAbs(path) {
			path = filepath.Join(filepath.Dir(l.file), path)
		}
		data, err := readFile(path, kind.MaxBody)
		if err != nil {
			l.fail(lineOf(node, name), "%s: %s: %w", kind.Name, name, err)
			return false
		}
		delete(fields, name)
		fields[f.Name] = data // []byte is base64 in JSON
	}
	return true
}

// wrong reports what is wrong with a resource, each mistake at the line of its field.
func (l *loader) wrong(kind *resource.Kind, node *yaml.Node, err error) {
	fields := resource.FieldErrors(err)
	if len(fields) == 0 {
		l.fail(node.Line, "%s: %w", kind.Name, err)
	}
	for _, f := range fields {
		name := f.Field
		if i := strings.IndexAny(name, "[."); i >= 0 {
			name = name[:i]
		}
		l.fail(lineOf(node, name), "%s: %w", kind.Name, f)
	}
}

// lineOf is the line of a field of a mapping, or of the mapping itself.
func lineOf(node *yaml.Node, field string) int {
	for i := 0; i+1 < len(node.Content); i += 2 {
		if node.Content[i].Value == field {
			return node.Content[i].Line
		}
	}
	return node.Line
}

// readFile reads a file of at most limit bytes.
func readFile(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // it was only read
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("%s is larger than %d bytes", path, limit)
	}
	return data, nil
}

func plurals() []string {
	names := make([]string, len(resource.All))
	for i, k := range resource.All {
		names[i] = k.Plural
	}
	return names
}

func didYouMean(word string, candidates []string) string {
	if best := resource.Nearest(word, candidates); best != "" {
		return "; did you mean " + best + "?"
	}
	return "; the kinds are " + strings.Join(candidates, ", ")
}
