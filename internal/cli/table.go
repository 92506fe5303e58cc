package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// maxCell is the width of the widest cell, in characters.
const maxCell = 60

// toTable writes one line per resource. What is no resource has a line per object of a list, or per
// member of an object.
func toTable(kind *resource.Kind, data json.RawMessage) ([]byte, error) {
	rows, err := tableRows(data)
	if err != nil {
		return nil, err
	}
	var buf bytes.Buffer
	w := tabwriter.NewWriter(&buf, 0, 0, 2, ' ', 0)
	switch {
	case kind != nil:
		writeResources(w, kind, rows)
	case isObject(data):
		err = writeMembers(w, "", data)
	default:
		err = writeObjects(w, data)
	}
	if err != nil {
		return nil, err
	}
	if err := w.Flush(); err != nil {
		return nil, err
	}
	return trimLines(buf.Bytes()), nil
}

// tableRows reads an object or a list of them.
func tableRows(data json.RawMessage) ([]map[string]json.RawMessage, error) {
	var rows []map[string]json.RawMessage
	if json.Unmarshal(data, &rows) == nil {
		return rows, nil
	}
	var row map[string]json.RawMessage
	if err := json.Unmarshal(data, &row); err != nil {
		return nil, err
	}
	return []map[string]json.RawMessage{row}, nil
}

// writeResources has a column for each key field, and for each other field that says something.
func writeResources(w *tabwriter.Writer, kind *resource.Kind, rows []map[string]json.RawMessage) {
	keys := kind.KeyFields()
	columns := make([]*resource.Field, 0, len(kind.Fields))
	for _, key := range slices.Backward(keys) { // the name first
		if f, ok := kind.FieldByName(key); ok {
			columns = append(columns, f)
		}
	}
	for i := range kind.Fields {
		f := &kind.Fields[i]
		if f.Quiet && f.Type != "json" || isKeyField(keys, f.Name) {
			continue
		}
		for _, row := range rows {
			if says(f, row[f.Name]) {
				columns = append(columns, f)
				break
			}
		}
	}
	for i, f := range columns {
		fmt.Fprint(w, tab(i), strings.ToUpper(f.Name))
	}
	fmt.Fprintln(w)
	for _, row := range rows {
		for i, f := range columns {
			fmt.Fprint(w, tab(i), shorten(cell(f, row[f.Name])))
		}
		fmt.Fprintln(w)
	}
}

func isKeyField(keys []string, name string) bool {
	return slices.Contains(keys, name)
}

func tab(i int) string {
	if i == 0 {
		return ""
	}
	return "\t"
}

// says tells whether a value is worth a column: it is set, and not what everybody expects.
func says(f *resource.Field, value json.RawMessage) bool {
	zero := string(value) == "false" || string(value) == "0"
	return cell(f, value) != "" && (!zero || f.Default != "")
}

// cell is a value on one line; what is not set is empty.
func cell(f *resource.Field, value json.RawMessage) string {
	var text string
	var list []string
	var number int64
	switch {
	case len(value) == 0, string(value) == "null":
		return ""
	case json.Unmarshal(value, &text) == nil:
	case json.Unmarshal(value, &list) == nil:
		text = strings.Join(list, ",")
	case f != nil && f.Type == "duration" && json.Unmarshal(value, &number) == nil:
		text = time.Duration(number).String()
	default:
		text = string(value)
	}
	return oneLine(text)
}

// oneLine keeps what breaks lines and tables out of a text.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return unicode.ReplacementChar
		}
		return r
	}, text)
}

// shorten keeps a cell from being wider than [maxCell].
func shorten(text string) string {
	if utf8.RuneCountInString(text) > maxCell {
		text = string([]rune(text)[:maxCell-1]) + "…"
	}
	return text
}

// trimLines removes the padding after the last column.
func trimLines(data []byte) []byte {
	lines := strings.Split(string(data), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return []byte(strings.Join(lines, "\n"))
}
