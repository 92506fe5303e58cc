package js

import (
	"bytes"
	"regexp"
)

// features says which parts of the environment a bundle can possibly touch, so
// that a VM does not pay for the others.
type features struct {
	host      bool // host modules
	replace   bool // String.prototype.replace and replaceAll
	fill      bool // Array.prototype.fill
	from      bool // Array.from
	backtrack bool // regular expressions that may backtrack
	polyfills []*polyfill
}

// computed finds the means of calling a built-in without naming it.
var computed = regexp.MustCompile(`\]\s*\(|\b(?:call|apply|bind|Reflect)\b`)

func detect(code []byte) features {
	any := computed.Match(code)
	has := func(name string) bool { return bytes.Contains(code, []byte(name)) }
	f := features{
		backtrack: makesRegex.Match(code) || backtracks(string(code)),
		host:      has(param + ".host("),
		replace:   any || has("replace"),
		fill:      any || has("fill"),
		from:      any || has("from"),
	}
	for i := range polyfills {
		if polyfills[i].used.Match(code) {
			f.polyfills = append(f.polyfills, &polyfills[i])
		}
	}
	return f
}

// makesRegex finds the means of making a regular expression of a string.
var makesRegex = regexp.MustCompile(`\bRegExp\b|\.(?:match|matchAll|search)\s*\(`)

// backtracking finds what goja hands to its backtracking engine: look-around,
// references to groups, and everything that may be continued at an index.
var backtracking = regexp.MustCompile(`\(\?<?[=!]|\\[1-9k]|/\w*[gy]\w*$`)

// backtracks reports whether a regular expression in the code may backtrack.
func backtracks(code string) bool {
	s := scanner{src: code}
	for s.next() != tokEOF {
		if s.regex && backtracking.MatchString(s.text) {
			return true
		}
		if s.fork != nil && backtracking.MatchString(s.fork.text) {
			return true // perhaps
		}
	}
	return false
}
