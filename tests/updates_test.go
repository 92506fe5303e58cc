package tests

import (
	"flag"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dgate-io/caddy-dgate/tests/harness"
)

var updates = flag.Int("updates", 300, "how many times TestModuleUpdates changes a module")

// A module is changed again and again while requests go through it. No request fails, each runs at
// least the version whose put was answered before it was sent, and nothing is left behind. With
// `-args -updates 5000` it takes a minute or two.
func TestModuleUpdates(t *testing.T) {
	up := harness.NewUpstream(t, "up", harness.HTTP)
	g := startGateway(t, harness.DefaultCaddyfile) // in storage memory the log is on the heap
	g.service("up", nil, up.URL)
	version := func(i int) string {
		return fmt.Sprintf(`const version = "%d"
			export const requestModifier = (ctx) => { ctx.set("version", version) }
			export const responseModifier = (ctx, upstream) => upstream.headers.set("X-Version", ctx.get("version"))`, i)
	}
	g.route("changing", "up", version(0), nil)

	var live, requests atomic.Int64
	update := func(from, to int) {
		l := startClients(g, 4, func(c *http.Client) error {
			least := live.Load()
			resp, err := c.Get(g.Site + "/changing")
			if err != nil {
				return err
			}
			defer resp.Body.Close() //nolint:errcheck // not read
			requests.Add(1)
			got, err := strconv.ParseInt(resp.Header.Get("X-Version"), 10, 64)
			if err != nil || got < least || resp.StatusCode != http.StatusOK {
				return fmt.Errorf("status %d, version %q, want at least %d", resp.StatusCode, resp.Header.Get("X-Version"), least)
			}
			return nil
		})
		for i := from; i <= to; i++ {
			g.module("changing", version(i))
			live.Store(int64(i))
		}
		l.end()
	}
	update(1, 20)
	before := g.footprint()
	update(21, 20+*updates)
	if err := harness.Await(func() error {
		after := g.footprint()
		if after.goroutines > before.goroutines+40 || after.files > before.files+20 || after.heap > before.heap+4<<20 {
			return fmt.Errorf("%+v, and %+v before", after, before)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	t.Logf("%d requests; before: %+v, after: %+v", requests.Load(), before, g.footprint())
}

// startClients lets n clients call f again and again until the load ends; an error fails the test.
func startClients(g *gateway, n int, f func(*http.Client) error) *load {
	l := newLoad(g)
	for range n {
		client := &http.Client{Transport: new(http.Transport)}
		l.run(func(int) error { return f(client) })
		l.atEnd = append(l.atEnd, client.CloseIdleConnections)
	}
	return l
}

// BenchmarkNeighbour tells how long requests to an ordinary script take beside a script that
// misbehaves all the time, and how long without it: p50 and p99.
func BenchmarkNeighbour(b *testing.B) {
	for name, code := range map[string]string{
		"nobody":        ``,
		"a loop":        `for (;;);`,
		"a string":      `let a = "x"; for (;;) a += a`,
		"an array":      `const a = []; for (;;) a.push({})`,
		"an expression": `/^(?=(a+)+b)/.test("a".repeat(100))`,
		"a wait":        `return new Promise(() => {})`,
		"deep calls":    `const f = () => [1].map(f); f()`,
	} {
		b.Run(name, func(b *testing.B) {
			g := startGateway(b, caddyfile)
			g.route("good", "", `export const requestHandler = (ctx) => ctx.response().json({ ok: true })`, nil)
			g.route("bad", "", `export const requestHandler = () => { `+code+` }`, nil)
			clients := 1
			if code == "" {
				clients = 0
			}
			l := startClients(g, clients, func(c *http.Client) error {
				resp, err := c.Get(g.Site + "/bad")
				if err != nil {
					return err
				}
				return resp.Body.Close()
			})
			client := &http.Client{Transport: new(http.Transport)}
			defer client.CloseIdleConnections()
			var took []time.Duration
			for b.Loop() {
				start := time.Now()
				resp, err := client.Get(g.Site + "/good")
				if err != nil || resp.StatusCode != http.StatusOK {
					b.Fatal(resp, err)
				}
				resp.Body.Close() //nolint:errcheck // not read
				took = append(took, time.Since(start))
			}
			l.end()
			slices.Sort(took)
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(float64(took[len(took)/2].Microseconds()), "µs/p50")
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "µs/p99")
		})
	}
}
