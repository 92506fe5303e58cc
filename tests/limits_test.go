package tests

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/dgate-io/caddy-dgate/tests/harness"
)

// limited is a Caddy whose modules may use little.
const limited = `{
	admin {$ADMIN_ADDR}
	default_bind 127.0.0.1
	grace_period 5s
	dgate {
		storage memory
		limits {
			cpu 100ms
			timeout 3s
			heap 64MiB
			vms 2
			body 1KiB
		}
	}
}

http://:{$SITE_PORT} {
	dgate
}
`

// Every limit has a kind of its own. The client gets a status, the log the place in the script, and
// the metrics a count; the next request is answered, and so are those of other routes meanwhile.
func TestLimits(t *testing.T) {
	g := startGateway(t, limited)
	tests := map[string]struct { // by kind
		code string // of a requestHandler, from the second line of its module
		want int
		at   string // in the module, where that is known
		log  string // empty where it is the client's fault
	}{
		"throw":         {`null.x`, 500, `\.ts:2:\d+`, "TypeError"},
		"reject":        {`return Promise.reject(new Error("no"))`, 500, `\.ts:2:\d+`, "Error: no"},
		"cpu":           {`for (;;);`, 500, `\.ts:2:\d+`, "computed for longer than 100ms"},
		"timeout":       {`return new Promise((r) => setTimeout(r, 60000))`, 500, "", "took longer than 3s"},
		"heap":          {`return (async () => { for (const a = []; ; ) { a.push("x".repeat(4 << 20)); await new Promise((r) => setTimeout(r, 1)) } })()`, 500, `(\.ts:2:\d+)?`, "memory grew by more than 64 MiB"},
		"stack":         {`const f = () => f() + 1; f()`, 500, `\.ts:2:\d+`, "calls nest deeper than 1000"},
		"never_settles": {`return new Promise(() => {})`, 500, "", "can never settle"},
		"panic":         {`return (async () => { await { constructor: Promise } })()`, 500, "", "panic"},
		"body":          {`return ctx.request().readBody()`, 413, "", ""},
		"refused":       {`return fetch("` + g.Admin + `/config/")`, 500, `\.ts:2:\d+`, "administrative address"},
	}
	for kind, tt := range tests {
		g.route(strings.ReplaceAll(kind, "_", "-"), "", `export const requestHandler = (ctx) => { if (ctx.request().query.get("ok")) return ctx.response().send("ok")
			`+tt.code+` }`, nil)
	}
	g.route("other", "", `export const requestHandler = (ctx) => ctx.response().send("other")`, nil)
	quiet := g.meanwhile("/other")
	for kind, tt := range tests {
		t.Run(kind, func(t *testing.T) {
			url := "/" + strings.ReplaceAll(kind, "_", "-")
			answer := g.do(harness.Request{Method: http.MethodPost, URL: url, Body: harness.Zeros(2000)})
			if answer.Status != tt.want {
				t.Errorf("got %s, want %d", answer, tt.want)
			}
			if tt.log != "" {
				if err := g.AwaitLog(`"msg":"` + url[1:] + tt.at + `: requestHandler: .*` + regexp.QuoteMeta(tt.log)); err != nil {
					t.Error(err)
				}
			}
			g.counted(t, "requestHandler", kind, 1)
			if answer := g.do(harness.Request{URL: url + "?ok=1"}); answer.Status != 200 || answer.Body != "ok" {
				t.Errorf("the next request: %s", answer)
			}
		})
	}
	quiet()

	t.Run("busy", func(t *testing.T) {
		g.route("busy", "", `export const requestHandler = (ctx) => new Promise((r) => setTimeout(r, 2000))`, nil)
		var all sync.WaitGroup
		statuses := make(chan int, 4)
		for range cap(statuses) {
			all.Go(func() {
				answer, err := harness.Get(g.Site + "/busy")
				if err != nil {
					t.Error(err)
					return
				}
				if statuses <- answer.Status; answer.Status == 503 && answer.Header.Get("Retry-After") == "" {
					t.Error("503 without Retry-After")
				}
			})
		}
		all.Wait()
		close(statuses)
		got := map[int]int{}
		for status := range statuses {
			got[status]++
		}
		if got[204] != 2 || got[503] != 2 {
			t.Errorf("got %v, want two answers and two refusals", got)
		}
		g.counted(t, "", "busy", 2)
	})

	t.Run("uploads", func(t *testing.T) {
		for kind, code := range map[string]string{
			"syntax":       `export const = 1`,
			"import":       `import "no-such-module"`,
			"too_large":    strings.Repeat("[", 100000),
			"not_function": `export const requestHandler = 1`,
		} {
			if err := g.tryPut("module", "refused", fields{"payload": []byte(code)}); err == nil {
				t.Errorf("%s: stored", kind)
			}
			g.counted(t, "", kind, 1)
		}
	})

	t.Run("reload", func(t *testing.T) {
		if err := g.Write(strings.Replace(limited, "3s", "4s", 1)); err != nil {
			t.Fatal(err)
		}
		if err := g.Reload(); err != nil {
			t.Fatal(err)
		}
		g.counted(t, "requestHandler", "cpu", 1)
		if metrics := g.page(t, "/metrics"); !regexp.MustCompile(`(?m)^dgate_script_vms [1-8]$`).MatchString(metrics) || !strings.Contains(metrics, "dgate_script_vms_idle ") {
			t.Errorf("no gauges of VMs, or more VMs than there may be:\n%s", metrics)
		}
	})
}

// meanwhile asks for a path again and again until the function that it returns is called.
func (g *gateway) meanwhile(path string) (end func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-done:
				return
			default:
			}
			if answer, err := harness.Get(g.Site + path); err != nil || answer.Status != 200 {
				g.t.Errorf("%s meanwhile: %v, %v", path, answer, err)
			}
		}
	}()
	return func() { close(done); <-ended }
}

// counted checks how many failures of a kind there have been.
func (g *gateway) counted(t *testing.T, hook, kind string, want int) {
	t.Helper()
	g.shows(t, "/metrics", fmt.Sprintf("dgate_script_failures_total{hook=%q,kind=%q} %d", hook, kind, want))
}
