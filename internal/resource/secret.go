package resource

import (
	"errors"
	"reflect"
)

var secretKind = Kind{
	Name: "secret", Plural: "secrets", Aliases: []string{"sec"}, Scope: InNamespace, MaxBody: smallBody,
	Help: "A value that modules of its namespace can read, and nobody else.",
	New:  func() Object { return new(Secret) },
}

// MaxSecretSize bounds the data of a secret, in bytes.
const MaxSecretSize = 64 << 10

// Redacted is what stands for the value of a secret field on output, and on input for the value
// that is stored already.
const Redacted = "**redacted**"

// Secret is a value that modules can read. Its fields are described by their help tags. What is
// stored of Data is encrypted: see package change.
type Secret struct {
	Name      string   `json:"name" dgate:"required" help:"Name of the secret."`
	Namespace string   `json:"namespace" dgate:"default=default" help:"Namespace of the secret."`
	Data      string   `json:"data" dgate:"required,secret" help:"The value, up to 64 KiB. It is answered as **redacted**; sent back like that, the stored value stays."`
	Tags      []string `json:"tags,omitempty" help:"Free words for people and modules."`
	Meta      `json:"-"`
}

// Key implements [Object].
func (s *Secret) Key() Key { return Key{Kind: "secret", Namespace: s.Namespace, Name: s.Name} }

// SetKey implements [Object].
func (s *Secret) SetKey(k Key) { s.Namespace, s.Name = k.Namespace, k.Name }

// Validate implements [Object].
func (s *Secret) Validate() error {
	s.Tags = unique(s.Tags)
	errs := checkScoped(s.Name, s.Namespace, s.Tags)
	switch {
	case s.Data == "":
		errs = append(errs, Invalid("data", "", "is required"))
	case len(s.Data) > MaxSecretSize:
		errs = append(errs, Invalid("data", "", "must not be larger than %d bytes", MaxSecretSize))
	}
	return errors.Join(errs...)
}

// References implements [Object].
func (s *Secret) References() []Reference { return []Reference{namespaceRef(s.Namespace)} }

// Claims implements [Object]: a secret claims nothing.
func (s *Secret) Claims() []Claim { return nil }

// SecretField is a field of a resource whose value is encrypted at rest and never answered.
type SecretField struct {
	// Name is the JSON name of the field.
	Name string
	// Value points to the field in the object.
	Value *string
}

// SecretFields lists the secret fields of an object.
func SecretFields(obj Object) []SecretField {
	var fields []SecretField
	for _, f := range MustKind(obj.Key().Kind).Fields {
		if f.Secret {
			value := reflect.ValueOf(obj).Elem().FieldByIndex(f.index).Addr().Interface().(*string)
			fields = append(fields, SecretField{f.Name, value})
		}
	}
	return fields
}

// Clone copies an object. Its lists are those of the original.
func Clone(obj Object) Object {
	original := reflect.ValueOf(obj).Elem()
	twin := reflect.New(original.Type())
	twin.Elem().Set(original)
	return twin.Interface().(Object)
}

// redact is obj without the values of its secret fields. An empty one stays empty.
func redact(obj Object) Object {
	if len(SecretFields(obj)) == 0 {
		return obj
	}
	obj = Clone(obj)
	for _, f := range SecretFields(obj) {
		if *f.Value != "" {
			*f.Value = Redacted
		}
	}
	return obj
}
