package js

import (
	"embed"
	"regexp"
	"sync"

	"github.com/dop251/goja"
)

//go:embed polyfill/*.js
var polyfillFiles embed.FS

// polyfill is something of the language that goja lacks, written in
// JavaScript. A VM has it if the bundle mentions it.
type polyfill struct {
	file string
	used *regexp.Regexp

	once sync.Once
	prog *goja.Program
	err  error
}

// polyfills are in the order in which they run.
var polyfills = []polyfill{
	{file: "symbols.js", used: regexp.MustCompile(`\b(?:asyncIterator|dispose|asyncDispose)\b`)},
	{file: "promise.js", used: regexp.MustCompile(`\bwithResolvers\b|\bPromise\.try\b`)},
	{file: "groupby.js", used: regexp.MustCompile(`\bgroupBy\b`)},
	{file: "string.js", used: regexp.MustCompile(`\b(?:isWellFormed|toWellFormed)\b`)},
	{file: "regexp.js", used: regexp.MustCompile(`\bRegExp\.escape\b`)},
	{file: "fromasync.js", used: regexp.MustCompile(`\bfromAsync\b`)},
	{file: "iterator.js", used: regexp.MustCompile(`\bIterator\b|\.(?:values|keys|entries|matchAll)\([^()]*\)\s*\.\w|\bfunction\s*\*|\*\s*\[?\w+[\w.]*\]?\s*\(`)},
}

// program returns the compiled polyfill, which all VMs share.
func (p *polyfill) program() (*goja.Program, error) {
	p.once.Do(func() {
		code, err := polyfillFiles.ReadFile("polyfill/" + p.file)
		if err != nil {
			p.err = err
			return
		}
		regexClock.compiling.RLock()
		defer regexClock.compiling.RUnlock()
		p.prog, p.err = goja.Compile(p.file, string(code), true)
	})
	return p.prog, p.err
}

// installPolyfills runs those that the program needs.
func (vm *VM) installPolyfills() error {
	for _, p := range vm.prog.features.polyfills {
		prog, err := p.program()
		if err != nil {
			return err
		}
		if _, err := vm.rt.RunProgram(prog); err != nil {
			return err
		}
	}
	return nil
}
