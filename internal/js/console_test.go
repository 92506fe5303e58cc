package js

import (
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestConsole(t *testing.T) {
	tests := map[string]struct{ code, want string }{
		"log":            {`console.log("a", 1, true, null, undefined)`, "info: a 1 true null undefined"},
		"info":           {`console.info("a")`, "info: a"},
		"debug":          {`console.debug("a")`, "debug: a"},
		"warn":           {`console.warn("a")`, "warn: a"},
		"error":          {`console.error("a")`, "error: a"},
		"nothing":        {`console.log()`, "info: "},
		"verbs":          {`console.log("%s %d %i %f %j %o %O %%", "a", "5", 5.9, "1.5", { a: 1 }, [1], { b: "c" })`, `info: a 5 5 1.5 {"a":1} [ 1 ] { b: 'c' } %`},
		"verb unused":    {`console.log("%s %s", "a")`, "info: a %s"},
		"verb left":      {`console.log("%s", "a", "b")`, "info: a b"},
		"unknown verb":   {`console.log("100%x", 1)`, "info: 100%x 1"},
		"symbol":         {`console.log(Symbol("a"), "%d", Symbol())`, "info: Symbol(a) %d Symbol()"},
		"object":         {`console.log({ a: [1, "b", { c: null }], "d-e": () => 1, f() {} })`, `info: { a: [ 1, 'b', { c: null } ], 'd-e': [Function: d-e], f: [Function: f] }`},
		"empty":          {`console.log({}, [])`, "info: {} []"},
		"class":          {`class Point { x = 1 }; console.log(new Point())`, "info: Point { x: 1 }"},
		"circular":       {`const a = { b: {} }; a.b.c = a; console.log(a)`, "info: { b: { c: [Circular] } }"},
		"deep":           {`console.log({ a: { b: { c: { d: { e: 1 } } } } })`, "info: { a: { b: { c: { d: {…} } } } }"},
		"many":           {`console.log(Array(200).fill(0).length, [..."abc"])`, "info: 200 [ 'a', 'b', 'c' ]"},
		"date":           {`console.log(new Date(0))`, "info: 1970-01-01T00:00:00.000Z"},
		"regexp":         {`console.log(/a/g)`, "info: /a/g"},
		"map":            {`console.log(new Map([["a", 1]]), new Set([1]))`, "info: Map(1) { 'a' => 1 } Set(1) { 1 }"},
		"promise":        {`console.log(Promise.resolve(1), new Promise(() => {}))`, "info: Promise { 1 } Promise { <pending> }"},
		"bytes":          {`console.log(new Uint8Array([1, 2]), new ArrayBuffer(3))`, "info: Uint8Array(2) [ 1, 2 ] ArrayBuffer { byteLength: 3 }"},
		"exception":      {`const e = new TypeError("x"); e.stack; console.log(e)`, "info: TypeError: x\n\tat requestHandler (main.ts:1:46)"},
		"proxy":          {`console.log(new Proxy({ a: 1 }, {}))`, "info: { a: 1 }"},
		"bad proxy":      {`console.log(new Proxy({ a: 1 }, { get() { throw 1 }, ownKeys() { throw 2 } }))`, "info: [Object]"},
		"boxed":          {`console.log(new String("a"), new Number(1))`, "info: [String: a] [Number: 1]"},
		"class itself":   {`console.log([class A {}, class {}])`, "info: [ [class: A], [class (anonymous)] ]"},
		"long text":      {`console.log({ a: "x".repeat(5000) }.a.length, { a: "x".repeat(5000) })`, "info: 5000 { a: '" + strings.Repeat("x", 4096) + "… (truncated)' }"},
		"more of a list": {`console.log(Array(102).fill(1))`, "info: [ " + strings.Repeat("1, ", 100) + "… 2 more ]"},
		"an error's own": {`const e = new Error("x"); e.stack = "Error: x"; e.code = "E"; console.log(e, { e })`, "info: Error: x { code: 'E' } { e: Error: x { code: 'E' } }"},
		"a cause":        {`const c = new RangeError("c"), e = new Error("x", { cause: c }); e.stack = "Error: x"; c.stack = "RangeError: c"; console.log(e)`, "info: Error: x\n[cause]: RangeError: c"},
		"several errors": {`const e = new AggregateError([1], "x"); e.stack = "AggregateError: x"; console.log(e)`, "info: AggregateError: x\n[errors]: [ 1 ]"},
		"getters":        {`console.log({ get a() { return 1 }, get b() { throw 1 } })`, "info: { a: 1, b: [throws] }"},
		"holes":          {`console.log([1, , 2], new Float32Array(2))`, "info: [ 1, undefined, 2 ] Float32Array(2) [ 0, 0 ]"},
		"nested Map":     {`console.log({ m: new Map([["a", new Set([1])]]) })`, "info: { m: Map(1) { 'a' => Set(1) { 1 } } }"},
		"dir":            {`console.dir({ a: "%s" }, { depth: 1 }); `, "info: { a: '%s' }"},
		"table":          {`console.table([{ a: 1 }])`, "info: [ { a: 1 } ]"},
		"trace":          {`console.trace("a", 1)`, "debug: Trace: a 1\n\tat requestHandler (main.ts:1:44)"},
		"null prototype": {`console.log(Object.create(null))`, "info: {}"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			res := call(t, newTestEngine(), unhurried, ts(`export function requestHandler() { `+tt.code+` }`))
			if res.err != nil {
				t.Fatal(res.err)
			}
			if diff := cmp.Diff([]string{tt.want}, res.logs); diff != "" {
				t.Errorf("log (-want +got):\n%s", diff)
			}
		})
	}
}

func TestConsoleIsBounded(t *testing.T) {
	res := call(t, newTestEngine(), unhurried, ts(`export function requestHandler() { console.log("x".repeat(1e6)); console.log(Array(1e5).fill({ a: "y".repeat(1000) })) }`))
	if len(res.logs) != 2 {
		t.Fatalf("%d lines", len(res.logs))
	}
	for _, line := range res.logs {
		if len(line) > maxLine+100 {
			t.Errorf("line of %d bytes", len(line))
		}
	}
}

// TestConsoleRemembers is about methods that write according to earlier calls.
func TestConsoleRemembers(t *testing.T) {
	tests := map[string]struct {
		code string
		want []string
	}{
		"assert":           {`console.assert(true, "a"); console.assert(0, "b %s", 1); console.assert()`, []string{"error: Assertion failed: b 1", "error: Assertion failed"}},
		"count":            {`console.count(); console.count("a"); console.count(); console.countReset(); console.count()`, []string{"info: default: 1", "info: a: 1", "info: default: 2", "info: default: 1"}},
		"groups":           {`console.group("a"); console.log("b\nc"); console.groupCollapsed(); console.warn("d"); for (const _ of "123") console.groupEnd(); console.log("e")`, []string{"info: a", "info:   b\n  c", "warn:     d", "info: e"}},
		"no such clock":    {`console.timeLog("x"); console.timeEnd()`, []string{`warn: there is no time of label "x"`, `warn: there is no time of label "default"`}},
		"methods by value": {`const { log } = console; [1].forEach(v => log(v))`, []string{"info: 1"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			res := call(t, newTestEngine(), unhurried, ts("export function requestHandler() { "+strings.ReplaceAll(tt.code, "\n", "\\n")+" }"))
			if res.err != nil {
				t.Fatal(res.err)
			}
			if diff := cmp.Diff(tt.want, res.logs); diff != "" {
				t.Errorf("log (-want +got):\n%s", diff)
			}
		})
	}
}

func TestConsoleClocks(t *testing.T) {
	res := call(t, newTestEngine(), unhurried, ts(`export function requestHandler() { console.time("a"); console.timeLog("a", "x", 1); console.timeEnd("a"); console.timeEnd("a") }`))
	want := regexp.MustCompile(`^info: a: \d+\.\d{3}ms x 1\ninfo: a: \d+\.\d{3}ms\nwarn: there is no time of label "a"$`)
	if got := strings.Join(res.logs, "\n"); !want.MatchString(got) {
		t.Errorf("log: %s", got)
	}
}

// TestConsoleOfACallIsBounded logs in a loop, in each of two calls.
func TestConsoleOfACallIsBounded(t *testing.T) {
	for name, tt := range map[string]struct {
		code  string
		lines int
	}{
		"lines": {`for (let i = 0; i < 5000; i++) console.log(i)`, maxLines + 1},
		"bytes": {`const s = "x".repeat(10000); for (let i = 0; i < 100; i++) console.log(s)`, maxLogged/10000 + 1},
	} {
		t.Run(name, func(t *testing.T) {
			res := call(t, newTestEngine(), unhurried, ts("export function requestHandler() { "+tt.code+" }"))
			if len(res.logs) != tt.lines {
				t.Fatalf("%d lines, want %d", len(res.logs), tt.lines)
			}
			if last, want := res.logs[len(res.logs)-1], "warn: the console takes 1000 lines and 256 KiB of a call; the rest is dropped"; last != want {
				t.Errorf("last line %q, want %q", last, want)
			}
		})
	}
}
