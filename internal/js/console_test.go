package js

import (
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
