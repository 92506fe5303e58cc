package resource

import "errors"

// KeyFields names the fields that identify a resource of this kind, in the order in which a path
// or a command line has them.
func (k *Kind) KeyFields() []string {
	if k.Scope == Global {
		return []string{"name"}
	}
	return []string{"namespace", "name"}
}

// KeyOf makes a key from the values of [Kind.KeyFields].
func (k *Kind) KeyOf(values ...string) Key {
	if k.Scope == Global {
		return k.Key("", values[0])
	}
	return k.Key(values[0], values[1])
}

// KeyValues is the inverse of [Kind.KeyOf].
func (k *Kind) KeyValues(key Key) []string {
	if k.Scope == Global {
		return []string{key.Name}
	}
	return []string{key.Namespace, key.Name}
}

// CheckKey says what is wrong with the names in a key. A key with mistakes cannot exist, and must
// not be looked up: its text may be that of another key.
func (k *Kind) CheckKey(key Key) error {
	errs := []error{checkName("name", key.Name)}
	if k.Scope != Global {
		errs = append(errs, checkName("namespace", key.Namespace))
	}
	return ValidationError(errors.Join(errs...))
}
