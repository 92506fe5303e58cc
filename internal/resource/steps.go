package resource

import (
	"fmt"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

const (
	// maxSteps bounds what compiling a schema may cost, and what checking one document may. A step
	// is about a microsecond.
	maxSteps = 1 << 20
	// matchPerStep is how much of length of the text × size of the program a regular expression
	// gets matched for a step.
	matchPerStep = 128
)

// steps counts down, and ends what it is for by a panic with a *spentError because the library has
// no other way to end it. Schema objects that are applied to values take steps: those that refer to
// each other can multiply with every level of nesting. Work on regular expressions takes as many as
// it costs at worst.
type steps struct{ left int }

// spend takes n steps for a regular expression, or "" for something else.
func (s *steps) spend(n int, pattern string) {
	if s.left -= n; s.left < 0 {
		panic(&spentError{pattern})
	}
}

// applied is attached to every schema object, to take steps when it is applied. That is one step,
// and one for each alternative: those that fail at once, such as by their type, take none.
type applied struct {
	steps *steps
	cost  int
	enum  *enum // nil: there is none
}

func newApplied(c *jsonschema.CompilerContext, obj map[string]any, steps *steps) *applied {
	a := &applied{steps: steps, cost: 1}
	for _, keyword := range []string{"allOf", "anyOf", "oneOf"} {
		if list, ok := obj[keyword].([]any); ok {
			a.cost += len(list)
		}
	}
	if _, ok := obj["enum"]; ok {
		a.enum = takeEnum(c)
	}
	return a
}

// Validate implements [jsonschema.SchemaExt].
func (a *applied) Validate(c *jsonschema.ValidatorContext, v any) {
	a.steps.spend(a.cost, "")
	if a.enum != nil {
		a.enum.validate(c, v, a.steps)
	}
}

// compile is a [jsonschema.RegexpEngine].
func (s *steps) compile(pattern string) (jsonschema.Regexp, error) {
	re, err := compileSpending(pattern, func(n int) { s.spend(n, pattern) })
	if err != nil {
		return nil, err
	}
	return &counted{re, s}, nil
}

// counted is a regular expression that takes steps.
type counted struct {
	*boundedRegexp
	steps *steps
}

// MatchString implements [jsonschema.Regexp].
func (c *counted) MatchString(text string) bool {
	c.steps.spend(1+len(text)*c.size/matchPerStep, c.String())
	return c.boundedRegexp.MatchString(text)
}

// spentError tells where steps ran out.
type spentError struct{ pattern string }

// Error ends a sentence that says what took too many steps.
func (e *spentError) Error() string {
	if e.pattern == "" {
		return ""
	}
	return fmt.Sprintf(", the last ones for the regular expression %.*s", maxValue, e.pattern)
}
