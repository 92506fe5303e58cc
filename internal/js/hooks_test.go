package js

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestHookForms goes through the ways in which a module may offer a hook.
func TestHookForms(t *testing.T) {
	tests := map[string]string{
		"export const":             `export const requestHandler = () => "ok"`,
		"export function":          `export function requestHandler() { return "ok" }`,
		"export async function":    `export async function requestHandler() { return "ok" }`,
		"export let, set later":    `export let requestHandler; requestHandler = () => "ok"`,
		"export as":                `const h = () => "ok"; export { h as requestHandler }`,
		"export default object":    `export default { requestHandler: () => "ok" }`,
		"export default method":    `export default { requestHandler() { return "ok" } }`,
		"export default function":  `export default function requestHandler() { return "ok" }`,
		"export default async":     `export default async function requestHandler() { return "ok" }`,
		"default of a variable":    `function requestHandler() { return "ok" } export default requestHandler`,
		"exports.f":                `exports.requestHandler = () => "ok"`,
		"module.exports.f":         `module.exports.requestHandler = () => "ok"`,
		"module.exports object":    `module.exports = { requestHandler: () => "ok" }`,
		"module.exports function":  `module.exports = function requestHandler() { return "ok" }`,
		"exports object":           `exports = { requestHandler: () => "ok" }`,
		"es module as CommonJS":    `Object.defineProperty(exports, "__esModule", { value: true }); exports.requestHandler = void 0; const requestHandler = () => "ok"; exports.requestHandler = requestHandler`,
		"plain function":           `function requestHandler() { return "ok" }`,
		"plain async function":     `async function requestHandler() { return "ok" }`,
		"plain const":              `const requestHandler = () => "ok"`,
		"plain let":                `let requestHandler = function () { return "ok" }`,
		"plain var":                `var requestHandler = () => "ok"`,
		"globalThis":               `globalThis.requestHandler = () => "ok"`,
		"this of a script":         `this.requestHandler = () => "ok"`,
		"plain, beside an import":  `import { answer } from "dgate/test"; function requestHandler() { return answer && "ok" }`,
		"plain, beside an export":  `export const other = 1; function requestHandler() { return "ok" }`,
		"ends with a comment":      `const requestHandler = () => "ok" // done`,
		"ends without a semicolon": "const requestHandler = () => \"ok\"",
		"default with this":        `export default { answer: "ok", requestHandler() { return this.answer } }`,
		"class with a field":       `class A { answer = "ok"; requestHandler() { return this.answer } } export default new A()`,
		"a member for it":          `export default { answer: "ok", fetch() { return this.answer } }`,
		"the member of a class":    `class A { answer = "ok"; fetch() { return this.answer } } export default new A()`,
		"the member in CommonJS":   `module.exports = { fetch() { return "ok" } }`,
		"the hook, not the member": `export default { fetch: () => "no", requestHandler: () => "ok" }`,
		"plain, not the member":    `function requestHandler() { return "ok" } export default { fetch: () => "no" }`,
		"class method":             `class A { requestHandler() { return "ok" } } export default new A()`,
		"not the null one":         `export const requestHandler = null; export default { requestHandler: () => "ok" }`,
		"generator":                `export function* requestHandler() { }`,
	}
	for name, code := range tests {
		for _, lang := range []Lang{TypeScript, JavaScript} {
			t.Run(name+" in "+lang.String(), func(t *testing.T) {
				res := call(t, newTestEngine(), Limits{}, Source{Name: "main", Lang: lang, Code: []byte(code)})
				if res.err != nil {
					t.Fatal(res.err)
				}
				want := "ok"
				if name == "generator" {
					want = "[object Generator]"
				}
				if res.value != want {
					t.Errorf("got %q, want %q", res.value, want)
				}
			})
		}
	}
}

func TestHookMask(t *testing.T) {
	tests := map[string]struct {
		code string
		want []bool
	}{
		"none":                {`const a = 1`, []bool{false, false, false}},
		"empty":               {``, []bool{false, false, false}},
		"two":                 {`export const requestModifier = () => {}; function fetchUpstream() {}`, []bool{false, true, true}},
		"alias":               {`export function fetchUpstreamUrl() {}`, []bool{false, false, true}},
		"null is absent":      {`export const requestHandler = null`, []bool{false, false, false}},
		"undefined is absent": {`export let requestHandler`, []bool{false, false, false}},
		"name in a comment":   {`// requestHandler`, []bool{false, false, false}},
		"a member":            {`export default { fetch() {} }`, []bool{true, false, false}},
		"a member, exported":  {`export function fetch() {}`, []bool{false, false, false}},
		"a member, declared":  {`function fetch() {}`, []bool{false, false, false}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p := compiled(t, newTestEngine(), Limits{}, ts(tt.code))
			got := []bool{p.Has(0), p.Has(1), p.Has(2)}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("hooks (-want +got):\n%s", diff)
			}
		})
	}
}

// failure is the part of an Error that tests compare.
type failure struct{ Kind, File, Message string }

func failures(err error) []failure {
	var list []failure
	for _, e := range Errors(err) {
		pos := e.File
		if e.Line > 0 {
			pos = strings.TrimSuffix((&Error{File: e.File, Line: e.Line, Column: e.Column}).Error(), ": ")
		}
		list = append(list, failure{e.Kind.String(), pos, e.Message})
	}
	return list
}

func TestCheck(t *testing.T) {
	tests := map[string]struct {
		code string
		want []failure
	}{
		"ok":                     {`export const requestHandler = () => "a"`, nil},
		"other modules":          {`import { a } from "./lib"; import b from "x/y"; const c = require("z"); a(); new b.C(); for (const d of c) d(); class E extends a {}; export const requestHandler = a; ` + "`${a}`", nil},
		"stub breaks top level":  {`import { a } from "./lib"; JSON.parse(a())`, nil},
		"stub loops":             {`import { a } from "./lib"; let n = a; while (n) n = n.next`, nil},
		"dynamic import":         {`export const requestHandler = async () => (await import("./lib")).a`, nil},
		"syntax":                 {"let a = 1\nlet b = ;\n", []failure{{"syntax", "main.ts:2:9", `Unexpected ";"`}}},
		"two mistakes":           {"import 'dgate/nope'\nimport { x } from 'dgate/test'\nx()\n", []failure{{"import", "main.ts:1:8", `module "dgate/nope" not found; built in: dgate/test`}}},
		"missing export":         {"import { x } from 'dgate/test'\nx()\n", []failure{{"import", "main.ts:1:10", `No matching export in "dgate/test" for import "x"`}}},
		"unterminated":           {"function f() {\n  if (a) {", []failure{{"syntax", "main.ts:2:11", `Unexpected end of file`}}},
		"not a function":         {`export const requestHandler = 5`, []failure{{"not_function", "main.ts:1:14", "requestHandler must be a function"}}},
		"plain not a function":   {`const requestModifier = {}`, []failure{{"not_function", "main.ts:1:7", "requestModifier must be a function"}}},
		"exported, no function":  {"// requestHandler\nconst requestHandler = 5\n\nexport {\n  a as b,\n  requestHandler\n}; const a = 1", []failure{{"not_function", "main.ts:6:3", "requestHandler must be a function"}}},
		"CommonJS, no function":  {"const é = 1; exports.requestHandler = 5", []failure{{"not_function", "main.ts:1:22", "requestHandler must be a function"}}},
		"default, no function":   {"\nexport default {\n  requestHandler: 5 }", []failure{{"not_function", "main.ts:3:3", "requestHandler must be a function"}}},
		"member, no function":    {"export default { fetch: 5 }", []failure{{"not_function", "main.ts:1:18", "fetch must be a function"}}},
		"computed, no function":  {`exports["request" + "Handler"] = 5`, []failure{{"not_function", "main.ts", "requestHandler must be a function"}}},
		"BigInt literal":         {"\nexport const requestHandler = () => 1n << 10000000000n", []failure{{"syntax", "main.ts:2:37", "BigInt is not supported"}, {"syntax", "main.ts:2:43", "BigInt is not supported"}}},
		"throws":                 {"\n  throw new Error('no')", []failure{{"throw", "main.ts:2:9", "Error: no"}}},
		"rejected await":         {"await Promise.reject(1)", []failure{{"syntax", "main.ts:1:1", "top-level await is not supported; await inside a hook"}}},
		"endless":                {"for (;;);", []failure{{"cpu", "main.ts:1:1", "computed for longer than 50ms"}}},
		"property escape":        {"export const a = /\\p{L}/u", []failure{{"syntax", "main.ts:1:19", `\p{…} is not supported in regular expressions: it would silently match the letters themselves`}}},
		"bad regular expression": {"let a\nexport const requestHandler = () => /(?<a/", []failure{{"syntax", "main.ts:2:37", "Unterminated group"}}},
		"no code of strings":     {"eval('1')", []failure{{"throw", "main.ts:1:1", "TypeError: code generation from strings is not allowed"}}},
		"no function of strings": {"new Function('return 1')", []failure{{"throw", "main.ts:1:1", "TypeError: code generation from strings is not allowed"}}},
		"nor of an instance":     {"(async () => {}).constructor('return 1')", []failure{{"throw", "main.ts:1:18", "TypeError: code generation from strings is not allowed"}}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			err := newTestEngine().Check(t.Context(), ts(tt.code), Limits{CPU: 50e6})
			if diff := cmp.Diff(tt.want, failures(err)); diff != "" {
				t.Errorf("errors (-want +got):\n%s", diff)
			}
		})
	}
}

func TestImports(t *testing.T) {
	lib := Source{Name: "lib", Code: []byte(`export const name = "lib"; export default function () { return "default" }`)}
	tests := map[string]struct {
		sources []Source
		want    string
	}{
		"name":            {[]Source{ts(`import { name } from "lib"; export const requestHandler = () => name`), lib}, "lib"},
		"./name":          {[]Source{ts(`import { name } from "./lib"; export const requestHandler = () => name`), lib}, "lib"},
		"./name.ts":       {[]Source{ts(`import { name } from "./lib.ts"; export const requestHandler = () => name`), lib}, "lib"},
		"./name.js":       {[]Source{ts(`import { name } from "./lib.js"; export const requestHandler = () => name`), lib}, "lib"},
		"default":         {[]Source{ts(`import f from "./lib"; export const requestHandler = () => f()`), lib}, "default"},
		"star":            {[]Source{ts(`import * as l from "./lib"; export const requestHandler = () => l.name + l.default()`), lib}, "libdefault"},
		"require":         {[]Source{ts(`const l = require("./lib"); exports.requestHandler = () => l.name`), lib}, "lib"},
		"dynamic":         {[]Source{ts(`export const requestHandler = async () => (await import("./lib")).name`), lib}, "lib"},
		"slashes":         {[]Source{ts(`import { a } from "dir/lib"; export const requestHandler = () => a`), {Name: "dir/lib", Code: []byte(`import { b } from "./b"; export const a = b`)}, {Name: "dir/b", Code: []byte(`export const b = "b"`)}}, "b"},
		"name with .ts":   {[]Source{ts(`import { a } from "./z"; import { a as b } from "z.ts"; export const requestHandler = () => a + b`), {Name: "z.ts", Code: []byte(`export const a = "a"`)}}, "aa"},
		"cycle":           {[]Source{ts(`import { b } from "./b"; export const a = () => "a"; export const requestHandler = () => b()`), {Name: "b", Code: []byte(`import { a } from "./main"; export const b = () => a() + "b"`)}}, "ab"},
		"re-export":       {[]Source{ts(`export { handler as requestHandler } from "./h"`), {Name: "h", Code: []byte(`export const handler = () => "h"`)}}, "h"},
		"export star":     {[]Source{ts(`export * from "./h"`), {Name: "h", Code: []byte(`export const requestHandler = () => "h"`)}}, "h"},
		"CommonJS lib":    {[]Source{ts(`import { a } from "./c"; export const requestHandler = () => a`), {Name: "c", Lang: JavaScript, Code: []byte(`exports.a = "c"`)}}, "c"},
		"type only":       {[]Source{ts(`import { T } from "./t"; export const requestHandler = (): T => "t"`), {Name: "t", Code: []byte(`export type T = string`)}}, "t"},
		"side's own hook": {[]Source{ts(`import "./s"; function requestHandler() { return "main" }`), {Name: "s", Code: []byte(`function requestHandler() { return "side" }; export function requestModifier() {}`)}}, "main"},
		"user over host":  {[]Source{ts(`import { answer } from "dgate/test"; export const requestHandler = () => answer`), {Name: "dgate/test", Code: []byte(`export const answer = 1`)}}, "42"},
		"module state":    {[]Source{ts(`import { next } from "./n"; import { next as n2 } from "n"; export const requestHandler = () => "" + next() + n2()`), {Name: "n", Code: []byte(`let n = 0; export const next = () => ++n`)}}, "12"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			res := call(t, newTestEngine(), Limits{}, tt.sources...)
			if res.err != nil {
				t.Fatal(res.err)
			}
			if res.value != tt.want {
				t.Errorf("got %q, want %q", res.value, tt.want)
			}
		})
	}
}

func TestImportErrors(t *testing.T) {
	lib := Source{Name: "lib", Code: []byte("export const a = 1\n")}
	tests := map[string]struct {
		sources []Source
		want    []failure
	}{
		"unknown":           {[]Source{ts("\nimport 'nope'\n"), lib}, []failure{{"import", "main.ts:2:8", `module "nope" not found; modules: lib; built in: dgate/test; modules that the entry imports must be listed after it`}}},
		"unknown of ours":   {[]Source{ts("import 'dgate/x'"), lib}, []failure{{"import", "main.ts:1:8", `module "dgate/x" not found; built in: dgate/test`}}},
		"unknown in lib":    {[]Source{ts("import './lib2'"), {Name: "lib2", Lang: JavaScript, Code: []byte("import fs from 'fs'\nfs()")}}, []failure{{"import", "lib2.js:1:16", `module "fs" not found; modules: lib2; built in: dgate/test; modules that the entry imports must be listed after it`}}},
		"parent":            {[]Source{ts("import '../lib'"), lib}, []failure{{"import", "main.ts:1:8", `module "../lib" not found; modules: lib; built in: dgate/test; modules that the entry imports must be listed after it`}}},
		"absolute":          {[]Source{ts("import '/lib'"), lib}, []failure{{"import", "main.ts:1:8", `module "/lib" not found; modules: lib; built in: dgate/test; modules that the entry imports must be listed after it`}}},
		"missing in module": {[]Source{ts("import { b } from './lib'\nb()"), lib}, []failure{{"import", "main.ts:1:10", `No matching export in "lib" for import "b"`}}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := newTestEngine().Compile(t.Context(), tt.sources, Limits{})
			if diff := cmp.Diff(tt.want, failures(err)); diff != "" {
				t.Errorf("errors (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCompileCache(t *testing.T) {
	e := newTestEngine()
	a := compiled(t, e, Limits{}, ts(`export const requestHandler = () => 1`))
	b := compiled(t, e, Limits{}, ts(`export const requestHandler = () => 1`))
	c := compiled(t, e, Limits{}, ts(`export const requestHandler = () => 2`))
	if a != b {
		t.Error("the same source was compiled twice")
	}
	if a == c || a.Hash() == c.Hash() {
		t.Error("other source, same program")
	}
	for i := range maxPrograms + 10 {
		e.cache.add([32]byte{byte(i), byte(i >> 8), 1})
	}
	if len(e.cache.entries) > maxPrograms {
		t.Errorf("cache has %d entries", len(e.cache.entries))
	}
}

func TestErrorIsJoined(t *testing.T) {
	err := newTestEngine().Check(t.Context(), ts("let a = ;"), Limits{})
	var e *Error
	if !errors.As(err, &e) || KindOf(err) != Syntax {
		t.Errorf("got %v", err)
	}
}
