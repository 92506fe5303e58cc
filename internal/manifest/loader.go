package manifest

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// loader reads files, one after the other.
type loader struct {
	reader Reader
	file   string                  // the one that is read, as errors call it
	dir    string                  // what its payload files are relative to
	seen   map[resource.Key]string // where a resource was listed first
	kinds  map[string]bool
	objs   Resources
	errs   []error
}

func (l *loader) fail(line int, format string, args ...any) {
	l.errs = append(l.errs, &Error{File: l.file, Line: line, Err: fmt.Errorf(format, args...)})
}

// open reads the text of a file.
func (l *loader) open(file string) ([]byte, error) {
	l.file, l.dir = file, filepath.Dir(file)
	if file != Stdin {
		return readFile(file, MaxFile)
	}
	l.file = "stdin"
	if l.reader.Stdin == nil {
		return nil, errors.New("there is no standard input here")
	}
	return readAll("it", l.reader.Stdin, MaxFile)
}

func (l *loader) load(file string) {
	data, err := l.open(file)
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
			l.fail(key.Line, "%q is not a kind of resource%s", key.Value, resource.Hint(key.Value, "the kinds are", plurals()))
			continue
		case list.Kind == yaml.ScalarNode && list.Tag == "!!null":
		case list.Kind != yaml.SequenceNode:
			l.fail(list.Line, "%s must be a list", key.Value)
		default:
			for _, item := range list.Content {
				l.item(kind, item)
			}
		}
		l.kinds[kind.Name] = true
	}
}

// fileSuffix is what the name of a field has behind it whose content is in a file.
const fileSuffix = "File"

// item reads one resource.
func (l *loader) item(kind *resource.Kind, node *yaml.Node) {
	if node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	if node.Kind != yaml.MappingNode {
		l.fail(node.Line, "a %s must be a mapping from fields to values", kind.Name)
		return
	}
	if key := keyNotText(node); key != nil {
		l.fail(key.Line, "%s: a key must be a text", kind.Name)
		return
	}
	var checked map[string]any
	if err := node.Decode(&checked); err != nil { // which also bounds what aliases make of it
		l.errs = append(l.errs, &Error{File: l.file, Line: node.Line, Err: err})
		return
	}
	fields, err := membersOf(node)
	if bad, ok := errors.AsType[*Error](err); ok {
		l.fail(bad.Line, "%s: %w", kind.Name, bad.Err)
		return
	}
	if err != nil {
		l.fail(node.Line, "%s: %w", kind.Name, err)
		return
	}
	if !l.inline(kind, node, fields) || !l.expand(kind, node, fields) {
		return
	}
	obj, err := resource.Decode(kind, object(fields), resource.Strict)
	if err == nil {
		if key := obj.Key(); key.Namespace == "" && kind.Scope != resource.Global {
			key.Namespace = cmp.Or(l.reader.Namespace, resource.DefaultNamespace)
			obj.SetKey(key)
		}
		if l.reader.Env != nil {
			err = obj.Validate()
		}
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
func (l *loader) inline(kind *resource.Kind, node *yaml.Node, fields []member) bool {
	for _, f := range kind.Fields {
		name := f.Name + fileSuffix
		m := memberOf(fields, name)
		path, isText := m.text()
		if !isText || f.Type != "bytes" {
			continue
		}
		if memberOf(fields, f.Name) != nil {
			l.fail(lineOf(node, name), "%s: %s and %s are given; one is enough", kind.Name, f.Name, name)
			return false
		}
		if !filepath.IsAbs(path) {
			path = filepath.Join(l.dir, path)
		}
		data, err := readFile(path, kind.MaxBody)
		if err != nil {
			l.fail(lineOf(node, name), "%s: %s: %w", kind.Name, name, err)
			return false
		}
		m.name, m.value = f.Name, jsonOf(data) // []byte is base64 in JSON
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
		l.fail(lineAt(kind, node, f.Field), "%s: %w", kind.Name, f)
	}
}

// readFile reads a file of at most limit bytes.
func readFile(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // it was only read
	return readAll(path, f, limit)
}

func readAll(name string, from io.Reader, limit int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(from, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("%s is larger than %d bytes", name, limit)
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
