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

// toTable writes one line per resource, or per member of an object that is no resource.
func toTable(kind *resource.Kind, data json.RawMessage) ([]byte, error) {
	rows, err := tableRows(data)
	if err != nil {
		return nil, err
	}
	var buf bytes.Buffer
	w := tabwriter.NewWriter(&buf, 0, 0, 2, ' ', 0)
	if kind == nil {
		err = writeMembers(w, data)
	} else {
		writeResources(w, kind, rows)
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
		if f.Quiet || isKeyField(keys, f.Name) {
			continue
		}
		for _, row := range rows {
			if cell(f, row[f.Name]) != "" {
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
			fmt.Fprint(w, tab(i), cell(f, row[f.Name]))
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

// writeMembers has a line for each member of an object, in its order.
func writeMembers(w *tabwriter.Writer, data json.RawMessage) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	if start, err := dec.Token(); err != nil || start != json.Delim('{') {
		_, err := fmt.Fprintln(w, string(data))
		return err
	}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return err
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return err
		}
		fmt.Fprintf(w, "%v\t%s\n", name, cell(nil, value))
	}
	return nil
}

// cell is a value in few characters; what is not set is empty.
func cell(f *resource.Field, value json.RawMessage) string {
	var text string
	var list []string
	var number int64
	switch {
	case len(value) == 0, string(value) == "null", string(value) == "false", string(value) == "0":
		return ""
	case json.Unmarshal(value, &text) == nil:
	case json.Unmarshal(value, &list) == nil:
		text = strings.Join(list, ",")
	case f != nil && f.Type == "duration" && json.Unmarshal(value, &number) == nil:
		text = time.Duration(number).String()
	default:
		text = string(value)
	}
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return unicode.ReplacementChar
		}
		return r
	}, text)
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
