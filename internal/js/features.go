package js

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
)

// features says which parts of the environment a bundle can possibly touch, so
// that a VM does not pay for the others.
type features struct {
	host        bool     // host modules
	matchers    []string // of the words in matchers, if regular expressions may backtrack
	limitations []*limitation
	detached    []string // methods of arrays that may be called on anything
	unnamed     []string // methods of arrays that may be read under a computed name
	polyfills   []*polyfill
}

// computedCall reports whether the code has the means of calling a built-in
// without naming it, right where it is read or with a receiver of its choice.
func computedCall(code []byte) bool {
	for _, word := range [...]string{"](", "] (", "]`", "] `", "]?.", ".call", ".apply", ".bind", "Reflect"} {
		if bytes.Contains(code, []byte(word)) {
			return true
		}
	}
	return false
}

func detect(code []byte) features {
	any := computedCall(code)
	has := func(name string) bool { return bytes.Contains(code, []byte(name)) }
	f := features{
		host:     has(param + ".host("),
		detached: detached(code),
	}
	if makesRegex(code) || backtracks(string(code)) {
		for _, word := range matchers {
			if any || has(word) {
				f.matchers = append(f.matchers, word)
			}
		}
	}
	for i := range limitations {
		if l := &limitations[i]; !l.named && any || slices.ContainsFunc(l.words, has) {
			f.limitations = append(f.limitations, l)
		}
	}
	if !any && computedRead(code) {
		f.unnamed = unnamedIn(code)
	}
	for i := range polyfills {
		p := &polyfills[i]
		if n := len(f.polyfills); (n == 0 || f.polyfills[n-1].file != p.file) && p.usedBy(code) {
			f.polyfills = append(f.polyfills, p)
		}
	}
	return f
}

// makesRegex reports whether the code can make a regular expression of a string.
func makesRegex(code []byte) bool {
	for _, word := range [...]string{"RegExp", ".match", ".search", ".constructor", "globalThis["} {
		if bytes.Contains(code, []byte(word)) {
			return true
		}
	}
	return false
}

// backtracking finds what goja hands to its backtracking engine: look-around,
// references to groups, and everything that may be continued at an index. It also
// does so where a text that is not ASCII is split.
var backtracking = regexp.MustCompile(`\(\?<?[=!]|\\[1-9k]|/\w*[gy]\w*$`)

// backtracks reports whether a regular expression in the code may backtrack.
func backtracks(code string) bool {
	splits := strings.Contains(code, "split")
	s := scanner{src: code}
	for s.next() != tokEOF {
		if s.regex && (splits || backtracking.MatchString(s.text)) {
			return true
		}
		if s.fork != nil && (splits || backtracking.MatchString(s.fork.text)) {
			return true // perhaps
		}
	}
	return false
}
