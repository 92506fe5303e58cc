package tests

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/dgate-io/caddy-dgate/tests/harness"
)

var reloads = flag.Int("reloads", 50, "how many times TestReloads reloads the configuration")

// reloading is a gateway, and a site that Caddy answers itself.
const reloading = `{
	admin {$ADMIN_ADDR}
	default_bind 127.0.0.1
	grace_period 5s
	dgate {
		storage memory
		tags {$ROUND}
	}
}

http://:{$SITE_PORT} {
	dgate
}

http://:{$HTTP_PORT} {
	respond "ok"
}
`

// badReloads are changes of the configuration that do not work.
var badReloads = [][2]string{
	{"storage memory", "storage persistent"},                        // cannot change: Provision
	{"storage memory", "storage memory\n\t\tresources no.yaml"},     // no such file: Provision
	{`respond "ok"`, "respond \"ok\"\n}\n:1 {\n\tbind 203.0.113.1"}, // cannot listen: Start
	{"storage memory", "storage memory\n\t\tcolour red"},            // no such option: the Caddyfile
}

// The configuration is replaced again and again, now and then by one that is refused, while requests
// and writes go on. No request fails, and nothing is left behind. With `-args -reloads 200` it takes
// minutes.
//
// A request fails if it is answered wrongly, or not even when it is sent again. That its connection
// ends without an answer happens to every site of Caddy: Linux resets what waits in the queue of the
// socket that is replaced, and Go's server closes connections whose request it has not read when it is
// told to shut down. The test counts that, on the gateway and on a site without it.
func TestReloads(t *testing.T) {
	up := harness.NewUpstream(t, "up", harness.HTTP)
	g := &gateway{harness.New(t, reloading), t}
	g.Setenv("ROUND", "0")
	if err := g.Start(); err != nil {
		t.Fatal(err)
	}
	g.service("up", nil, up.URL)
	g.route("plain", "up", "", nil)
	g.route("script", "up", `export const requestModifier = (ctx) => { ctx.set("seen", "yes") }
		export const responseModifier = (ctx) => { ctx.upstream().headers.set("X-Script", ctx.get("seen")) }`, nil)

	g.reloadUnderLoad(up.URL, 4)
	before := g.footprint()
	g.reloadUnderLoad(up.URL, *reloads)
	if err := harness.Await(func() error {
		after := g.footprint()
		// Connections to the upstream are kept for a while, with two goroutines each.
		if after.goroutines > before.goroutines+40 || after.files > before.files+20 || after.heap > before.heap+2<<20 {
			return fmt.Errorf("%+v, and %+v before", after, before)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	t.Logf("before: %+v, after: %+v", before, g.footprint())
}

// reloadUnderLoad reloads some times, each fourth time with a configuration that is refused.
func (g *gateway) reloadUnderLoad(upstream string, rounds int) {
	g.t.Helper()
	load := startLoad(g)
	load.run(func(i int) error {
		return insist(nil, func() error {
			return g.tryPut("service", "other", fields{"urls": []string{upstream}, "retries": i % 10})
		})
	})
	for round := 1; round <= rounds; round++ {
		tag := fmt.Sprint("round", round)
		text, bad := strings.Replace(reloading, "{$ROUND}", tag, 1), round%4 == 0
		if bad {
			change := badReloads[round/4%len(badReloads)]
			text = strings.Replace(text, change[0], change[1], 1)
		}
		err := insist(nil, func() error { return g.load(text) })
		switch {
		case (err != nil) != bad:
			g.t.Errorf("round %d, refused: %t, want %t: %v", round, err != nil, bad, err)
		case !bad:
			var answer *harness.Answer
			err := insist(nil, func() (err error) { answer, err = harness.Get(g.Site + "/plain"); return err })
			if err != nil || !strings.Contains(answer.Body, fmt.Sprintf("%q", tag)) {
				g.t.Errorf("round %d is not in use: %v, %v", round, answer, err)
			}
		}
	}
	load.end()
}

// load are clients that send requests, one after the other each, until it ends.
type load struct {
	t       testing.TB
	ctx     context.Context
	stop    context.CancelFunc
	clients sync.WaitGroup
	atEnd   []func()
}

func newLoad(g *gateway) *load {
	l := &load{t: g.t}
	l.ctx, l.stop = context.WithCancel(g.t.Context())
	return l
}

// startLoad sends requests to the gateway and, as a control, to a site without it.
func startLoad(g *gateway) *load {
	l := newLoad(g)
	kept, anew := &http.Client{Transport: new(http.Transport)}, &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for _, c := range []struct {
		name   string
		client *http.Client
		url    string
	}{
		{"the gateway, connections kept", kept, g.Site + "/plain?body=ok"},
		{"the gateway with a script, connections kept", kept, g.Site + "/script?body=ok"},
		{"the gateway", anew, g.Site + "/plain?body=ok"},
		{"the gateway with a script", anew, g.Site + "/script?body=ok"},
		{"Caddy alone, connections kept", kept, "http://127.0.0.1:" + g.Env()["HTTP_PORT"]},
		{"Caddy alone", anew, "http://127.0.0.1:" + g.Env()["HTTP_PORT"]},
	} {
		var all, lost atomic.Int64
		l.run(func(int) error {
			all.Add(1)
			return insist(&lost, func() error { return l.get(c.client, c.url) })
		})
		l.atEnd = append(l.atEnd, func() { g.t.Logf("%s: %d requests, %d connections lost", c.name, all.Load(), lost.Load()) })
	}
	l.atEnd = append(l.atEnd, kept.CloseIdleConnections)
	return l
}

// run calls f again and again; an error of it fails the test.
func (l *load) run(f func(i int) error) {
	l.clients.Go(func() {
		for i := 0; l.ctx.Err() == nil; i++ {
			if err := f(i); err != nil && l.ctx.Err() == nil {
				l.t.Error(err)
			}
		}
	})
}

func (l *load) get(c *http.Client, url string) error {
	req, err := http.NewRequestWithContext(l.ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := c.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close() //nolint:errcheck // it has been read
	body, err := io.ReadAll(resp.Body)
	if err == nil && (resp.StatusCode != http.StatusOK || string(body) != "ok") {
		err = fmt.Errorf("%s: %d %q", url, resp.StatusCode, body)
	}
	return err
}

func (l *load) end() {
	l.stop()
	l.clients.Wait()
	for _, f := range l.atEnd {
		f()
	}
}

// insist calls f again, but not for ever, while connections end without an answer; lost counts them
// if it is not nil.
func insist(lost *atomic.Int64, f func() error) (err error) {
	for range 10 {
		err = f()
		if !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) && !errors.Is(err, io.EOF) &&
			(err == nil || !strings.Contains(err.Error(), "server closed idle connection")) {
			break
		}
		if lost != nil {
			lost.Add(1)
		}
	}
	return err
}

// load replaces the configuration as `caddy reload` does.
func (g *gateway) load(text string) error {
	answer, err := harness.Do(g.t.Context(), harness.Request{
		Method: http.MethodPost, URL: g.Admin + "/load", Body: strings.NewReader(text),
		Header: http.Header{"Content-Type": {"text/caddyfile"}},
	})
	if err == nil && answer.Status != http.StatusOK {
		err = errors.New(answer.String())
	}
	return err
}

// footprint is what Caddy holds.
type footprint struct {
	goroutines, files int
	heap              int // bytes
}

func (g *gateway) footprint() (f footprint) {
	g.t.Helper()
	harness.Client.CloseIdleConnections()
	profile := g.do(harness.Request{URL: g.Admin + "/debug/pprof/heap?gc=1&debug=1"}).Body
	_, after, _ := strings.Cut(profile, "# HeapAlloc = ")
	if _, err := fmt.Sscan(after, &f.heap); err != nil {
		g.t.Fatal(err)
	}
	f.goroutines = goroutines(g)
	if open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", g.PID())); err == nil { // Linux
		f.files = len(open)
	}
	return f
}
