package js

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/evanw/esbuild/pkg/api"
)

// The namespaces of esbuild that modules live in.
const (
	nsUser    = "module"  // sources
	nsHost    = "host"    // host modules, imported
	nsHostCJS = "require" // host modules, required
	nsStub    = "stub"    // modules that are not checked
)

// param is what the bundle's outermost function calls its only parameter: an
// object through which it hands out the hooks and takes host modules.
const param = "__dgate__"

// bundler turns sources into one script.
type bundler struct {
	engine *Engine
	byName map[string]Source // the sources
	entry  Source
	stubs  bool // replace modules that are not there instead of refusing

	stubbed bool // whether that has happened
}

// bundled is the result.
type bundled struct {
	code   []byte
	srcMap []byte
	files  map[string]string // file names in positions → names of modules
}

func newBundler(e *Engine, sources []Source, stubs bool) *bundler {
	b := &bundler{engine: e, byName: make(map[string]Source, len(sources)), entry: sources[0], stubs: stubs}
	for _, s := range sources {
		b.byName[s.Name] = s
	}
	return b
}

// bundle runs esbuild. Features that goja lacks are rewritten; the rest is
// left alone, because what esbuild makes of classes and spread for an older
// target runs four times slower.
func (b *bundler) bundle() (*bundled, error) {
	result := api.Build(api.BuildOptions{
		Stdin:    &api.StdinOptions{Contents: b.entryCode(), Sourcefile: "entry", Loader: api.LoaderJS},
		Plugins:  []api.Plugin{{Name: "modules", Setup: b.setup}},
		Bundle:   true,
		Format:   api.FormatIIFE,
		Platform: api.PlatformNeutral,
		Target:   api.ES2023,
		Supported: map[string]bool{
			"async-generator": false,
			"for-await":       false,
			"top-level-await": false,
			"dynamic-import":  false,
			"import-meta":     false,
			"decorators":      false,
			"using":           false,
			// goja computes whatever is asked of a BigInt, in one step that nothing
			// can interrupt: 1n << 10000000000n takes all memory there is.
			"bigint": false,
		},
		LogOverride:    map[string]api.LogLevel{"bigint": api.LogLevelError},
		TsconfigRaw:    `{"compilerOptions":{"verbatimModuleSyntax":false}}`,
		Banner:         map[string]string{"js": "(function(" + param + "){"},
		Footer:         map[string]string{"js": "})"},
		Sourcemap:      api.SourceMapExternal,
		SourcesContent: api.SourcesContentExclude,
		LegalComments:  api.LegalCommentsNone,
		LogLevel:       api.LogLevelSilent,
		Charset:        api.CharsetUTF8,
		Outfile:        "bundle.js",
		Write:          false,
	})
	if len(result.Errors) > 0 {
		return nil, b.errors(result.Errors)
	}
	out := &bundled{files: make(map[string]string, len(b.byName))}
	for _, f := range result.OutputFiles {
		if strings.HasSuffix(f.Path, ".map") {
			out.srcMap = f.Contents
		} else {
			out.code = f.Contents
		}
	}
	for name, s := range b.byName {
		out.files[s.file()] = name
	}
	var err error
	out.srcMap, err = fixSourceMap(out.srcMap, b.displayName)
	return out, err
}

// entryCode imports the entry module and hands out what may be a hook. Only
// these properties are read, so that the rest of the module can be shaken off.
func (b *bundler) entryCode() string {
	var s strings.Builder
	fmt.Fprintf(&s, "import * as entry from %q;\n%s.exported = {", "entry", param)
	for _, name := range b.engine.hookNames() {
		fmt.Fprintf(&s, "%s: entry.%[1]s, ", name)
	}
	s.WriteString("default: entry.default};\n")
	return s.String()
}

// declared returns the code that is appended to the entry module so that plain
// declarations count as hooks. It neither imports nor exports and hence does not
// change what kind of module it is. Only names that occur are mentioned, because
// esbuild would rename the others out of the way.
func (b *bundler) declared(code []byte) string {
	text := string(code)
	var s strings.Builder
	for _, name := range b.engine.hookNames() {
		if strings.Contains(text, name) {
			fmt.Fprintf(&s, "%s: typeof %[1]s === \"undefined\" ? undefined : %[1]s, ", name)
		}
	}
	if s.Len() == 0 {
		return ""
	}
	extra := ""
	if strings.Contains(text, "exports") && exportsAssigned.MatchString(text) {
		extra = "exports: typeof exports === \"undefined\" ? undefined : exports, "
	}
	return fmt.Sprintf("\n;%s.declared = {%s%s};", param, s.String(), extra)
}

// setup is the esbuild plugin.
func (b *bundler) setup(build api.PluginBuild) {
	build.OnResolve(api.OnResolveOptions{Filter: ".*"}, b.resolve)
	build.OnLoad(api.OnLoadOptions{Filter: ".*", Namespace: nsUser}, b.loadUser)
	build.OnLoad(api.OnLoadOptions{Filter: ".*", Namespace: nsHost}, b.loadHost)
	build.OnLoad(api.OnLoadOptions{Filter: ".*", Namespace: nsHostCJS}, loadHostCJS)
	build.OnLoad(api.OnLoadOptions{Filter: ".*", Namespace: nsStub}, loadStub)
}

// resolve finds the module that a specifier means.
func (b *bundler) resolve(args api.OnResolveArgs) (api.OnResolveResult, error) {
	if args.Namespace == "file" || args.Namespace == "" { // the entry code
		return api.OnResolveResult{Path: b.entry.Name, Namespace: nsUser}, nil
	}
	spec := strings.TrimPrefix(args.Path, "node:")
	if _, ok := b.engine.modules[spec]; ok && (reserved(spec) || !b.has(spec)) {
		if args.Kind == api.ResolveJSImportStatement {
			return api.OnResolveResult{Path: spec, Namespace: nsHost, SideEffects: api.SideEffectsFalse}, nil
		}
		return api.OnResolveResult{Path: spec, Namespace: nsHostCJS, SideEffects: api.SideEffectsFalse}, nil
	}
	if name, ok := b.lookup(args.Path, args.Importer); ok {
		return api.OnResolveResult{Path: name, Namespace: nsUser}, nil
	}
	if b.stubs && !reserved(spec) {
		b.stubbed = true
		return api.OnResolveResult{Path: spec, Namespace: nsStub}, nil
	}
	return api.OnResolveResult{Errors: []api.Message{{Text: b.unknown(args.Path)}}}, nil
}

// reserved reports whether a name belongs to the host whatever modules there are.
func reserved(name string) bool { return name == "dgate" || strings.HasPrefix(name, "dgate/") }

func (b *bundler) has(name string) bool {
	_, ok := b.byName[name]
	return ok
}

// lookup finds a module by specifier: the name itself, with ./ before it, with
// or without an extension after it, and relative to the folder of the importer.
func (b *bundler) lookup(spec, importer string) (string, bool) {
	names := []string{spec}
	if rest, ok := strings.CutPrefix(spec, "./"); ok {
		names = append(names, rest)
	}
	if strings.HasPrefix(spec, ".") && strings.Contains(importer, "/") {
		names = append(names, path.Join(path.Dir(importer), spec))
	}
	for _, name := range names {
		if b.has(name) {
			return name, true
		}
		base := strings.TrimSuffix(name, sourceExt(name))
		if b.has(base) {
			return base, true
		}
		for _, ext := range [...]string{".ts", ".js", ".mts", ".mjs"} {
			if b.has(base + ext) {
				return base + ext, true
			}
		}
	}
	return "", false
}

// unknown is the message for a specifier that names nothing.
func (b *bundler) unknown(spec string) string {
	names := make([]string, 0, len(b.byName))
	for name := range b.byName {
		if name != b.entry.Name {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	msg := fmt.Sprintf("module %q not found", spec)
	if len(names) > 0 && !reserved(spec) {
		msg += "; modules: " + strings.Join(names, ", ")
	}
	if host := b.engine.moduleNames(); len(host) > 0 {
		msg += "; built in: " + strings.Join(host, ", ")
	}
	if !reserved(spec) {
		msg += "; modules that the entry imports must be listed after it"
	}
	return msg
}

// noSourceMap is appended to every source. Esbuild reads the file that a
// sourceMappingURL names, whatever file that is, and the last comment counts;
// a URL of a scheme that it does not know is ignored.
const noSourceMap = "\n//# sourceMappingURL=none:"

func (b *bundler) loadUser(args api.OnLoadArgs) (api.OnLoadResult, error) {
	src := b.byName[args.Path]
	code := string(src.Code)
	if args.Path == b.entry.Name {
		code += b.declared(src.Code)
	}
	code += noSourceMap
	loader := api.LoaderTS
	if src.Lang == JavaScript {
		loader = api.LoaderJS
	}
	return api.OnLoadResult{Contents: &code, Loader: loader}, nil
}

// loadHost makes an ES module of a host module. Each export is a constant that
// esbuild drops if nothing uses it, so only what a script names is made.
func (b *bundler) loadHost(args api.OnLoadArgs) (api.OnLoadResult, error) {
	var s strings.Builder
	hasDefault := false
	for _, x := range b.engine.modules[args.Path].Exports {
		if x.Name == "default" {
			hasDefault = true
			fmt.Fprintf(&s, "export default /* @__PURE__ */ %s.host(%q, \"default\");\n", param, args.Path)
			continue
		}
		fmt.Fprintf(&s, "const $%s = /* @__PURE__ */ %s.host(%q, %q);\nexport { $%[1]s as %[1]s };\n", x.Name, param, args.Path, x.Name)
	}
	if !hasDefault {
		fmt.Fprintf(&s, "export default /* @__PURE__ */ %s.host(%q);\n", param, args.Path)
	}
	code := s.String()
	return api.OnLoadResult{Contents: &code, Loader: api.LoaderJS}, nil
}

// loadHostCJS makes a CommonJS module of a host module: an object that makes
// each export when it is first read.
func loadHostCJS(args api.OnLoadArgs) (api.OnLoadResult, error) {
	code := fmt.Sprintf("module.exports = %s.host(%q);", param, args.Path)
	return api.OnLoadResult{Contents: &code, Loader: api.LoaderJS}, nil
}

func loadStub(api.OnLoadArgs) (api.OnLoadResult, error) {
	code := stubCode
	return api.OnLoadResult{Contents: &code, Loader: api.LoaderJS}, nil
}

// stubCode is a module that has every export, each of which can be called,
// constructed, extended, iterated over (it is empty) and read like itself.
const stubCode = `
var handler = {
	get: function (target, key) {
		if (key === "then" || key === "__esModule") return undefined;
		if (key === "prototype") return target.prototype;
		if (key === Symbol.toPrimitive) return function () { return ""; };
		if (key === Symbol.iterator) return function () { return [][Symbol.iterator](); };
		` + param + `.touched = true;
		return stub;
	},
	apply: function () { ` + param + `.touched = true; return stub; },
	construct: function () { ` + param + `.touched = true; return stub; },
	getPrototypeOf: function () { return stub; }
};
var stub = new Proxy(function () {}, handler);
module.exports = stub;
`

// displayName turns a source's name in esbuild's map into the one that errors show.
func (b *bundler) displayName(source string) string {
	if name, ok := strings.CutPrefix(source, nsUser+":"); ok {
		if s, ok := b.byName[name]; ok {
			return s.file()
		}
	}
	return source
}

// errors turns esbuild's messages into ours.
func (b *bundler) errors(msgs []api.Message) error {
	var errs []error
	for _, m := range msgs {
		e := &Error{Module: b.entry.Name, Kind: Syntax, Message: m.Text}
		switch {
		case m.ID == "bigint":
			e.Message = "BigInt is not supported"
		case strings.HasPrefix(m.Text, "Top-level await is not available"):
			e.Message = "top-level await is not supported; await inside a hook"
		case strings.HasPrefix(m.Text, "module \"") && m.PluginName != "" || strings.HasPrefix(m.Text, "No matching export"):
			e.Kind = Import
			e.Message = strings.ReplaceAll(e.Message, `"`+nsHost+":", `"`)
			e.Message = strings.ReplaceAll(e.Message, `"`+nsUser+":", `"`)
		}
		if l := m.Location; l != nil {
			if name, ok := strings.CutPrefix(l.File, nsUser+":"); ok {
				e.Module = name
				e.File = b.byName[name].file()
				e.Line, e.Column = b.clamp(name, l)
			}
		}
		errs = append(errs, e)
		if len(errs) == 20 {
			break
		}
	}
	return errors.Join(errs...)
}

// clamp returns a position counted from 1 that is inside of the source: what
// is wrong with its end shows up in the code that was appended.
func (b *bundler) clamp(name string, l *api.Location) (line, column int) {
	lines := strings.Split(string(b.byName[name].Code), "\n")
	if l.Line > len(lines) {
		return len(lines), len(lines[len(lines)-1]) + 1
	}
	return l.Line, l.Column + 1
}
