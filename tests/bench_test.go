package tests

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// benchmarkResources are the routes that BenchmarkRequest asks for, but for the plain proxy.
const benchmarkResources = `
services:
  - {name: up, urls: [http://%[1]s]}
modules:
  - {name: empty, payloadFile: empty.ts}
  - {name: headers, payloadFile: headers.ts}
  - {name: await, payloadFile: await.ts}
  - {name: answer, payloadFile: answer.ts}
routes:
  - {name: none, paths: [/none], methods: [GET], service: up}
  - {name: empty, paths: [/empty], methods: [GET], service: up, modules: [empty]}
  - {name: headers, paths: [/headers], methods: [GET], service: up, modules: [headers]}
  - {name: await, paths: [/await], methods: [GET], service: up, modules: [await]}
  - {name: answer, paths: [/answer], methods: [GET], modules: [answer]}
`

var benchmarkModules = map[string]string{
	"empty.ts": `export const requestModifier = (ctx) => {}`,
	"headers.ts": `export const requestModifier = (ctx) => {
		const h = ctx.request().headers
		if (h.get("accept") && h.get("user-agent") && h.get("authorization") !== "no") { h.set("x-user", "ada"); h.set("x-role", "admin") }
	}`,
	"modified.ts": `export const responseModifier = (ctx, upstream) => { upstream.headers.set("x-user", "ada") }`,
	"await.ts":    `export const requestModifier = async (ctx) => { await new Promise((r) => setTimeout(r, 0)) }`,
	"answer.ts":   `export const requestHandler = (ctx) => { ctx.response().status(200).send("ok") }`,
}

// BenchmarkRequest is the way of one request through Caddy's server, to an upstream on the
// loopback interface where there is one. /proxy is Caddy's own reverse_proxy, to compare with;
// /respond is Caddy's static response, with the directive dgate_js in front of it in /script and
// /modified.
func BenchmarkRequest(b *testing.B) {
	server := benchmarkServer(b)
	for _, path := range []string{"/proxy", "/none", "/empty", "/headers", "/await", "/answer", "/respond", "/script", "/modified"} {
		b.Run(path[1:], func(b *testing.B) {
			r := httptest.NewRequest(http.MethodGet, "http://bench"+path, nil)
			r.Header = http.Header{"Accept": {"*/*"}, "User-Agent": {"bench"}, "Authorization": {"Bearer x"}}
			b.ReportAllocs()
			for b.Loop() {
				w := httptest.NewRecorder()
				server.ServeHTTP(w, r.Clone(b.Context()))
				if w.Code != http.StatusOK {
					b.Fatal(w.Code, w.Body)
				}
			}
		})
	}
}

// benchmarkServer runs Caddy in this process.
func benchmarkServer(b *testing.B) *caddyhttp.Server {
	b.Helper()
	upstream := quietUpstream(b)
	dir := b.TempDir()
	b.Setenv("XDG_CONFIG_HOME", dir)
	b.Setenv("XDG_DATA_HOME", dir)
	write := func(name, text string) {
		if err := os.WriteFile(dir+"/"+name, []byte(text), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	for name, code := range benchmarkModules {
		write(name, code)
	}
	write("resources.yaml", fmt.Sprintf(benchmarkResources, upstream))
	text := fmt.Sprintf(`{
	admin off
	log {
		level ERROR
	}
	dgate {
		storage memory
		resources resources.yaml
	}
}
http://127.0.0.1:0 {
	handle /proxy {
		reverse_proxy %s
	}
	handle /respond {
		respond "hello"
	}
	handle /script {
		dgate_js empty.ts
		respond "hello"
	}
	handle /modified {
		dgate_js modified.ts
		respond "hello"
	}
	handle {
		dgate
	}
}
`, upstream)
	config, warnings, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(text), map[string]any{"filename": dir + "/Caddyfile"})
	if err != nil || len(warnings) > 1 { // it is not formatted
		b.Fatal(err, warnings)
	}
	if err := caddy.Load(dropHost(b, config), true); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = caddy.Stop() })
	app, err := caddy.ActiveContext().App("http")
	if err != nil {
		b.Fatal(err)
	}
	return app.(*caddyhttp.App).Servers["srv0"]
}

// dropHost removes the host matcher of the only site.
func dropHost(b *testing.B, config []byte) []byte {
	var c map[string]any
	if err := json.Unmarshal(config, &c); err != nil {
		b.Fatal(err)
	}
	servers := c["apps"].(map[string]any)["http"].(map[string]any)["servers"].(map[string]any)
	for _, route := range servers["srv0"].(map[string]any)["routes"].([]any) {
		delete(route.(map[string]any), "match")
	}
	out, err := json.Marshal(c)
	if err != nil {
		b.Fatal(err)
	}
	return out
}

// quietUpstream answers every request alike, and allocates next to nothing: what is counted is
// the gateway.
func quietUpstream(b *testing.B) string {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close() //nolint:errcheck // nobody would know what to do
				lines := bufio.NewReader(conn)
				for {
					line, err := lines.ReadSlice('\n')
					if err != nil {
						return
					}
					if len(line) > 2 {
						continue
					}
					if _, err := conn.Write([]byte("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")); err != nil {
						return
					}
				}
			}()
		}
	}()
	return l.Addr().String()
}
