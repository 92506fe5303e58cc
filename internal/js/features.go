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
	polyfills []*polyfill
}

// computed finds the means of calling a built-in without naming it.
var computed = regexp.MustCompile(`\]\s*\(|\b(?:call|apply|bind|Reflect)\b`)

func detect(code []byte) features {
	any := computed.Match(code)
	has := func(name string) bool { return bytes.Contains(code, []byte(name)) }
	f := features{
		host:    has(param + ".host("),
		replace: any || has("replace"),
		fill:    any || has("fill"),
		from:    any || has("from"),
	}
	for i := range polyfills {
		if polyfills[i].used.Match(code) {
			f.polyfills = append(f.polyfills, &polyfills[i])
		}
	}
	return f
}
