package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// load replaces the configuration of a node as `caddy reload` does.
func (n *node) load(text string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, n.Admin+"/load", strings.NewReader(text))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "text/caddyfile")
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close() //nolint:errcheck // only its status counts
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("load on %s: %s", n.name, resp.Status)
	}
	return nil
}

// refusedConfigs are changes of the Caddyfile that do not work.
var refusedConfigs = [][2]string{
	{"expect 3", "expect 2"},
	{"secret " + secret, "secret short"},
	{"tags", "colour"},
	{"http://:{$SITE_PORT} {", "http://:1 {\n\tbind 203.0.113.1"}, // cannot listen
}

// Test 19: all nodes reload every 200 ms, now and then a configuration that is refused, while clients
// write. Nobody elects, nothing is lost, nothing is left behind, and the port is never closed.
func TestReloads(t *testing.T) {
	count := rounds(t, 6, 600)
	c := startCluster(t, 3)
	c.collect(collection)
	w := startWorkload(t, c.nodes, 6)
	w.more(20)
	for _, n := range c.nodes { // what a first reload allocates once
		n.Tags = "warm"
		c.must(n.load(n.text()))
	}
	term := c.nodes[0].term()
	var before, after [3]int
	for i, n := range c.nodes {
		before[i] = n.footprint(t)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var dialled, refusals atomic.Int64
	dialler := make(chan struct{})
	go func() {
		defer close(dialler)
		for ctx.Err() == nil {
			for _, n := range c.nodes {
				conn, err := new(net.Dialer).DialContext(ctx, "tcp", n.Raft)
				if err == nil {
					_ = conn.Close()
				} else if ctx.Err() == nil {
					refusals.Add(1)
				}
				dialled.Add(1)
			}
			<-time.After(50 * time.Millisecond)
		}
	}()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for round := range count {
		<-tick.C
		n := c.nodes[round%len(c.nodes)]
		n.Tags = fmt.Sprint("round", round)
		text, bad := n.text(), round%4 == 3
		if bad {
			change := refusedConfigs[round/4%len(refusedConfigs)]
			text = strings.Replace(text, change[0], change[1], 1)
		}
		if err := insist(func() error { return n.load(text) }); (err != nil) != bad {
			t.Errorf("round %d on %s, refused: %t, want %t: %v", round, n.name, err != nil, bad, err)
		}
	}
	cancel()
	<-dialler
	w.more(20)
	if now := c.nodes[0].term(); now != term {
		t.Errorf("the term was %d before the reloads, and is %d", term, now)
	}
	if refusals.Load() > 0 {
		t.Errorf("the port did not answer %d of %d times", refusals.Load(), dialled.Load())
	}
	c.settle(w)
	for i, n := range c.nodes {
		if err := await(20*time.Second, func() error {
			after[i] = n.footprint(t)
			if after[i] > before[i]+40 {
				return fmt.Errorf("%s has %d open files and goroutines after %d reloads, and had %d", n.name, after[i], count, before[i])
			}
			return nil
		}); err != nil {
			t.Error(err)
		}
	}
	t.Logf("%d reloads: open files and goroutines %v before, %v after; the port answered %d times", count, before, after, dialled.Load())
}

// insist tries again while connections end without an answer, as happens to those that wait in the
// queue of a socket that a reload replaces.
func insist(f func() error) (err error) {
	for range 10 {
		var op *net.OpError
		if err = f(); err == nil || !errors.As(err, &op) && !strings.Contains(err.Error(), "EOF") {
			return err
		}
	}
	return err
}

// footprint is how many files and goroutines a node has.
func (n *node) footprint(t testing.TB) int {
	t.Helper()
	client.CloseIdleConnections()
	files, err := n.openFiles()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), quick)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, n.Admin+"/debug/pprof/goroutine?debug=1", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // it has been read
	var goroutines int
	if _, err := fmt.Fscanf(resp.Body, "goroutine profile: total %d", &goroutines); err != nil {
		t.Fatal(err)
	}
	return files + goroutines
}
