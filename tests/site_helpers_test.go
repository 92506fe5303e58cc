package tests

import (
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/fcgi"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dgate-io/caddy-dgate/tests/harness"
)

// siteOptions are in front of the sites of these tests. There is no dgate block: no store is needed.
const siteOptions = `{
	admin {$ADMIN_ADDR}
	default_bind 127.0.0.1
	grace_period 5s
	log {
		level DEBUG
	}
}

http://:{$SITE_PORT} {
	log
`

// startSite runs a site with the files beside its Caddyfile.
func startSite(t testing.TB, site string, files map[string]string) *gateway {
	t.Helper()
	c := harness.New(t, siteOptions+site+"\n}\n")
	for name, text := range files {
		writeFile(t, c, name, text)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	return &gateway{c, t}
}

func writeFile(t testing.TB, c *harness.Caddy, name, text string) {
	t.Helper()
	name = filepath.Join(c.Dir, name)
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// site has a directory for each kind of neighbour that a script can have.
const site = `	handle /respond* {
		dgate_js respond.ts util.js
		respond "module {http.dgate.module}"
	}
	handle /files/* {
		dgate_js touch.ts
		file_server
	}
	handle /rewritten/* {
		dgate_js upper.ts
		file_server
	}
	handle /proxy* {
		dgate_js touch.ts
		reverse_proxy {$UP}
	}
	handle /php* {
		dgate_js upper.ts
		php_fastcgi {$FCGI}
	}
	handle /templates/* {
		dgate_js upper.ts
		templates
		file_server
	}
	handle /encode* {
		dgate_js upper.ts
		encode gzip
		respond "{path} {$TEXT}"
	}
	handle /dynamic* {
		dgate_js upstream.ts
		reverse_proxy {http.request.header.X-Upstream}
	}
	handle /moved/* {
		dgate_js move.ts
		file_server
	}
	handle /fail/* {
		dgate_js fail.ts {
			limits {
				cpu 20ms
				timeout 500ms
				body 1KiB
			}
		}
		respond "not reached"
	}
	handle /rescue/* {
		dgate_js rescue.ts
		file_server
	}
	@denied path /matched/secret
	dgate_js @denied deny.ts
	respond /matched/* "open"
	handle_errors {
		header X-Error {err.status_code}
		respond "sorry: {err.status_code}"
	}`

var siteFiles = map[string]string{
	"util.js": `export const hello = (name) => "hello " + name`,
	"respond.ts": `import { hello } from "./util"
		export const requestModifier = (ctx: any) => {
			const name = ctx.request().query.get("name")
			if (name) ctx.response().send(hello(name))
		}`,
	"touch.ts": `export const requestModifier = (ctx) => { ctx.request().headers.set("x-touched", "request") }
		export const responseModifier = (ctx, up) => { up.headers.set("x-touched", ctx.request().headers.get("x-touched")) }`,
	"upper.ts": `export const responseModifier = async (ctx, up) => {
		up.writeBody(new TextDecoder().decode(await up.readBody()).toUpperCase())
	}`,
	"upstream.ts": `export const requestModifier = (ctx) => { ctx.request().headers.set("x-upstream", ctx.request().query.get("to")) }`,
	"fail.ts": `export const requestModifier = async (ctx) => {
			switch (ctx.request().path) {
			case "/fail/throw": throw new Error("boom")
			case "/fail/loop": for (;;);
			case "/fail/never": await new Promise(() => {})
			case "/fail/late": await new Promise((r) => setTimeout(r, 60000))
			case "/fail/body": await ctx.request().readBody(); break
			case "/fail/denied": ctx.response().status(403).send("denied")
			}
		}`,
	"move.ts":     `export const requestModifier = (ctx) => { ctx.request().path = ctx.request().path.replace("moved", "files") }`,
	"rescue.ts":   `export const errorHandler = (ctx, e) => { if (e.status === 404) ctx.response().status(404).send("no page " + ctx.request().path) }`,
	"deny.ts":     `export const requestHandler = (ctx) => ctx.response().status(403).send("denied")`,
	"files/a":     "some text",
	"index.php":   "<?php // run by the test",
	"php":         "",
	"rescue/a":    "there",
	"rewritten/a": "some text",
	"templates/a": "{{upper `shouted`}} {{.Req.Method}}",
}

// startNeighbours runs the site with an upstream and a FastCGI responder.
func startNeighbours(t testing.TB) (*gateway, *harness.Upstream) {
	t.Helper()
	up := harness.NewUpstream(t, "up", harness.HTTP)
	t.Setenv("UP", up.URL)
	t.Setenv("FCGI", fastCGI(t))
	t.Setenv("TEXT", strings.Repeat("long enough to be worth compressing ", 30))
	return startSite(t, site, siteFiles), up
}

// fastCGI is a responder that says what it was asked.
func fastCGI(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })                                                  //nolint:errcheck // ends Serve
	go fcgi.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { //nolint:errcheck // ends with l
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Method", r.Method)
		fmt.Fprintf(w, "php says %s", body) //nolint:errcheck // the test reads it
	}))
	return l.Addr().String()
}

func unzipped(t testing.TB, text string) string {
	t.Helper()
	zip, err := gzip.NewReader(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(zip)
	if err != nil {
		t.Fatal(err)
	}
	return string(plain)
}

// goroutines counts those of Caddy.
func goroutines(g *gateway) (n int) {
	g.t.Helper()
	profile := g.do(harness.Request{URL: g.Admin + "/debug/pprof/goroutine?debug=1"})
	if _, err := fmt.Sscanf(profile.Body, "goroutine profile: total %d", &n); err != nil {
		g.t.Fatal(err)
	}
	return n
}
