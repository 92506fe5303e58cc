package resource

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"
)

const (
	// maxRegexp bounds a regular expression, in bytes.
	maxRegexp = 1 << 10
	// maxRegexpProgram bounds what it is compiled to, in instructions.
	maxRegexpProgram = 10_000
	// foldedRange is how many steps a range of characters may take to parse: if case is ignored,
	// all of its characters are looked up one by one.
	foldedRange = 4096
)

// boundedRegexp is a compiled regular expression. Matching takes time in proportion to the text, and
// at worst to the size of the program, which is bounded for that.
type boundedRegexp struct {
	*regexp.Regexp
	size int // in instructions
}

// compileRegexp compiles a regular expression.
func compileRegexp(pattern string) (*boundedRegexp, error) {
	return compileSpending(pattern, func(int) {})
}

// compileSpending is compileRegexp for many of them. It calls spend with what one costs, in steps
// like those of [steps].
func compileSpending(pattern string, spend func(int)) (*boundedRegexp, error) {
	if len(pattern) > maxRegexp {
		return nil, fmt.Errorf("it is longer than %d bytes", maxRegexp)
	}
	spend(parseSteps(pattern))
	parsed, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return nil, err
	}
	program, err := syntax.Compile(parsed.Simplify())
	if err != nil {
		return nil, err
	}
	spend(len(program.Inst) / 2)
	if len(program.Inst) > maxRegexpProgram {
		return nil, errors.New("it repeats too much")
	}
	re, err := regexp.Compile(pattern)
	if err != nil {
		return nil, err
	}
	return &boundedRegexp{re, len(program.Inst)}, nil
}

// parseSteps is what a regular expression may cost to parse, before it is known what is in it.
func parseSteps(pattern string) int {
	n := 1 + 2*len(pattern)
	beyondASCII := strings.ContainsFunc(pattern, func(r rune) bool { return r >= 0x80 }) || strings.Contains(pattern, `\x{`)
	if beyondASCII && strings.Contains(pattern, "(?") {
		n += foldedRange * strings.Count(pattern, "-")
	}
	return n
}
