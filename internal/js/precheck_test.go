package js

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/evanw/esbuild/pkg/api"
)

func TestPrecheckAccepts(t *testing.T) {
	many := strings.Repeat
	tests := map[string]string{
		"empty":                   "",
		"brackets in strings":     "const a = '" + many("(", 1000) + "', b = \"" + many("[", 1000) + "\"",
		"brackets in a template":  "const a = `" + many("{", 1000) + "${1}" + many("(", 1000) + "`",
		"brackets in comments":    "/*" + many("(", 1000) + "*/ // " + many("[", 1000) + "\nlet a",
		"brackets in a class":     "const a = /[" + many("(", 1000) + "]/",
		"regex after control":     "if (a) /[" + many("(", 1000) + "'`]/.test(b)\nwhile (a) /[`]/.exec(b)",
		"division after parens":   "const a = (b) / 2 / (c) / `" + many("(", 1000) + "`",
		"regex after block":       "if (a) {} /[" + many("(", 20) + "'`\"]/.test(b)",
		"division at line start":  "const a = b\n  / c // it's `\n  / d\nconst e = '" + many("(", 1000) + "'",
		"keyword as member":       "a.if(b) / 2; a.return / 2 / `" + many("(", 1000) + "`",
		"nested templates":        "const a = `a${`b${c + `d${e}`}` + '}'}f${g}`" + many("\nf(`${a}${b}${c}`)", 1000),
		"many statements":         many("a = b + c * d;\n", 20000),
		"no semicolons":           many("a.b.c = d(e) + f\n", 20000),
		"awaits, no semicolons":   "async () => {" + many("await a(b)\n", 20000) + "}",
		"if else without end":     many("if (a) { b() } else if (c) { d() } else { e() }\n", 5000),
		"long else if":            "if (a) {}" + many(" else if (b) { c() }", 3000),
		"data in an array":        "export default [" + many("{ a: 1, b: [1, 2, 3], c: 'x' },\n", 50000) + "]",
		"data in an object":       "export default {" + many("'/a/b': '/c/d',\n", 80000) + "}",
		"numbers":                 "export default [" + many("1.5e3, 0xff, 1_000n, .5, 5., 1..toFixed(),", 20000) + "]",
		"long switch":             "switch (a) {" + many("case 'x': b(); break;\n", 5000) + "}",
		"long concatenation":      "const a = ''" + many(" +\n 'some text that was cut into lines'", 5000),
		"long call chain":         "a" + many(".b(c => c.d)", 2000),
		"long condition":          "const a = " + many("b === 'c' ? 'd' :\n", 2000) + "e",
		"exports of a bundle":     many("exports.a = b, exports.c = d, ", 3000) + "exports.e = f",
		"curried":                 "const f = " + many("a => ", 50) + "b",
		"classes":                 many("class A extends B { m() { return super.m() } }\n", 3000),
		"types":                   many("type A<T> = T extends string ? 'a' : T extends number ? 'b' : never\n", 3000),
		"generics":                "const a = new Map<string, Array<Map<string, number>>>()\nconst b = <T,>(x: T) => x! / 2 / 3\n",
		"non-null":                many("a!.b!.c! / d!\n", 3000),
		"html in a template":      "const a = `<!-- ` + `-->`",
		"comparison with minus":   "if (a --> 0) b()",
		"hashbang":                "#!/usr/bin/env node ' ` (\nlet a",
		"other spaces":            "let\u00a0a\u2028let b\ufeff",
		"string over lines":       "const a = 'b\\\n" + many("(", 1000) + "\\\r\n" + many("(", 1000) + "'",
		"regex with flags and id": "const a = /b(/" + "\nlet c",
	}
	for name, code := range tests {
		t.Run(name, func(t *testing.T) {
			if err := precheck(ts(code)); err != nil {
				t.Error(err)
			}
		})
	}
}

// hostile are sources that parsers do not survive, or not in time, each as a
// function of a number of repetitions.
var hostile = map[string]func(n int) string{
	"(":                       func(n int) string { return strings.Repeat("(", n) },
	"[":                       func(n int) string { return strings.Repeat("[", n) },
	"{":                       func(n int) string { return strings.Repeat("{", n) },
	"!":                       func(n int) string { return "x=" + strings.Repeat("!", n) + "1" },
	"-":                       func(n int) string { return "x=" + strings.Repeat("- ", n) + "1" },
	"typeof":                  func(n int) string { return "x=" + strings.Repeat("typeof ", n) + "1" },
	"new":                     func(n int) string { return "x=" + strings.Repeat("new ", n) + "a" },
	"await":                   func(n int) string { return "async()=>{" + strings.Repeat("await ", n) + "1}" },
	"arrow":                   func(n int) string { return "x=" + strings.Repeat("a=>", n) + "1" },
	"async":                   func(n int) string { return "x=" + strings.Repeat("async a=>", n) + "1" },
	"arrow args":              func(n int) string { return "x=" + strings.Repeat("(a)=>", n) + "1" },
	"class":                   func(n int) string { return strings.Repeat("class a extends ", n) + "b" + strings.Repeat("{}", n) },
	"member":                  func(n int) string { return "x=a" + strings.Repeat(".a", n) },
	"number":                  func(n int) string { return "x=1." + strings.Repeat(".a", n) },
	"optional":                func(n int) string { return "x=a" + strings.Repeat("?.a", n) },
	"call":                    func(n int) string { return "x=a" + strings.Repeat("()", n) },
	"index":                   func(n int) string { return "x=a" + strings.Repeat("[0]", n) },
	"tag":                     func(n int) string { return "x=a" + strings.Repeat("``", n) },
	"tag subst":               func(n int) string { return "x=a" + strings.Repeat("`${1}`", n) },
	"template":                func(n int) string { return strings.Repeat("`${", n) },
	"plus":                    func(n int) string { return "x=a" + strings.Repeat("+a", n) },
	"plus obj":                func(n int) string { return "x={}" + strings.Repeat("+{}", n) },
	"string":                  func(n int) string { return "x=''" + strings.Repeat("+'aaaaaaaa'", n) },
	"power":                   func(n int) string { return "x=a" + strings.Repeat("**a", n) },
	"assign":                  func(n int) string { return strings.Repeat("a=", n) + "1" },
	"ternary":                 func(n int) string { return "x=" + strings.Repeat("a?b:", n) + "c" },
	"comma":                   func(n int) string { return "x=(a" + strings.Repeat(",a", n) + ")" },
	"sequence":                func(n int) string { return "a" + strings.Repeat(",a", n) },
	"if":                      func(n int) string { return strings.Repeat("if(1)", n) + ";" },
	"if lines":                func(n int) string { return strings.Repeat("if(1)\n", n) + ";" },
	"while":                   func(n int) string { return strings.Repeat("while(1)", n) + ";" },
	"else if":                 func(n int) string { return "if(1);" + strings.Repeat("else if(1);", n) },
	"else block":              func(n int) string { return "if(1){}" + strings.Repeat("else if(1){}", n) },
	"do":                      func(n int) string { return strings.Repeat("do ", n) + ";" },
	"label":                   func(n int) string { return strings.Repeat("a:", n) + ";" },
	"case":                    func(n int) string { return "switch(1){" + strings.Repeat("case 1:", n) + "}" },
	"in":                      func(n int) string { return "x=a" + strings.Repeat(" in a", n) },
	"type":                    func(n int) string { return "type x=" + strings.Repeat("a extends b?c:", n) + "d" },
	"regex":                   func(n int) string { return "x=/" + strings.Repeat("(", n) + strings.Repeat(")", n) + "/" },
	"after regex in block":    func(n int) string { return "if(1){} /`/;" + strings.Repeat("(", n) },
	"after division of block": func(n int) string { return "x={} /'/; y={} / '" + strings.Repeat("(", n) },
	"after type":              func(n int) string { return "let x: A\n/`/;" + strings.Repeat("(", n) },
	"after of":                func(n int) string { return "of / `/ 1`;" + strings.Repeat("(", n) },
	"after line separator":    func(n int) string { return "// \u2028" + strings.Repeat("(", n) },
	"mixed":                   func(n int) string { return strings.Repeat("(!!!!!!!!!!", n) },
}

func TestPrecheckRefuses(t *testing.T) {
	for name, code := range hostile {
		t.Run(name, func(t *testing.T) {
			err := precheck(ts(code(300000)))
			if KindOf(err) != TooLarge {
				t.Errorf("got %v, want kind too_large", err)
			}
		})
	}
}

// TestPrecheckBounds goes to the largest size that passes and sees that
// esbuild and goja take it, within a few seconds of computing at most.
func TestPrecheckBounds(t *testing.T) {
	if testing.Short() || underRace { // nothing in it runs side by side
		t.Skip("slow")
	}
	for name, code := range hostile {
		t.Run(name, func(t *testing.T) {
			lo, hi := 1, 300000
			for lo+1 < hi {
				if mid := (lo + hi) / 2; precheck(ts(code(mid))) == nil {
					lo = mid
				} else {
					hi = mid
				}
			}
			start := cpuTime(time.Now())
			res := api.Build(api.BuildOptions{Stdin: &api.StdinOptions{Contents: code(lo), Loader: api.LoaderTS}, Bundle: true, Format: api.FormatIIFE, Target: api.ES2023, LogLevel: api.LogLevelSilent, Outfile: "x.js"})
			for _, f := range res.OutputFiles {
				if _, err := compileScript(Source{Name: "x"}, &bundled{code: f.Contents}); err != nil {
					t.Logf("goja: %.200v", err)
				}
			}
			took := cpuTime(time.Now()) - start
			t.Logf("%d repetitions take %v", lo, took.Round(time.Millisecond))
			if took > 10*time.Second {
				t.Errorf("takes %v", took)
			}
		})
	}
}

func TestPrecheckPosition(t *testing.T) {
	tests := map[string]struct {
		code string
		want string
	}{
		"property escape": {"let é = 1\nlet b = /é\\p{L}/u", `main.ts:2:11: \p{…} is not supported in regular expressions: it would silently match the letters themselves`},
		"html comment":    {"let a\n  <!-- b", "main.ts:2:3: HTML-like comments are not supported"},
		"nesting":         {"\n" + strings.Repeat("(", 600), fmt.Sprintf("main.ts:2:%d: brackets nest deeper than %d", maxNesting, maxNesting)},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if err := precheck(ts(tt.code)); err == nil || err.Error() != tt.want {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

func FuzzPrecheck(f *testing.F) {
	f.Add("a = b / c / `${d}` + /[/(]/g", "x")
	f.Add("if (a) /`/.test(b)", "'")
	f.Fuzz(func(t *testing.T, a, b string) {
		// Nothing makes it panic or hang, and what is refused for its size stays refused when more follows.
		if precheck(ts(a)) != nil || strings.ContainsAny(a, "\"'`/\\#<") || strings.ContainsAny(b, "\"'`/\\#<") {
			return
		}
		// Without strings, templates, slashes and so on, brackets count as they stand.
		deep, depth := 0, 1
		for _, c := range a + b {
			switch c {
			case '(', '[', '{':
				depth++
			case ')', ']', '}':
				depth = max(1, depth-1)
			}
			deep = max(deep, depth)
		}
		if err := precheck(ts(a + b)); err == nil && deep > maxNesting {
			t.Errorf("accepted at depth %d", deep)
		}
	})
}
