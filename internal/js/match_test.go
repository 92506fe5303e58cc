package js

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dop251/goja"
)

// endless are expressions that would match, if there were time.
var endless = map[string]string{
	"test":             `/^(?=(a+)+b)|^a/.test(s)`,
	"exec":             `/^(?=(a+)+b)|^a/.exec(s) !== null`,
	"match":            `s.match(/^(?=(a+)+b)|^a/) !== null`,
	"match, all":       `s.match(/^(?=(a+)+b)|^a/g) !== null`,
	"match, a string":  `s.match("^(?=(a+)+b)|^a") !== null`,
	"matchAll":         `[...s.matchAll(/^(?=(a+)+b)|^a/g)].length > 0`,
	"search":           `s.search(/^(?=(a+)+b)|^a/) === 0`,
	"search, a string": `s.search("^(?=(a+)+b)|^a") === 0`,
	"replace":          `s.replace(/^(?=(a+)+b)|^a/, "") !== s`,
	"replace, by":      `s.replace(/^(?=(a+)+b)|^a/g, () => "b") !== s`,
	"replaceAll":       `s.replaceAll(/^(?=(a+)+b)|^a/g, "") !== s`,
	"split":            `s.split(/^(?=(a+)+b)|^a/).length > 1`,
	"split, not ASCII": `(s + "\u00e9").split(/^(?:a|[ab]|aa?)*[bc]|^a/).length > 1`,
	"split, with exec": `/b/.exec(s) || s.split(/^(?=(a+)+b)|^a/).length > 1`,
	"sticky":           `const r = /(?=(a+)+b)|a/y; r.lastIndex = 1; return r.test(s)`,
	"subclass":         `class R extends RegExp { exec(s) { return super.exec(s) } }; return new R("^(?=(a+)+b)|^a").test(s)`,
	"detached":         `RegExp.prototype.test.call(/^(?=(a+)+b)|^a/, s)`,
	"computed":         `/^(?=(a+)+b)|^a/["te" + "st"](s)`,
	"callback":         `["b", s].findIndex(RegExp.prototype.test, /^(?=(a+)+b)|^a/) > 0`,
	"in a replacement": `"b".replace(/(?=b)b/, () => /^(?=(a+)+b)|^a/.test(s)) === "true"`,
}

// A script must not take a match that ran out of time for one that has failed,
// however late the watchdog and the clock of the regular expressions are.
func TestMatchOutOfTimeIsAnError(t *testing.T) {
	if testing.Short() {
		t.Skip("takes as long as the matches may")
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var stop atomic.Bool
	var busy sync.WaitGroup
	defer busy.Wait()
	defer stop.Store(true)
	for range 12 {
		busy.Go(func() {
			for !stop.Load() {
				_ = fmt.Sprint(time.Now())
			}
		})
	}
	for name, expr := range endless {
		if name != "sticky" && name != "subclass" {
			expr = "return " + expr
		}
		for _, cpu := range []time.Duration{20 * time.Millisecond, time.Minute} {
			t.Run(fmt.Sprint(name, ", ", cpu), func(t *testing.T) {
				lim := Limits{CPU: cpu, Timeout: 10 * time.Minute}
				res := call(t, newTestEngine(), lim, ts(`export function requestHandler() { const s = "a".repeat(100); `+expr+` }`))
				if res.err == nil || res.err.Kind != CPU {
					t.Errorf("got %q, %v, want an error of kind cpu", res.value, res.err)
				}
			})
		}
	}
}

// TestMatches has the built-ins that match do what goja's do.
func TestMatches(t *testing.T) {
	subjects := []string{`""`, `"a"`, `"ab"`, `"banana split"`, `"a,b,,c,"`, `",a"`, `"\u00e9t\u00e9 a"`, `"\ud83d\ude00a\ud83d\ude00"`}
	patterns := []string{`/a/`, `/a/g`, `/a/y`, `/(a)|(,)/`, `/(?:)/`, `/(?:)/gu`, `/(?:)/u`, `/(?=a)/`, `/(?=n)(n)(x)?/g`, `/a|$/`, `/,/`, `/(?<x>a)(?!n)/`, `/^/m`, `/\s*/`}
	operations := []string{
		`s.split(r)`, `s.split(r, 2)`, `s.split(r, 0)`, `s.match(r)`, `s.search(r)`, `r.exec(s)`, `r.test(s)`, `s.replace(r, "[$1$&]")`,
		`s.replace(r, (...a) => JSON.stringify(a))`, `r.global && [...s.matchAll(r)]`, `[r.exec(s), r.lastIndex, r.test(s), r.lastIndex]`,
		`[RegExp.prototype[Symbol.split].name, RegExp.prototype[Symbol.split].length, RegExp.prototype.exec.length]`,
	}
	for _, s := range subjects {
		for _, r := range patterns {
			code := "JSON.stringify([\n"
			for _, op := range operations {
				code += "((s, r) => " + op + ")(" + s + ", " + r + "),\n"
			}
			code += "])"
			want, err := goja.New().RunString("RegExp.prototype.exec = RegExp.prototype.exec;" + code) // as specified, not the fast ways
			if err != nil {
				t.Fatal(err)
			}
			if got := eval(t, "export const requestHandler = () => "+code); got != want.String() {
				t.Errorf("%s, %s: got %s, want %s", s, r, got, want)
			}
		}
	}
}

// The time of the function that a replacement comes from is not a match's.
func TestReplacementTakesItsTime(t *testing.T) {
	res := call(t, newTestEngine(), Limits{CPU: time.Minute}, ts(`export function requestHandler() {
		const end = Date.now() + 600
		return "abc".replace(/(?=b)b/, () => { while (Date.now() < end); return "x" })
	}`))
	if res.value != "axc" {
		t.Errorf("got %q, %v", res.value, res.err)
	}
}
