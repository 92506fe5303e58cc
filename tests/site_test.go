package tests

import (
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/fcgi"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

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

// A script works with whatever comes after it on a site.
func TestSiteNeighbours(t *testing.T) {
	g, up := startNeighbours(t)
	page := harness.Request{URL: "/files/a"}
	answer := g.do(page)
	etag := answer.Header.Get("ETag")
	zip := http.Header{"Accept-Encoding": {"gzip"}}
	tests := map[string]struct {
		req    harness.Request
		status int
		body   string
		header map[string]string
	}{
		"respond":               {harness.Request{URL: "/respond"}, 200, "module respond.ts", nil},
		"in place of respond":   {harness.Request{URL: "/respond?name=ada"}, 200, "hello ada", nil},
		"file":                  {page, 200, "some text", map[string]string{"X-Touched": "request", "Content-Length": "9"}},
		"file, HEAD":            {harness.Request{Method: "HEAD", URL: "/files/a"}, 200, "", map[string]string{"X-Touched": "request", "Content-Length": "9"}},
		"file, range":           {harness.Request{URL: "/files/a", Header: http.Header{"Range": {"bytes=5-"}}}, 206, "text", map[string]string{"Content-Range": "bytes 5-8/9", "X-Touched": "request"}},
		"file, not modified":    {harness.Request{URL: "/files/a", Header: http.Header{"If-None-Match": {etag}}}, 304, "", map[string]string{"X-Touched": "request", "Etag": etag}},
		"file, missing":         {harness.Request{URL: "/files/b"}, 404, "sorry: 404", map[string]string{"X-Error": "404"}},
		"rewritten file":        {harness.Request{URL: "/rewritten/a"}, 200, "SOME TEXT", map[string]string{"Content-Length": "9", "Etag": "", "Accept-Ranges": ""}},
		"rewritten file, range": {harness.Request{URL: "/rewritten/a", Header: http.Header{"Range": {"bytes=5-"}, "If-Range": {`"x"`}}}, 200, "SOME TEXT", map[string]string{"Content-Range": ""}},
		"rewritten file, HEAD":  {harness.Request{Method: "HEAD", URL: "/rewritten/a"}, 200, "", nil},
		"proxy":                 {harness.Request{URL: "/proxy?body=x&header=X-Up:1"}, 200, "x", map[string]string{"X-Touched": "request", "X-Up": "1"}},
		"proxy, status":         {harness.Request{URL: "/proxy?body=x&status=503"}, 503, "x", map[string]string{"X-Touched": "request"}},
		"proxy, gzip":           {harness.Request{URL: "/proxy?body=x&gzip", Header: zip}, 200, "x", map[string]string{"Content-Encoding": "gzip"}},
		"php":                   {harness.Request{Method: "POST", URL: "/php/x.php", Body: strings.NewReader("hi")}, 200, "PHP SAYS HI", map[string]string{"X-Method": "POST"}},
		"file, moved by script": {harness.Request{URL: "/moved/a"}, 200, "some text", nil},
		"templates":             {harness.Request{URL: "/templates/a"}, 200, "{{UPPER `SHOUTED`}} {{.REQ.METHOD}}", nil},
		"encode":                {harness.Request{URL: "/encode", Header: zip}, 200, strings.ToUpper("/encode " + os.Getenv("TEXT")), map[string]string{"Content-Encoding": "gzip"}},
		"matcher":               {harness.Request{URL: "/matched/secret"}, 403, "denied", nil},
		"matcher, other path":   {harness.Request{URL: "/matched/other"}, 200, "open", nil},
		"a script chooses":      {harness.Request{URL: "/dynamic?body=x&to=" + strings.TrimPrefix(up.URL, "http://")}, 200, "x", nil},
		"throws":                {harness.Request{URL: "/fail/throw"}, 500, "sorry: 500", map[string]string{"X-Error": "500", "X-DGate-Error": "fail.ts:3:30: requestModifier: Error: boom"}},
		"loops":                 {harness.Request{URL: "/fail/loop"}, 500, "sorry: 500", nil},
		"never settles":         {harness.Request{URL: "/fail/never"}, 500, "sorry: 500", nil},
		"too late":              {harness.Request{URL: "/fail/late"}, 500, "sorry: 500", nil},
		"body within limits":    {harness.Request{Method: "POST", URL: "/fail/body", Body: strings.NewReader("x")}, 200, "not reached", nil},
		"body over the limit":   {harness.Request{Method: "POST", URL: "/fail/body", Body: strings.NewReader(strings.Repeat("x", 2000))}, 413, "sorry: 413", nil},
		"answers":               {harness.Request{URL: "/fail/denied"}, 403, "denied", map[string]string{"X-Error": ""}},
		"rescues":               {harness.Request{URL: "/rescue/b"}, 404, "no page /rescue/b", map[string]string{"X-Error": ""}},
		"need not rescue":       {harness.Request{URL: "/rescue/a"}, 200, "there", nil},
		"leaves it as it is":    {harness.Request{Method: "POST", URL: "/rescue/a"}, 405, "sorry: 405", map[string]string{"Allow": "GET, HEAD"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := g.do(tt.req)
			if got.Header.Get("Content-Encoding") == "gzip" {
				got.Body = unzipped(t, got.Body)
			}
			if got.Status != tt.status || got.Body != tt.body {
				t.Errorf("%d %q, want %d %q", got.Status, got.Body, tt.status, tt.body)
			}
			for name, want := range tt.header {
				if got := got.Header.Get(name); got != want {
					t.Errorf("%s is %q, want %q", name, got, want)
				}
			}
		})
	}
	if err := g.AwaitLog(`"dgate":\s*\{"namespace":"default","module":"respond.ts"\}`); err != nil {
		t.Error(err)
	}
	if err := g.AwaitLog(`(?i)error.*dgate\.module\.default\.fail\.ts.*a hook failed.*fail.ts:3:\d+: requestModifier: Error: boom`); err != nil {
		t.Error(err)
	}
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

// A script that waits for the body of a proxied answer does so for as long as it may, and no longer.
func TestSiteStalls(t *testing.T) {
	left := make(chan struct{}, 1)
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "half of")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
		left <- struct{}{}
	}))
	defer up.Close()
	t.Setenv("UP", up.URL)
	g := startSite(t, `	dgate_js upper.ts {
		limits {
			timeout 200ms
		}
	}
	reverse_proxy {$UP}`, siteFiles)
	if got := g.do(harness.Request{URL: "/"}); got.Status != 500 || got.Body != "" {
		t.Errorf("%d %q", got.Status, got.Body)
	}
	<-left
}

// What streams goes on streaming: events, WebSockets, trailers, and files of any size.
func TestSiteStreams(t *testing.T) {
	g, _ := startNeighbours(t)
	t.Run("events", func(t *testing.T) {
		resp, err := harness.Client.Get(g.Site + "/proxy?events=3")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close() //nolint:errcheck // it was read
		n, err := harness.Events(harness.Client, resp.Body, func(string) {})
		if n != 3 || err != nil || resp.Header.Get("X-Touched") != "request" {
			t.Errorf("%d events, %v, header %v", n, err, resp.Header)
		}
	})
	t.Run("WebSocket", func(t *testing.T) {
		got, err := harness.Talk(g.Site+"/proxy", "a", "b")
		if diff := cmp.Diff([]string{"a", "b"}, got); diff != "" || err != nil {
			t.Errorf("%v (-want +got):\n%s", err, diff)
		}
	})
	t.Run("trailers", func(t *testing.T) {
		got := g.do(harness.Request{URL: "/proxy?trailer=t"})
		if got.Trailer.Get("X-Trailer") != "t" || got.Header.Get("X-Touched") != "request" {
			t.Error(got)
		}
	})
	t.Run("a large file", func(t *testing.T) {
		const size = 64 << 20
		text := strings.Repeat("0123456789abcdef", size/16)
		writeFile(t, g.Caddy, "files/large", text)
		resp, err := harness.Client.Get(g.Site + "/files/large")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close() //nolint:errcheck // it was read
		hash := sha256.New()
		if n, err := io.Copy(hash, resp.Body); n != size || err != nil {
			t.Fatalf("%d bytes, %v", n, err)
		}
		want := sha256.Sum256([]byte(text))
		if got := hex.EncodeToString(hash.Sum(nil)); got != hex.EncodeToString(want[:]) || resp.ContentLength != size {
			t.Errorf("another file, of %d bytes", resp.ContentLength)
		}
	})
	t.Run("a large file, rewritten", func(t *testing.T) { // it is over the limit that there is without another
		writeFile(t, g.Caddy, "rewritten/large", strings.Repeat("x", 11<<20))
		if got := g.do(harness.Request{URL: "/rewritten/large"}); got.Status != http.StatusInternalServerError || got.Body != "sorry: 500" {
			t.Errorf("%d, %d bytes", got.Status, len(got.Body))
		}
	})
}

// A hundred clients at a time, slow ones and those that leave among them, leave nothing behind.
func TestSiteUnderLoad(t *testing.T) {
	g, _ := startNeighbours(t)
	paths := []string{"/proxy?bytes=20000000", "/respond?name=x", "/files/a", "/rewritten/a", "/proxy?body=x", "/encode", "/fail/throw", "/rescue/b", "/proxy?events=1000"}
	round := func() {
		var clients sync.WaitGroup
		for i := range 100 {
			clients.Go(func() {
				path := paths[i%len(paths)]
				resp, err := harness.Client.Get(g.Site + path)
				if err != nil {
					t.Error(err)
					return
				}
				defer resp.Body.Close() //nolint:errcheck // it may have been left
				if strings.Contains(path, "events=") || strings.Contains(path, "bytes=") {
					return // leaves in the middle, or before it has read anything
				}
				if _, err := io.Copy(io.Discard, resp.Body); err != nil {
					t.Errorf("%s: %v", path, err)
				}
			})
		}
		clients.Wait()
	}
	round()
	harness.Client.CloseIdleConnections()
	before := goroutines(g)
	for range 5 {
		round()
	}
	if err := harness.Await(func() error {
		harness.Client.CloseIdleConnections()
		if after := goroutines(g); after > before+20 { // connections to the upstream are kept
			return fmt.Errorf("%d goroutines, and %d before", after, before)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
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

// A script may stand in front of the gateway, whose routes have scripts of their own.
func TestSiteBeforeGateway(t *testing.T) {
	up := harness.NewUpstream(t, "up", harness.HTTP)
	g := startSite(t, "\tdgate_js guard.ts\n\tdgate", map[string]string{
		"guard.ts": `export const requestModifier = (ctx) => {
				if (ctx.request().headers.get("x-key") !== "open") ctx.response().status(401).send("denied")
			}
			export const responseModifier = async (ctx, up) => { up.writeBody("<" + new TextDecoder().decode(await up.readBody()) + ">") }
			export const errorHandler = (ctx, e) => { if (e.status === 404) ctx.response().status(404).send("no route") }`,
	})
	g.service("up", nil, up.URL)
	g.route("r", "up", `export const responseModifier = async (ctx, up) => { up.writeBody("(" + new TextDecoder().decode(await up.readBody()) + ")") }`, nil)
	key := http.Header{"X-Key": {"open"}}
	for name, tt := range map[string]struct {
		req    harness.Request
		status int
		body   string
	}{
		"denied":   {harness.Request{URL: "/r?body=x"}, 401, "denied"},
		"both":     {harness.Request{URL: "/r?body=x", Header: key}, 200, "<(x)>"},
		"zipped":   {harness.Request{URL: "/r?body=x&gzip", Header: http.Header{"X-Key": {"open"}, "Accept-Encoding": {"gzip, br"}}}, 200, "<(x)>"},
		"no route": {harness.Request{URL: "/q", Header: key}, 404, "no route"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := g.do(tt.req); got.Status != tt.status || got.Body != tt.body {
				t.Errorf("%d %q, want %d %q", got.Status, got.Body, tt.status, tt.body)
			}
		})
	}
	if err := g.AwaitLog(`"dgate":\s*\{"namespace":"default","route":"r","service":"up","module":"r","upstream":`); err != nil {
		t.Error(err)
	}
	log := g.Log()
	if got, want := strings.Count(log, `"dgate":`), strings.Count(log, `"msg":"handled request"`); got != want {
		t.Errorf("%d objects in the log of %d requests", got, want)
	}
}

// A reload sees an edit, a file that does not work is refused, and what is watched needs no reload.
func TestSiteEdits(t *testing.T) {
	const answer = `export const requestHandler = (ctx) => ctx.response().send("%s")`
	g := startSite(t, "\tdgate_js /watched watched.ts {\n\t\twatch\n\t}\n\tdgate_js reloaded.ts", map[string]string{
		"watched.ts": fmt.Sprintf(answer, "w1"), "reloaded.ts": fmt.Sprintf(answer, "r1"),
	})
	want := func(path, text string) {
		t.Helper()
		if err := harness.Await(func() error {
			if got := g.do(harness.Request{URL: path}); got.Body != text {
				return fmt.Errorf("%s: %d %q, want %q", path, got.Status, got.Body, text)
			}
			return nil
		}); err != nil {
			t.Error(err)
		}
	}
	want("/watched", "w1")
	want("/", "r1")

	writeFile(t, g.Caddy, "watched.ts", fmt.Sprintf(answer, "w2, longer"))
	want("/watched", "w2, longer")
	writeFile(t, g.Caddy, "watched.ts", "\nexport const requestHandler = (")
	if err := g.AwaitLog(`watched.ts:2:\d+`); err != nil {
		t.Error(err)
	}
	want("/watched", "w2, longer")
	writeFile(t, g.Caddy, "watched.ts", fmt.Sprintf(answer, "w3"))
	want("/watched", "w3")

	writeFile(t, g.Caddy, "reloaded.ts", fmt.Sprintf(answer, "r2"))
	if err := g.Reload(); err != nil {
		t.Fatal(err)
	}
	want("/", "r2")
	writeFile(t, g.Caddy, "reloaded.ts", "\nexport const requestHandler = 1")
	if err := g.Reload(); err == nil || !strings.Contains(err.Error(), "reloaded.ts:2:14: requestHandler must be a function") {
		t.Errorf("reload: %v", err)
	}
	want("/", "r2")
	want("/watched", "w3")
}

// Configurations that have ended leave nothing running: no watch, and no machine.
func TestSiteReloads(t *testing.T) {
	g := startSite(t, "\tdgate_js /watched m.ts {\n\t\twatch\n\t}\n\tdgate_js m.ts", map[string]string{"m.ts": "export const requestHandler = () => {}"})
	edit := func(i int) {
		t.Helper()
		text := fmt.Sprint("edit ", i)
		writeFile(t, g.Caddy, "m.ts", `export const requestHandler = async (ctx) => { await null; ctx.response().send("`+text+`") }`)
		if err := g.Reload(); err != nil {
			t.Fatal(err)
		}
		if got := g.do(harness.Request{URL: "/"}); got.Body != text {
			t.Errorf("%q, want %q", got.Body, text)
		}
	}
	edit(0)
	before := goroutines(g)
	for i := range 10 {
		edit(i)
	}
	if err := harness.Await(func() error {
		if after := goroutines(g); after > before+5 {
			return fmt.Errorf("%d goroutines, and %d before", after, before)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}

// Only who needs a store has one: there is no data directory until a script asks for a document.
func TestSiteOpensNoStore(t *testing.T) {
	g := startSite(t, "\tdgate_js m.ts", map[string]string{
		"m.ts": `import { getCollection, addCollection } from "dgate/state"
			export const requestHandler = async (ctx) => {
				if (ctx.request().path === "/plain") return ctx.response().send("plain")
				ctx.response().send(String((await getCollection("c").catch((e) => e)).code))
			}`,
	})
	data := filepath.Join(g.Dir, "data", "caddy", "dgate")
	if got := g.do(harness.Request{URL: "/plain"}); got.Body != "plain" {
		t.Error(got)
	}
	if got := g.do(harness.Request{URL: g.Admin + "/dgate/api/v1/route"}); got.Status != 503 || !strings.Contains(got.Body, "no dgate app is configured") {
		t.Error(got)
	}
	if _, err := os.Stat(data); !os.IsNotExist(err) {
		t.Errorf("%s: %v", data, err)
	}
	var first sync.WaitGroup
	for range 20 {
		first.Go(func() {
			if got := g.do(harness.Request{URL: "/state"}); got.Body != "not_found" {
				t.Error(got)
			}
		})
	}
	first.Wait()
	if _, err := os.Stat(data); err != nil {
		t.Error(err)
	}
	if got := g.do(harness.Request{URL: g.Admin + "/dgate/api/v1/route"}); got.Status != 200 {
		t.Error(got)
	}
	if err := g.Reload(); err != nil {
		t.Error(err)
	}
	if got := g.do(harness.Request{URL: "/state"}); got.Body != "not_found" {
		t.Error(got)
	}
}

// A store can be asked for by a reload, whatever kind, as long as there is none yet.
func TestSiteGetsAStore(t *testing.T) {
	g := startSite(t, "\tdgate_js m.ts", map[string]string{"m.ts": `export const requestModifier = () => {}`})
	if err := g.Write(caddyfile); err != nil {
		t.Fatal(err)
	}
	if err := g.Reload(); err != nil {
		t.Fatal(err)
	}
	g.route("r", "", `export const requestHandler = (ctx) => ctx.response().send("route")`, nil)
	if got := g.do(harness.Request{URL: "/r"}); got.Body != "route" {
		t.Error(got)
	}
}
