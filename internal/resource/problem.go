package resource

import (
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// maxText bounds a text that is made of parts of a schema, in bytes.
const maxText = 500

// teller puts what a JSON Schema finds wrong into words.
type teller struct {
	doc  any
	root string   // what doc is called
	at   []string // where in doc the locations of errors begin
}

// tell lists the mistakes in an error. Each is told where it is, however many schemas refer to
// each other in between.
func (t *teller) tell(e *jsonschema.ValidationError) []*FieldError {
	switch k := e.ErrorKind.(type) {
	case *kind.Required:
		return t.each(e, k.Missing, "is required")
	case *kind.Dependency:
		return t.each(e, k.Missing, "is required beside "+k.Prop)
	case *kind.DependentRequired:
		return t.each(e, k.Missing, "is required beside "+k.Prop)
	case *kind.AdditionalProperties:
		return t.each(e, k.Properties, "is not a property that the schema knows")
	case *kind.PropertyNames:
		return t.each(e, []string{k.Property}, "has a name that the schema does not allow")
	case *kind.AnyOf:
		return t.alternatives(e, "must match one of the schemas under anyOf")
	case *kind.OneOf:
		if len(k.Subschemas) > 1 {
			return t.one(e, fmt.Sprintf("must match only one of the schemas under oneOf, but matches numbers %d and %d", k.Subschemas[0], k.Subschemas[1]))
		}
		return t.alternatives(e, "must match one of the schemas under oneOf")
	}
	if text := problem(e.ErrorKind); text != "" {
		return t.one(e, text)
	}
	var all []*FieldError
	for _, cause := range e.Causes {
		all = append(all, t.tell(cause)...)
	}
	if len(all) == 0 {
		return t.one(e, "does not match the schema ("+strings.Join(e.ErrorKind.KeywordPath(), "/")+")")
	}
	return all
}

func (t *teller) place(e *jsonschema.ValidationError) string {
	return place(t.doc, t.root, append(slices.Clone(t.at), e.InstanceLocation...))
}

func (t *teller) one(e *jsonschema.ValidationError, text string) []*FieldError {
	return []*FieldError{Invalid(t.place(e), "", "%s", text)}
}

// each makes a mistake of every name of a member of the object that e is about.
func (t *teller) each(e *jsonschema.ValidationError, names []string, text string) []*FieldError {
	var all []*FieldError
	for _, name := range names {
		all = append(all, Invalid(t.place(e)+selector(name), "", "%s", text))
	}
	return all
}

// alternatives is one mistake that says how each alternative fails, in short.
func (t *teller) alternatives(e *jsonschema.ValidationError, text string) []*FieldError {
	here := t.place(e)
	var ways, types []string
	for _, cause := range e.Causes {
		if k, ok := cause.ErrorKind.(*kind.Type); ok {
			types = append(types, k.Want...)
		}
		var parts []string
		for _, m := range t.tell(cause) {
			parts = append(parts, strings.TrimPrefix(m.Error(), here+" "))
		}
		ways = append(ways, fmt.Sprintf("(%d) %s", len(ways)+1, strings.Join(parts, ", ")))
	}
	if len(ways) > 0 && t.onlyTypes(e) {
		return t.one(e, "must be "+orList(types))
	}
	if len(ways) > 0 {
		text += ": " + strings.Join(ways, "; ")
	}
	return t.one(e, shorten(text))
}

// onlyTypes tells whether a value fails all alternatives because of its own type.
func (t *teller) onlyTypes(e *jsonschema.ValidationError) bool {
	return !slices.ContainsFunc(e.Causes, func(cause *jsonschema.ValidationError) bool {
		_, ok := cause.ErrorKind.(*kind.Type)
		return !ok || t.place(cause) != t.place(e)
	})
}

// problem says what would be right; "" for what has its problem in its causes.
func problem(k jsonschema.ErrorKind) string {
	switch k := k.(type) {
	case *kind.Type:
		return "must be " + orList(k.Want)
	case *notInEnum:
		return k.text
	case *kind.Enum:
		return "must be " + values(k.Want)
	case *kind.Const:
		return "must be " + values([]any{k.Want})
	case *kind.Format:
		if k.Want == "regex" { // those of schemas say nothing confidential
			return shorten(fmt.Sprintf("must be a regular expression: %s", k.Err))
		}
		return shorten("must have the format " + k.Want)
	case *kind.Pattern:
		return shorten("must match the pattern " + k.Want)
	case *kind.MinLength:
		return fmt.Sprintf("must have at least %s, not %d", count(k.Want, "character"), k.Got)
	case *kind.MaxLength:
		return fmt.Sprintf("must have at most %s, not %d", count(k.Want, "character"), k.Got)
	case *kind.Minimum:
		return "must be at least " + number(k.Want)
	case *kind.Maximum:
		return "must be at most " + number(k.Want)
	case *kind.ExclusiveMinimum:
		return "must be more than " + number(k.Want)
	case *kind.ExclusiveMaximum:
		return "must be less than " + number(k.Want)
	case *kind.MultipleOf:
		return "must be a multiple of " + number(k.Want)
	case *kind.MinItems:
		return fmt.Sprintf("must have at least %s, not %d", count(k.Want, "item"), k.Got)
	case *kind.MaxItems:
		return fmt.Sprintf("must have at most %s, not %d", count(k.Want, "item"), k.Got)
	case *kind.AdditionalItems:
		return fmt.Sprintf("has %d more items than the schema knows", k.Count)
	case *kind.UniqueItems:
		return fmt.Sprintf("must not have equal items: [%d] and [%d] are", k.Duplicates[0], k.Duplicates[1])
	case *kind.Contains:
		return "must have an item that matches the schema under contains"
	case *kind.MinContains:
		return fmt.Sprintf("must have at least %s that match the schema under contains, not %d", count(k.Want, "item"), len(k.Got))
	case *kind.MaxContains:
		return fmt.Sprintf("must have at most %s that match the schema under contains, not %d", count(k.Want, "item"), len(k.Got))
	case *kind.MinProperties:
		return fmt.Sprintf("must have at least %d properties, not %d", k.Want, k.Got)
	case *kind.MaxProperties:
		return fmt.Sprintf("must have at most %d properties, not %d", k.Want, k.Got)
	case *kind.Not:
		return "must not match the schema under not"
	case *kind.FalseSchema:
		return "is not allowed"
	case *kind.RefCycle:
		return "cannot be checked: the schema refers to itself without end"
	}
	return ""
}

// orList is "a string or null".
func orList(types []string) string {
	var names []string
	for _, t := range types {
		name := "a " + t
		switch t {
		case "null":
			name = t
		case "array", "integer", "object":
			name = "an " + t
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " or " + names[len(names)-1]
}

// values lists what an enum or a const allows.
func values(want []any) string {
	var texts []string
	for size := 0; len(texts) < len(want) && size <= maxText; size += len(texts[len(texts)-1]) {
		v := want[len(texts)]
		text, err := marshal(v)
		if err != nil {
			text = []byte("?")
		}
		texts = append(texts, string(text))
	}
	if len(texts) == 1 {
		return shorten(texts[0])
	}
	return shorten("one of " + strings.Join(texts, ", "))
}

// number writes a bound of a schema.
func number(n *big.Rat) string {
	if n.IsInt() {
		return shorten(n.Num().String())
	}
	f, _ := n.Float64()
	return strconv.FormatFloat(f, 'g', -1, 64)
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}

func shorten(text string) string {
	if len(text) <= maxText {
		return text
	}
	return strings.ToValidUTF8(text[:maxText], "") + "…"
}
