package manifest

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"path"
	"slices"
	"time"

	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// Writer writes resource files. The zero value writes YAML that needs no other file.
type Writer struct {
	// JSON is written instead of YAML.
	JSON bool
	// File, if set, is called with the content of each field that may be in a file of its own. The
	// name has slashes, and is relative to the resource file.
	File func(name string, content []byte) error
}

// Write writes resources, each kind in a list, in dependency order. Fields with their default value
// are left out. Secret fields are written as [resource.Redacted], with a comment that says so.
func (w Writer) Write(out io.Writer, objs []resource.Object) error {
	var lists []member
	redacted := false
	for _, kind := range resource.All {
		var items []byte
		for _, obj := range objs {
			if obj.Key().Kind != kind.Name {
				continue
			}
			fields, err := w.fields(kind, obj)
			if err != nil {
				return err
			}
			items = append(append(items, ','), object(fields)...)
			for _, f := range resource.SecretFields(obj) {
				redacted = redacted || *f.Value != ""
			}
		}
		if len(items) > 0 {
			items[0] = '['
			lists = append(lists, member{kind.Plural, append(items, ']')})
		}
	}
	if w.JSON {
		var buf bytes.Buffer
		if err := json.Indent(&buf, object(lists), "", "  "); err != nil {
			return err
		}
		buf.WriteByte('\n')
		_, err := out.Write(buf.Bytes())
		return err
	}
	tree, err := YAML(object(lists))
	if err != nil {
		return err
	}
	if redacted {
		tree.HeadComment = secretsComment
	}
	text, err := EncodeYAML(tree)
	if err != nil {
		return err
	}
	_, err = out.Write(text)
	return err
}

const secretsComment = `# What is secret cannot be exported. ` + resource.Redacted + ` keeps the value that a server has
# already. For another server, put a value there, such as "{env.NAME}".
`

// fields are the members of a resource that say something.
func (w Writer) fields(kind *resource.Kind, obj resource.Object) ([]member, error) {
	given, err := valuesOf(obj)
	if err != nil {
		return nil, err
	}
	defaults, err := valuesOf(kind.New())
	if err != nil {
		return nil, err
	}
	keys := kind.KeyFields()
	var fields []member
	for _, f := range kind.Fields {
		m := member{f.Name, given[f.Name]}
		if m.value == nil || !slices.Contains(keys, f.Name) && !f.Required && bytes.Equal(m.value, defaults[f.Name]) {
			continue
		}
		switch {
		case f.Type == "duration":
			err = asDuration(&m)
		case f.Type == "bytes" && w.File != nil:
			err = w.asFile(&m, kind, obj)
		}
		if err != nil {
			return nil, err
		}
		fields = append(fields, m)
	}
	return fields, nil
}

// valuesOf are the members of a resource as clients see it.
func valuesOf(obj resource.Object) (values map[string]json.RawMessage, err error) {
	data, err := resource.Marshal(obj)
	if err != nil {
		return nil, err
	}
	return values, json.Unmarshal(data, &values)
}

// asDuration writes nanoseconds for people.
func asDuration(m *member) error {
	var d time.Duration
	err := json.Unmarshal(m.value, &d)
	m.value = jsonOf(d.String())
	return err
}

// asFile moves the content of a field into a file.
func (w Writer) asFile(m *member, kind *resource.Kind, obj resource.Object) error {
	var text string
	if err := json.Unmarshal(m.value, &text); err != nil {
		return err
	}
	content, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return err
	}
	name := path.Join(append([]string{kind.Plural}, kind.KeyValues(obj.Key())...)...) + extension(obj)
	m.name, m.value = m.name+fileSuffix, jsonOf(name)
	return w.File(name, content)
}

// extension is that of the file that a field of an object is in.
func extension(obj resource.Object) string {
	if m, ok := obj.(*resource.Module); ok && m.Type == resource.JavaScript {
		return ".js"
	}
	return ".ts"
}
