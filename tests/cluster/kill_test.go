package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"testing"
	"time"

	"github.com/dgate-io/caddy-dgate/tests/harness"
)

// A node without a cluster loses nothing either when it is killed while clients write.
func TestKillSingle(t *testing.T) {
	count := rounds(t, 2, 100)
	c := newCluster(t, 1)
	n := c.nodes[0]
	n.Secret = ""
	c.must(n.start())
	c.collect(collection)
	w := startWorkload(t, c.nodes, 6)
	w.resumed(0)
	for range count {
		c.must(n.kill())
		c.must(n.start())
		w.more(50)
	}
	w.check(c.nodes)
}

// Test 1: the leader is killed again and again while clients write to all nodes. Nothing that was
// answered is lost, what clients saw is linearizable, and writes go on within 4 s.
func TestKillLeader(t *testing.T) {
	count := rounds(t, 2, 200)
	c := startCluster(t, 3)
	c.collect(collection)
	w := startWorkload(t, c.nodes, 6)
	w.resumed(0)
	var gaps spans
	for range count {
		leader := c.leader()
		killed := w.now()
		c.must(leader.kill())
		gaps = append(gaps, w.resumed(killed))
		c.must(leader.start())
		c.complete(3)
		w.more(20)
	}
	c.bounded("write gap after kill -9 of the leader", gaps, 4*time.Second)
	c.settle(w)
}

// Test 2: all nodes are killed at once, at any moment, while they take snapshots, too. All come back
// with all that was answered, and are the same.
func TestKillAll(t *testing.T) {
	count := rounds(t, 1, 50)
	c := startCluster(t, 3)
	c.collect(collection)
	w := startWorkload(t, c.nodes, 6)
	var outages spans
	for range count {
		w.more(50 + rand.IntN(50))
		victim := c.nodes[rand.IntN(len(c.nodes))]
		snapshot := make(chan struct{})
		go func() { // it may be killed before it answers, or after
			defer close(snapshot)
			_, _ = victim.want(http.MethodPost, "/cluster/snapshot", "")
		}()
		killed := w.now()
		for _, n := range c.nodes {
			c.must(n.kill())
		}
		<-snapshot
		c.start()
		outages = append(outages, w.resumed(killed))
	}
	t.Logf("write gap after kill -9 of all: %s", outages)
	c.settle(w)
}

// Test 3: the leader is stopped for a while, as a hypervisor does, and goes on as if nothing had
// happened. It learns within a second that it leads no more, and has served no stale read as new.
func TestPauseLeader(t *testing.T) {
	count := rounds(t, 1, 100)
	c := startCluster(t, 3)
	c.collect(collection)
	w := startWorkload(t, c.nodes, 6)
	w.resumed(0)
	var gaps, corrected spans
	for range count {
		leader := c.leader()
		paused := w.now()
		c.must(leader.pause())
		w.use(c.others(leader)) // soon everybody would wait for the one that says nothing
		pause := 200*time.Millisecond + rand.N(9800*time.Millisecond)
		if !long {
			pause = 3500 * time.Millisecond
		}
		<-time.After(pause)
		if pause > 3*time.Second {
			gaps = append(gaps, w.resumed(paused))
		}
		w.use(c.nodes)
		c.must(leader.resume())
		resumed := time.Now()
		c.must(await(10*time.Second, func() error { // one, and no other who thinks so
			_, err := leads(c.nodes)
			return err
		}))
		corrected = append(corrected, time.Since(resumed))
		c.complete(3)
		w.more(20)
	}
	t.Logf("write gap after SIGSTOP of the leader: %s", gaps)
	c.bounded("one leader again after SIGCONT", corrected, time.Second)
	c.settle(w)
}

// Test 21: the leader is asked to end while a hundred clients write. It hands over before it goes.
func TestStopLeader(t *testing.T) {
	count := rounds(t, 1, 50)
	c := startCluster(t, 3)
	c.collect(collection)
	w := startWorkload(t, c.nodes, 100)
	w.more(200)
	var gaps spans
	for range count {
		leader := c.leader()
		from := w.now()
		c.must(leader.Stop())
		w.more(200)
		gaps = append(gaps, w.pause(from, w.now()))
		c.must(leader.start())
		c.complete(3)
		w.more(200)
	}
	c.bounded("write gap after a graceful stop of the leader", gaps, 500*time.Millisecond)
	c.settle(w)
}

// Test 9: the only node of three that is left starts alone, and serves what it has: routes, modules,
// documents and certificates. Writes and fresh reads say that there is no leader.
func TestNoQuorum(t *testing.T) {
	rounds(t, 1, 1)
	up := harness.NewUpstream(t, "up", harness.HTTP)
	c := newCluster(t, 3)
	for _, n := range c.nodes {
		n.HTTPS = true
	}
	c.start()
	c.collect(collection)
	certificate, key := selfSigned(t, "shop.example.com")
	c.put("namespace/shop", struct{}{})
	for path, body := range map[string]any{
		"service/default/up":               map[string]any{"urls": []string{up.URL}},
		"module/default/hello":             map[string]any{"payload": []byte(`export const requestHandler = (ctx) => ctx.response().send("hello")`)},
		"domain/shop/shop":                 map[string]any{"patterns": []string{"shop.example.com"}, "cert": certificate, "key": key},
		"document/default/faults/greeting": "kept",
	} {
		c.put(path, body)
	}
	c.put("route/default/up", map[string]any{"paths": []string{"/up"}, "methods": []string{"GET"}, "service": "up"})
	c.put("route/default/hello", map[string]any{"paths": []string{"/hello"}, "methods": []string{"GET"}, "modules": []string{"hello"}})
	c.converged()
	for _, n := range c.nodes {
		c.must(n.kill())
	}
	n := c.nodes[1]
	began := time.Now()
	c.must(n.start())
	for path, want := range map[string]string{"/hello": "hello", "/up?body=there": "there"} {
		got, err := harness.Get(n.Site + path)
		if err != nil || got.Body != want {
			t.Errorf("GET %s without a quorum: %v, %v", path, got, err)
		}
	}
	if got := n.handshake(t, "shop.example.com"); !bytes.Equal(got, pemBytes(t, certificate)) {
		t.Error("a TLS handshake got another certificate than that of the domain")
	}
	doc, err := n.want(http.MethodGet, documentPath("greeting"), "")
	if err != nil {
		t.Error(err)
	} else if value, err := valueOf(doc.body); value != "kept" {
		t.Errorf("document: %q, %v", value, err)
	}
	c.bounded("from exec to serving without a quorum", spans{time.Since(began)}, 3*time.Second)
	c.unwritable(n)
	if err := n.ready(); err == nil {
		t.Error("a node without a leader says that it is ready")
	}
	c.start() // and all is well again
	c.put("document/default/faults/greeting", "again")
	c.converged()
}

// unwritable expects nodes to refuse writes and fresh reads within 6 s, as there is no leader.
func (c *cluster) unwritable(nodes ...*node) {
	c.t.Helper()
	if err := each(nodes, func(n *node) error {
		put := make(chan error)
		go func() { put <- n.refuses(http.MethodPut, documentPath("refused")) }()
		return errors.Join(n.refuses(http.MethodGet, documentPath("refused")+"?consistency=strong"), <-put)
	}); err != nil {
		c.t.Error(err)
	}
}

// refuses is nil if a node says in time that there is no leader for a request.
func (n *node) refuses(method, path string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	began := time.Now()
	a, err := n.ask(ctx, method, path, `"x"`)
	switch {
	case err != nil:
		return fmt.Errorf("%s on %s without a leader: %w", method, n.name, err)
	case a.status != http.StatusServiceUnavailable || a.code() != "no_leader" || a.header.Get("Retry-After") == "":
		return fmt.Errorf("%s on %s without a leader: %s, want 503 no_leader with Retry-After", method, n.name, a)
	case time.Since(began) > 6*time.Second:
		return fmt.Errorf("%s on %s without a leader took %v, want at most 6 s", method, n.name, time.Since(began))
	}
	return nil
}

// settle ends a workload, waits until all nodes are the same, and checks what they have.
func (c *cluster) settle(w *workload) {
	c.t.Helper()
	w.stop()
	c.converged()
	w.check(c.nodes)
}

// bounded fails the test if the 99th percentile of times is above a bound. With the race detector, and
// other tests beside it, times say little: the short form has twice that.
func (c *cluster) bounded(what string, times spans, bound time.Duration) {
	c.t.Helper()
	if !long {
		bound *= 2
	}
	c.t.Logf("%s: %s", what, times)
	if got := times.at(99); got > bound {
		c.t.Errorf("%s: p99 %v, want at most %v", what, got, bound)
	}
}
