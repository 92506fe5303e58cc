package js

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"regexp"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/dop251/goja"
	"github.com/dop251/goja/parser"
)

// Program is a bundle that is ready to run. It is immutable and may be shared.
type Program struct {
	entry     string
	entryFile string
	hash      [32]byte
	mask      uint32
	code      *goja.Program
	files     map[string]string // file names in positions → names of modules
	supers    []string          // positions of calls of super
	features  features
}

// Has reports whether the program has the hook with that number.
func (p *Program) Has(hook int) bool { return p.mask&(1<<hook) != 0 }

// Hash identifies the sources and what they were compiled for.
func (p *Program) Hash() [32]byte { return p.hash }

// Entry returns the name of the entry module.
func (p *Program) Entry() string { return p.entry }

// exportsAssigned finds modules that replace the whole exports object.
var exportsAssigned = regexp.MustCompile(`(^|[^.\w$])exports\s*=[^=]`)

// hookNames returns the names of all hooks and aliases.
func (e *Engine) hookNames() []string {
	var names []string
	for _, h := range e.hooks {
		names = append(names, h.name)
		names = append(names, h.aliases...)
	}
	return names
}

// Check is what happens when one module is put: its size, nesting, syntax and
// imports of host modules are checked, its hooks must be functions, and its
// top level runs once under the limits. Imports of other modules are not
// looked at: they read as something that can be called, constructed and
// iterated over, and if the top level uses one, what goes wrong in it says
// nothing and is ignored.
//
// The error joins what was found, each an *Error; see Errors.
func (e *Engine) Check(ctx context.Context, src Source, lim Limits) error {
	lim = lim.withDefaults()
	p, stubbed, err := e.build([]Source{src}, lim, true)
	if err != nil {
		return err
	}
	vm, err := e.tryVM(ctx, p, lim, src)
	if vm != nil {
		e.dog.remove(&vm.slot)
	}
	var failed *Error
	if errors.As(err, &failed) && stubbed && failed.Kind != Cancelled && failed.touched {
		return nil
	}
	return err
}

// Compile bundles the sources, of which the first is the entry, and runs the
// top level once under the limits. The result is cached by content.
//
// The error joins what was found, each an *Error; see Errors.
func (e *Engine) Compile(ctx context.Context, sources []Source, lim Limits) (*Program, error) {
	if len(sources) == 0 {
		return nil, &Error{Kind: Import, Message: "no module"}
	}
	lim = lim.withDefaults()
	return e.cache.get(ctx, contentHash(sources, lim), func() (*Program, error) {
		p, _, err := e.build(sources, lim, false)
		if err != nil {
			return nil, err
		}
		vm, err := e.tryVM(ctx, p, lim, sources[0])
		if err != nil {
			return nil, err
		}
		e.dog.remove(&vm.slot)
		q := *p
		for i, fn := range vm.hooks {
			if fn != nil {
				q.mask |= 1 << i
			}
		}
		return &q, nil
	})
}

// tryVM makes the first VM of a program.
func (e *Engine) tryVM(ctx context.Context, p *Program, lim Limits, entry Source) (*VM, error) {
	vm, err := e.newVM(ctx, p, lim, e.log)
	if failed, ok := errors.AsType[*Error](err); ok && failed.Kind == NotFunction {
		if pos := findName(entry, strings.Fields(failed.Message)[0]); pos >= 0 {
			at := (&checker{entry}).error(failed.Kind, pos, "")
			failed.Line, failed.Column = at.Line, at.Column
		}
	}
	return vm, err
}

// contentHash identifies sources together with the CPU limit that they are tried under.
func contentHash(sources []Source, lim Limits) (sum [32]byte) {
	h := sha256.New()
	var n [8]byte
	field := func(b []byte) {
		binary.LittleEndian.PutUint64(n[:], uint64(len(b)))
		h.Write(n[:])
		h.Write(b)
	}
	for _, s := range sources {
		field([]byte(s.Name))
		field([]byte{byte(s.Lang)})
		field(s.Code)
	}
	binary.LittleEndian.PutUint64(n[:], uint64(lim.CPU))
	h.Write(n[:])
	h.Sum(sum[:0])
	return sum
}

// build makes a program without running it.
func (e *Engine) build(sources []Source, lim Limits, stubs bool) (p *Program, stubbed bool, err error) {
	defer func() {
		if kind := KindOf(err); kind != 0 {
			e.failed("", kind)
		}
	}()
	defer func() {
		if x := recover(); x != nil {
			err = &Error{Module: sources[0].Name, Kind: Panic, Message: fmt.Sprint("compiler: ", x), Stack: string(debug.Stack())}
		}
	}()
	var errs []error
	for _, s := range sources {
		if err := precheck(s); err != nil {
			errs = append(errs, err)
		}
	}
	if len(errs) > 0 {
		return nil, false, errors.Join(errs...)
	}
	b := newBundler(e, sources, stubs)
	out, err := b.bundle()
	if err != nil {
		return nil, false, err
	}
	p = &Program{entry: sources[0].Name, entryFile: sources[0].file(), hash: contentHash(sources, lim), files: out.files, features: detect(out.code)}
	for _, s := range sources {
		p.supers = append(p.supers, supers(s)...)
	}
	p.code, err = compileScript(sources[0], out)
	return p, b.stubbed, err
}

// compileScript hands the bundle to goja. goja by itself would open the file
// that a sourceMappingURL names; the loader given here only knows our map.
func compileScript(entry Source, out *bundled) (*goja.Program, error) {
	var src strings.Builder
	src.Grow(len(out.code) + 40)
	src.Write(bytes.TrimRight(out.code, "\n"))
	src.WriteString("\n//# sourceMappingURL=bundle.map\n")
	loader := func(string) ([]byte, error) { return out.srcMap, nil }
	ast, err := goja.Parse("bundle.js", src.String(), parser.WithSourceMapLoader(loader))
	if err != nil {
		return nil, syntaxError(entry, out.files, err)
	}
	placeLoops(ast, src.String())
	prog, err := goja.CompileAST(ast, false)
	if err != nil {
		return nil, syntaxError(entry, out.files, err)
	}
	return prog, nil
}

// How goja's parser and compiler write positions into their messages.
var (
	parserPosition   = regexp.MustCompile(`^(?:SyntaxError: )?\S+: Line \d+:\d+ (.*)`)
	compilerPosition = regexp.MustCompile(`^(?:SyntaxError: )?(.*?) at (\S+?):(\d+):(\d+)$`)
)

// syntaxError is for what esbuild accepts and goja does not. Only goja's
// compiler knows positions in the sources; its parser has not read the map yet.
func syntaxError(entry Source, files map[string]string, err error) *Error {
	e := &Error{Module: entry.Name, Kind: Syntax, Message: strings.SplitN(err.Error(), "\n", 2)[0], Err: err}
	if m := parserPosition.FindStringSubmatch(e.Message); m != nil {
		e.Message = m[1]
	} else if m := compilerPosition.FindStringSubmatch(e.Message); m != nil {
		e.Message = m[1]
		if name, ok := files[m[2]]; ok {
			e.Module, e.File = name, m[2]
			e.Line, _ = strconv.Atoi(m[3])
			e.Column, _ = strconv.Atoi(m[4])
		}
	}
	e.Message = truncate(e.Message, 500)
	return e
}
