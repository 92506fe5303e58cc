package tests

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/dgate-io/caddy-dgate/tests/harness"
)

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
