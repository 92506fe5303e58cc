package js

import (
	"bytes"
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
	file  string
	names []string       // one of which the bundle contains
	used  *regexp.Regexp // and which it matches; nil: names are enough

	once sync.Once
	prog *goja.Program
	err  error
}

// polyfills are in the order in which they run.
var polyfills = []polyfill{
	{file: "symbols.js", names: []string{"asyncIterator", "dispose", "asyncDispose"}},
	{file: "promise.js", names: []string{"withResolvers", "Promise.try"}},
	{file: "groupby.js", names: []string{"groupBy"}},
	{file: "string.js", names: []string{"isWellFormed", "toWellFormed"}},
	{file: "regexp.js", names: []string{"RegExp.escape"}},
	{file: "fromasync.js", names: []string{"fromAsync"}},
	{file: "iterator.js", names: []string{"Iterator"}},
	{file: "iterator.js", names: []string{"values(", "keys(", "entries(", "matchAll("}, used: regexp.MustCompile(`\.(?:values|keys|entries|matchAll)\([^()]*\)\s*\.\w`)},
	{file: "iterator.js", names: []string{"*"}, used: regexp.MustCompile(`function\s*\*|(?:^|[{};,\s])(?:static\s+)?\*\s*[\w\[#$]`)},
}

// usedBy reports whether a bundle mentions what the polyfill defines.
func (p *polyfill) usedBy(code []byte) bool {
	for _, name := range p.names { // regular expressions take a hundred times as long
		if bytes.Contains(code, []byte(name)) {
			return p.used == nil || p.used.Match(code)
		}
	}
	return false
}

// program returns the compiled polyfill, which all VMs share.
func (p *polyfill) program() (*goja.Program, error) {
	p.once.Do(func() {
		code, err := polyfillFiles.ReadFile("polyfill/" + p.file)
		if err != nil {
			p.err = err
			return
		}
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
