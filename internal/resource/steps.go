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
// no other way to end it. One step is a schema object that is applied to a value: subschemas that
// refer to each other can multiply with every level of nesting. Work on regular expressions is
// as many as it costs at worst.
type steps struct{ left int }

// spend takes n steps for a regular expression, or "" for something else.
func (s *steps) spend(n int, pattern string) {
	if s.left -= n; s.left < 0 {
		panic(&spentError{pattern})
	}
}

// Validate implements [jsonschema.SchemaExt]. It is attached to every schema object.
func (s *steps) Validate(*jsonschema.ValidatorContext, any) { s.spend(1, "") }

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
