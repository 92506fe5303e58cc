package resource

import (
	"encoding/json"
	"math/big"
	"strconv"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// enum is the keyword of the same name with a lookup in place of a comparison with each value, of
// which there can be tens of thousands, for each of hundreds of thousands of items.
type enum struct {
	scalars  map[string]bool
	others   []any
	cost     int // of comparing something with the others, in steps
	mismatch *notInEnum
}

// notInEnum is a mistake that has its text already: it is that of every value.
type notInEnum struct {
	*kind.Enum
	text string
}

// takeEnum takes the enum out of the schema that is being compiled; nil if it has none.
func takeEnum(c *jsonschema.CompilerContext) *enum {
	s := c.Enqueue(nil) // the schema itself
	if s.Enum == nil {
		return nil
	}
	all := s.Enum.Values
	s.Enum = nil
	e := &enum{scalars: map[string]bool{}, mismatch: &notInEnum{&kind.Enum{Want: all}, "must be " + values(all)}}
	for _, v := range all {
		if name, ok := scalar(v); ok {
			e.scalars[name] = true
			continue
		}
		text, _ := marshal(v) // it comes from JSON
		e.others = append(e.others, v)
		e.cost += 1 + len(text)/16
	}
	return e
}

func (e *enum) validate(c *jsonschema.ValidatorContext, v any, steps *steps) {
	if name, ok := scalar(v); ok {
		if !e.scalars[name] {
			c.AddError(e.mismatch)
		}
		return
	}
	steps.spend(e.cost, "")
	for _, other := range e.others {
		if same, err := c.Equals(v, other); same || err != nil {
			c.AddErr(err)
			return
		}
	}
	c.AddError(e.mismatch)
}

// scalar names a value that is no array and no object so that equal values have one name.
func scalar(v any) (name string, ok bool) {
	switch v := v.(type) {
	case nil:
		return "null", true
	case bool:
		return strconv.FormatBool(v), true
	case string:
		return `"` + v, true
	case json.Number:
		n, ok := new(big.Rat).SetString(v.String())
		if !ok {
			return "", false
		}
		return n.RatString(), true
	}
	return "", false
}
