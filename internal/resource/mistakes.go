package resource

import (
	"cmp"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// maxMistakes bounds how many mistakes of one document or schema are told.
const maxMistakes = 100

// dataMistakes turns what is wrong with the data of a document into field errors, which say where
// and what would be right, and do not repeat values.
func dataMistakes(doc any, err error) error {
	var wrong *jsonschema.ValidationError
	if !errors.As(err, &wrong) {
		return err
	}
	return mistakesIn(doc, "data", nil, wrong)
}

// schemaMistakes turns what is wrong with a schema into field errors.
func schemaMistakes(doc any, err error) error {
	var (
		invalid *jsonschema.SchemaValidationError
		wrong   *jsonschema.ValidationError
		load    *jsonschema.LoadURLError
		re      *jsonschema.InvalidRegexError
	)
	switch {
	case errors.As(err, &invalid) && errors.As(invalid.Err, &wrong):
		return mistakesIn(doc, "schema", tokens(invalid.URL), wrong)
	case errors.As(err, &load):
		return Invalid("schema", "", "refers to %s: %s", strings.TrimPrefix(load.URL, "dgate:///"), load.Err)
	case errors.As(err, &re):
		return Invalid(place(doc, "schema", tokens(re.URL)), "", "has a regular expression that is none: %s", re.Err)
	}
	return Invalid("schema", "", "%s", strings.ReplaceAll(err.Error(), schemaURL, ""))
}

// tokens splits the JSON pointer at the end of a URL.
func tokens(url string) []string {
	_, pointer, _ := strings.Cut(url, "#")
	if pointer == "" {
		return nil
	}
	unescape := strings.NewReplacer("~1", "/", "~0", "~")
	parts := strings.Split(strings.TrimPrefix(pointer, "/"), "/")
	for i, p := range parts {
		parts[i] = unescape.Replace(p)
	}
	return parts
}

// mistakesIn lists the mistakes in doc, whose path is root, in a fixed order and each once.
func mistakesIn(doc any, root string, at []string, wrong *jsonschema.ValidationError) error {
	t := teller{doc: doc, root: root, at: at}
	all := t.tell(wrong)
	slices.SortFunc(all, func(a, b *FieldError) int {
		return cmp.Or(strings.Compare(a.Field, b.Field), strings.Compare(a.Problem, b.Problem))
	})
	all = slices.CompactFunc(all, func(a, b *FieldError) bool { return *a == *b })
	if more := len(all) - maxMistakes; more > 0 {
		all = append(all[:maxMistakes], Invalid(root, "", "has %d more mistakes", more))
	}
	errs := make([]error, len(all))
	for i, e := range all {
		errs[i] = e
	}
	return errors.Join(errs...)
}

// place is the path of a value in doc, such as data.items[3].name or data["a b"].
func place(doc any, root string, tokens []string) string {
	var b strings.Builder
	b.WriteString(root)
	for _, token := range tokens {
		switch v := doc.(type) {
		case []any:
			i, err := strconv.Atoi(token)
			if err != nil || i < 0 || i >= len(v) {
				return b.String()
			}
			doc = v[i]
			b.WriteString("[" + token + "]")
		case map[string]any:
			doc = v[token]
			b.WriteString(selector(token))
		default:
			return b.String()
		}
	}
	return b.String()
}

// selector is how a path goes on to a member of an object.
func selector(name string) string {
	plain := name != "" && len(name) <= MaxNameLength
	for i := range len(name) {
		plain = plain && (letterOrDigit(name[i]) || strings.IndexByte("_-$", name[i]) >= 0)
	}
	if plain {
		return "." + name
	}
	if len(name) > MaxNameLength {
		name = strings.ToValidUTF8(name[:MaxNameLength], "") + "…"
	}
	return "[" + strconv.Quote(name) + "]"
}
