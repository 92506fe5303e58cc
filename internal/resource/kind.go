package resource

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
)

// Scope says what a name must be unique in.
type Scope uint8

// The scopes of kinds.
const (
	// Global names are unique in the whole store.
	Global Scope = iota
	// InNamespace names are unique in their namespace, which must exist.
	InNamespace
	// InCollection ids are unique in their collection, which must exist. In a [Key], the name is
	// that of the collection, a slash and the id.
	InCollection
)

// DefaultNamespace is the namespace of whatever does not name one. It exists from the start.
const DefaultNamespace = "default"

// Kind describes one kind of resource. Everything that handles resources derives from it.
type Kind struct {
	// Name is the singular, lower-case noun used in paths, commands and errors.
	Name string
	// Plural is used in listings and in "routes still linked".
	Plural string
	// Aliases are shorter nouns for the command line.
	Aliases []string
	// Scope is what the name is unique in.
	Scope Scope
	// Routed kinds are what requests are routed by: the gateway makes its table of them.
	Routed bool
	// MaxBody bounds the JSON of one resource on its way in, in bytes.
	MaxBody int64
	// Help is one sentence for people.
	Help string
	// Printed is what [Object.Print] is of, for people; empty for kinds without prints.
	Printed string
	// New makes an empty object with the defaults filled in.
	New func() Object
	// Fields lists what users may set, in the order of the JSON. Derived from the struct tags of New's result.
	Fields []Field
}

// Object is a resource of some kind. Implementations are pointers to the structs of this package.
type Object interface {
	// Key says which resource this is.
	Key() Key
	// SetKey names the resource, for callers that take the name from a path.
	SetKey(Key)
	// Metadata gives access to what the store keeps beside the fields.
	Metadata() *Meta
	// Validate reports every mistake of the object itself at once, as joined *FieldError values.
	// It may bring fields into canonical form, for example by removing duplicates.
	Validate() error
	// References lists the resources that must exist for this one to be stored.
	References() []Reference
	// Claims lists what no other resource of the same kind and namespace may claim.
	Claims() []Claim
	// Print is of what those that refer to this resource depend on: it cannot change while there
	// are any. Most resources have none, "".
	Print() string
}

// Key names one resource.
type Key struct {
	Kind      string
	Namespace string // empty for global kinds
	Name      string
}

// String is "kind namespace/name", for messages.
func (k Key) String() string {
	if k.Namespace == "" {
		return k.Kind + " " + k.Name
	}
	return k.Kind + " " + k.Namespace + "/" + k.Name
}

// Reference is a resource that another one needs.
type Reference struct {
	// Field is the path of the field that names it, such as "modules[1]".
	Field string
	// Target is what must exist.
	Target Key
	// Print is that of the target that the resource was checked against, if it was.
	Print string
}

// Claim is something exclusive within a kind and namespace.
type Claim struct {
	// Field is the path of the field that claims it.
	Field string
	// Token is equal for two resources exactly if they collide.
	Token string
	// Text shows the claim to people, as in "GET /users/{id}".
	Text string
}

// Meta is what the store keeps beside a resource's own fields.
type Meta struct {
	// CreatedAt is when the resource was first stored.
	CreatedAt time.Time
	// UpdatedAt is when it last changed.
	UpdatedAt time.Time
	// Version is the store's revision (its raft index) of the last change.
	Version uint64
}

// Metadata implements [Object] for the structs that embed Meta.
func (m *Meta) Metadata() *Meta { return m }

// Print implements [Object]: whatever changes, those that refer to the resource can go on.
func (m *Meta) Print() string { return "" }

// Field describes one settable field of a kind.
type Field struct {
	// Name is the JSON name.
	Name string
	// Aliases are other spellings accepted on input.
	Aliases []string
	// Type is one of "string", "strings", "int", "bool", "duration", "bytes" (base64) and "json"
	// (any JSON).
	Type string
	// Required fields have no default.
	Required bool
	// Default is shown in help, empty if the zero value is the default.
	Default string
	// Help is one sentence for people.
	Help string
	// Quiet fields are never repeated in an error, because they are large or secret.
	Quiet bool
	// Secret fields are quiet, encrypted at rest, and answered as [Redacted].
	Secret bool

	index []int
}

// All lists the kinds in dependency order: a kind comes after those that it refers to.
var All = kinds(namespaceKind, serviceKind, moduleKind, routeKind, domainKind, collectionKind, documentKind, secretKind)

// ByName finds a kind by its name, plural or alias.
func ByName(name string) (*Kind, bool) {
	for _, k := range All {
		if name == k.Name || name == k.Plural {
			return k, true
		}
		if slices.Contains(k.Aliases, name) {
			return k, true
		}
	}
	return nil, false
}

// MustKind is [ByName] for names that are written in the program.
func MustKind(name string) *Kind {
	k, ok := ByName(name)
	if !ok {
		panic("resource: no kind " + name)
	}
	return k
}

// Default gives a resource that names no namespace the default one.
func Default(obj Object) {
	key := obj.Key()
	if kind := MustKind(key.Kind); kind.Scope != Global && key.Namespace == "" {
		key.Namespace = DefaultNamespace
		obj.SetKey(key)
	}
}

// Key makes a key of this kind, putting an absent namespace right.
func (k *Kind) Key(namespace, name string) Key {
	if k.Scope == Global {
		namespace = ""
	}
	return Key{Kind: k.Name, Namespace: namespace, Name: name}
}

func kinds(ks ...Kind) []*Kind {
	all := make([]*Kind, len(ks))
	for i := range ks {
		ks[i].Fields = fieldsOf(reflect.TypeOf(ks[i].New()).Elem())
		all[i] = &ks[i]
	}
	return all
}

// fieldsOf reads the tags json (name), dgate (options) and help of a resource's struct.
func fieldsOf(t reflect.Type) []Field {
	var fields []Field
	for _, sf := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(sf.Tag.Get("json"), ",")
		if name == "" || name == "-" {
			continue
		}
		f := Field{Name: name, Type: typeName(sf.Type), Help: sf.Tag.Get("help"), index: sf.Index}
		f.Aliases = spellings(name, f.Type)
		for opt := range strings.SplitSeq(sf.Tag.Get("dgate"), ",") {
			switch key, value, _ := strings.Cut(opt, "="); key {
			case "":
			case "required":
				f.Required = true
			case "quiet":
				f.Quiet = true
			case "secret":
				f.Quiet, f.Secret = true, true
			case "default":
				f.Default = value
			case "alias":
				f.Aliases = append(f.Aliases, value)
			default:
				panic(fmt.Sprintf("resource: %s.%s: unknown option %q", t, sf.Name, key))
			}
		}
		fields = append(fields, f)
	}
	return fields
}

func typeName(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[Duration]():
		return "duration"
	case t == reflect.TypeFor[[]byte]():
		return "bytes"
	case t == reflect.TypeFor[[]string]():
		return "strings"
	case t == reflect.TypeFor[json.RawMessage]():
		return "json"
	case t.Kind() == reflect.Int:
		return "int"
	case t.Kind() == reflect.Bool:
		return "bool"
	case t.Kind() == reflect.String:
		return "string"
	}
	panic("resource: no name for field type " + t.String())
}

// spellings are the names that the Rust successor of DGate gave to a field: snake case, and
// for durations a number of milliseconds under a name that says so.
func spellings(name, typ string) []string {
	snake := snakeCase(name)
	if typ == "duration" {
		return []string{snake, snake + "_ms"}
	}
	if snake == name {
		return nil
	}
	return []string{snake}
}

// snakeCase turns "hideDGateHeaders" into "hide_dgate_headers".
func snakeCase(s string) string {
	var b strings.Builder
	for i, r := range s {
		upper := r >= 'A' && r <= 'Z'
		if upper && i > 0 && !(s[i-1] >= 'A' && s[i-1] <= 'Z') {
			b.WriteByte('_')
		}
		if upper {
			r += 'a' - 'A'
		}
		b.WriteRune(r)
	}
	return b.String()
}
