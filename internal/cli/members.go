package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
)

// member is one member of an object.
type member struct {
	name  string
	value json.RawMessage
}

// membersOf reads an object, and keeps the order of its members.
func membersOf(data json.RawMessage) ([]member, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	if start, err := dec.Token(); err != nil || start != json.Delim('{') {
		return nil, errors.Join(errors.New("it is no object"), err)
	}
	var members []member
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return nil, err
		}
		m := member{name: oneLine(fmt.Sprint(name))}
		if err := dec.Decode(&m.value); err != nil {
			return nil, err
		}
		members = append(members, m)
	}
	return members, nil
}

func isObject(data json.RawMessage) bool { return bytes.HasPrefix(bytes.TrimSpace(data), []byte("{")) }

// objectsOf reads a list of objects; ok is false if it is something else.
func objectsOf(data json.RawMessage) (objects []json.RawMessage, ok bool) {
	if json.Unmarshal(data, &objects) != nil || len(objects) == 0 {
		return nil, false
	}
	return objects, !slices.ContainsFunc(objects, func(o json.RawMessage) bool { return !isObject(o) })
}

// writeMembers has a line for each member of an object, in its order and with its whole value. The
// members of a member have their path as a name, and each object of a list has a line.
func writeMembers(w *tabwriter.Writer, path string, data json.RawMessage) error {
	members, err := membersOf(data)
	if err != nil {
		return err
	}
	for _, m := range members {
		name := path + m.name
		if isObject(m.value) {
			if err := writeMembers(w, name+".", m.value); err != nil {
				return err
			}
			continue
		}
		objects, ok := objectsOf(m.value)
		if !ok {
			fmt.Fprintf(w, "%s\t%s\n", name, cell(nil, m.value))
			continue
		}
		for i, object := range objects {
			line, err := pairsOf(object)
			if err != nil {
				return err
			}
			fmt.Fprintf(w, "%s[%d]\t%s\n", name, i, line)
		}
	}
	return nil
}

// pairsOf is an object on one line, in the spelling of arguments.
func pairsOf(object json.RawMessage) (string, error) {
	members, err := membersOf(object)
	if err != nil {
		return "", err
	}
	var pairs []string
	for _, m := range members {
		if text := cell(nil, m.value); text != "" {
			pairs = append(pairs, m.name+"="+text)
		}
	}
	return strings.Join(pairs, " "), nil
}

// writeObjects has a line for each object of a list, and a column for each member that any has.
func writeObjects(w *tabwriter.Writer, data json.RawMessage) error {
	var objects []json.RawMessage
	if err := json.Unmarshal(data, &objects); err != nil {
		return err
	}
	var columns []string
	rows := make([]map[string]string, len(objects))
	for i, object := range objects {
		members, err := membersOf(object)
		if err != nil {
			return err
		}
		rows[i] = map[string]string{}
		for _, m := range members {
			if !slices.Contains(columns, m.name) {
				columns = append(columns, m.name)
			}
			rows[i][m.name] = cell(nil, m.value)
		}
	}
	for i, name := range columns {
		fmt.Fprint(w, tab(i), strings.ToUpper(name))
	}
	fmt.Fprintln(w)
	for _, row := range rows {
		for i, name := range columns {
			fmt.Fprint(w, tab(i), row[name])
		}
		fmt.Fprintln(w)
	}
	return nil
}
