package tests

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dgate-io/caddy-dgate/tests/harness"
)

// TestGlobalHeaders: every answer has them once, and what is more particular wins.
func TestGlobalHeaders(t *testing.T) {
	t.Parallel()
	up := harness.NewUpstream(t, "up", harness.HTTP)
	g := startGateway(t, strings.NewReplacer(
		"storage memory", `storage memory
		global_headers {
			X-Served-By dgate
			X-Served-By {http.request.host}
			x-port {env.SITE_PORT}
		}`,
		"\tdgate\n}\n", `	handle /next {
		dgate {
			fallthrough
		}
		respond "next"
	}
	handle {
		dgate
	}
	handle_errors {
		respond "sorry"
	}
}
`).Replace(caddyfile))
	g.service("up", nil, up.URL)
	g.service("down", nil, "http://127.0.0.1:1")
	g.route("up", "up", "", nil)
	g.route("down", "down", "", nil)
	g.route("answer", "", `export const requestHandler = (ctx) => ctx.response().send("hi")`, nil)
	g.route("own", "", `export const requestHandler = (ctx) => { ctx.response().headers.set("X-Served-By", "script"); ctx.response().send("hi") }`, nil)
	g.route("empty", "", `export const requestHandler = () => {}`, nil)
	g.route("throws", "", `export const requestHandler = (ctx) => { ctx.response().headers.set("X-Served-By", "script"); throw new Error("boom") }`, nil)
	g.route("modified", "up", `export const responseModifier = (ctx, upstream) => { upstream.headers.set("X-Served-By", "script") }`, nil)

	ours := []string{"dgate", "127.0.0.1"}
	tests := map[string]struct {
		request harness.Request
		status  int
		want    []string
	}{
		"from an upstream":                  {harness.Request{URL: "/up"}, 200, ours},
		"an upstream that sets its own":     {harness.Request{URL: "/up?header=X-Served-By:up"}, 200, []string{"up"}},
		"a stream of events":                {harness.Request{URL: "/up?events=0"}, 200, ours},
		"HEAD":                              {harness.Request{Method: "HEAD", URL: "/up"}, 200, ours},
		"no upstream":                       {harness.Request{URL: "/down"}, 502, ours},
		"from a script":                     {harness.Request{URL: "/answer"}, 200, ours},
		"a script that sets its own":        {harness.Request{URL: "/own"}, 200, []string{"script"}},
		"a script that answers nothing":     {harness.Request{URL: "/empty"}, 204, ours},
		"a script that fails":               {harness.Request{URL: "/throws"}, 500, ours},
		"a script that changes an answer":   {harness.Request{URL: "/modified"}, 200, []string{"script"}},
		"no route":                          {harness.Request{URL: "/nowhere"}, 404, ours},
		"no route, but there is a next one": {harness.Request{URL: "/next"}, 200, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			answer := g.do(tt.request)
			if answer.Status != tt.status {
				t.Fatal(answer)
			}
			if diff := cmp.Diff(tt.want, answer.Header["X-Served-By"]); diff != "" {
				t.Errorf("X-Served-By (-want +got):\n%s\n%s", diff, answer)
			}
			if port := answer.Header.Get("X-Port"); tt.want != nil && !strings.HasSuffix(g.Site, ":"+port) {
				t.Errorf("X-Port: %q", port)
			}
		})
	}
}

// TestDebugHeaders: where Caddy is being debugged, an answer says which modules ran, and what has failed.
func TestDebugHeaders(t *testing.T) {
	t.Parallel()
	for name, debug := range map[string]bool{"debug": true, "no debug": false} {
		t.Run(name, func(t *testing.T) {
			text := caddyfile
			if debug {
				text = strings.Replace(text, "{\n", "{\n\tdebug\n", 1)
			}
			g := startGateway(t, text)
			g.module("lib", `export const greeting = "hi"`)
			g.module("m", `import { greeting } from "./lib"
				export const requestHandler = (ctx) => {
					if (ctx.query().has("fail")) throw new Error("boom")
					ctx.response().send(greeting)
				}`)
			g.route("r", "", "", fields{"modules": []string{"m", "lib"}})
			ok, failed := g.do(harness.Request{URL: "/r"}), g.do(harness.Request{URL: "/r?fail"})
			if ok.Body != "hi" || failed.Status != 500 {
				t.Fatal(ok, failed)
			}
			if !debug {
				for _, answer := range []*harness.Answer{ok, failed} {
					if s := answer.String(); strings.Contains(s, "X-Dgate") || strings.Contains(s, "boom") {
						t.Errorf("without debug:\n%s", s)
					}
				}
				return
			}
			before := ok.Header.Get("X-DGate-Module")
			if !strings.HasPrefix(before, "m@") || !strings.Contains(before, ", lib@") {
				t.Errorf("X-DGate-Module: %q", before)
			}
			if failed.Header.Get("X-DGate-Module") != before || !strings.Contains(failed.Header.Get("X-DGate-Error"), "m.ts:3:") {
				t.Errorf("a failure:\n%s", failed)
			}
			g.module("lib", `export const greeting = "hello"`)
			if after := g.do(harness.Request{URL: "/r"}); after.Body != "hello" || after.Header.Get("X-DGate-Module") == before {
				t.Errorf("after a change:\n%s", after)
			}
		})
	}
}
