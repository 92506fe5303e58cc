package resource

import (
	"bytes"
	"encoding/json"
	"reflect"
)

// Difference is a field that two resources do not have in common.
type Difference struct {
	// Field is its JSON name.
	Field string `json:"field"`
	// Old and New are its values as JSON; absent for fields that are large or secret.
	Old json.RawMessage `json:"old,omitempty"`
	New json.RawMessage `json:"new,omitempty"`
}

// Differences compares the fields of two resources of one kind, in their order.
func Differences(before, after Object) ([]Difference, error) {
	var all []Difference
	for _, f := range MustKind(before.Key().Kind).Fields {
		was, err := marshal(reflect.ValueOf(before).Elem().FieldByIndex(f.index).Interface())
		if err != nil {
			return nil, err
		}
		is, err := marshal(reflect.ValueOf(after).Elem().FieldByIndex(f.index).Interface())
		if err != nil {
			return nil, err
		}
		if bytes.Equal(was, is) {
			continue
		}
		d := Difference{Field: f.Name}
		if !f.Quiet {
			d.Old, d.New = was, is
		}
		all = append(all, d)
	}
	return all, nil
}
