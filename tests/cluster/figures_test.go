package cluster

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestFigures prints what the docs promise: writes per second of documents of 200 bytes, and how long
// it takes until what was answered is visible on the other nodes. Bounds are held in the long form.
func TestFigures(t *testing.T) {
	onlyLong(t)
	for _, size := range []int{1, 3} {
		t.Run(fmt.Sprintf("%d nodes", size), func(t *testing.T) {
			c := newCluster(t, size)
			if size == 1 {
				c.nodes[0].Secret = ""
			}
			c.start()
			c.collect(collection)
			leader := c.leader()
			ask := map[string]*node{"leader": leader}
			if size > 1 {
				ask["follower"] = c.followers(leader)[0]
			}
			for who, n := range ask {
				for _, callers := range []int{1, 16, 128} {
					rate, latency := n.throughput(t, callers, 5*time.Second)
					t.Logf("%d nodes, %3d callers of the %s: %.0f writes/s, %s", size, callers, who, rate, latency)
				}
			}
			if size > 1 {
				c.visibility()
			}
		})
	}
}

// throughput writes documents with so many callers for a while.
func (n *node) throughput(t testing.TB, callers int, d time.Duration) (perSecond float64, latency spans) {
	t.Helper()
	var mu sync.Mutex
	var wg sync.WaitGroup
	var written atomic.Int64
	began := time.Now()
	text := quote(filler(200, 1))
	for caller := range callers {
		wg.Go(func() {
			var own spans
			for i := 0; time.Since(began) < d; i++ {
				at := time.Now()
				if _, err := n.want(http.MethodPut, documentPath(fmt.Sprintf("f-%d-%d", caller, i%1000)), quote(fmt.Sprint(at.UnixNano())+text[20:len(text)-1])); err != nil {
					t.Error(err)
					return
				}
				written.Add(1)
				own = append(own, time.Since(at))
			}
			mu.Lock()
			defer mu.Unlock()
			latency = append(latency, own...)
		})
	}
	wg.Wait()
	return float64(written.Load()) / time.Since(began).Seconds(), latency
}

// visibility measures from the answer to a write on one node to the document on the others, which are
// asked again and again, every millisecond at most.
func (c *cluster) visibility() {
	c.t.Helper()
	var times spans
	leader := c.leader()
	for i := range 300 {
		writer := c.nodes[i%len(c.nodes)]
		id := fmt.Sprint("visible-", i)
		_, err := writer.want(http.MethodPut, documentPath(id), `"x"`)
		c.must(err)
		answered := time.Now()
		var mu sync.Mutex
		c.must(each(c.others(writer), func(n *node) error {
			ctx, cancel := context.WithTimeout(context.Background(), quick)
			defer cancel()
			for {
				a, err := n.ask(ctx, http.MethodGet, documentPath(id), "")
				if err != nil {
					return err
				}
				if a.status == http.StatusOK {
					break
				}
				<-time.After(time.Millisecond)
			}
			if n != leader { // it has it first
				mu.Lock()
				defer mu.Unlock()
				times = append(times, time.Since(answered))
			}
			return nil
		}))
	}
	c.t.Logf("from the answer to a write to visible on other followers: %s", times)
	if p50, p99 := times.at(50), times.at(99); long && (p50 > 40*time.Millisecond || p99 > 100*time.Millisecond) {
		c.t.Errorf("visible after p50 %v, p99 %v, want at most 40 ms and 100 ms", p50, p99)
	}
}

// TestRecovery prints how long a node with 100 MB takes from exec to its first answer: after a graceful
// stop, after kill -9, and when its state has to be made from a snapshot and the log.
func TestRecovery(t *testing.T) {
	onlyLong(t)
	c := newCluster(t, 1)
	n := c.nodes[0]
	n.Secret = ""
	c.must(n.start())
	c.collect("big")
	for i := range 100 {
		c.put(fmt.Sprintf("document/default/big/%d", i), filler(1000_000, int64(i)))
	}
	for _, how := range []struct {
		name string
		end  func() error
	}{
		{"a graceful stop", func() error { return n.Stop() }},
		{"kill -9", n.kill},
		{"the loss of state.db", func() error { return n.loseState() }},
	} {
		c.must(how.end())
		began := time.Now()
		c.must(n.start())
		c.must(await(time.Minute, n.ready))
		t.Logf("100 MB, ready again after %s: %v", how.name, time.Since(began).Round(time.Millisecond))
		for i := range 100 {
			if err := n.hasFiller(i); err != nil {
				t.Error(err)
			}
		}
	}
}
