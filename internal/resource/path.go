package resource

import "errors"

// KeyFields names the fields that identify a resource of this kind, in the order in which a path
// or a command line has them.
func (k *Kind) KeyFields() []string {
	switch k.Scope {
	case Global:
		return []string{"name"}
	case InCollection:
		return []string{"namespace", "collection", "id"}
	default:
		return []string{"namespace", "name"}
	}
}

// KeyOf makes a key from the values of [Kind.KeyFields].
func (k *Kind) KeyOf(values ...string) Key {
	switch k.Scope {
	case Global:
		return k.Key("", values[0])
	case InCollection:
		return k.Key(values[0], documentName(values[1], values[2]))
	default:
		return k.Key(values[0], values[1])
	}
}

// KeyValues is the inverse of [Kind.KeyOf].
func (k *Kind) KeyValues(key Key) []string {
	switch k.Scope {
	case Global:
		return []string{key.Name}
	case InCollection:
		collection, id := splitDocumentName(key.Name)
		return []string{key.Namespace, collection, id}
	default:
		return []string{key.Namespace, key.Name}
	}
}

// CheckKey says what is wrong with the names in a key. A key with mistakes cannot exist, and must
// not be looked up: its text may be that of another key.
func (k *Kind) CheckKey(key Key) error {
	var errs []error
	for i, field := range k.KeyFields() {
		value := k.KeyValues(key)[i]
		if field == "id" {
			errs = append(errs, checkID(value))
		} else {
			errs = append(errs, checkName(field, value))
		}
	}
	return ValidationError(errors.Join(errs...))
}
