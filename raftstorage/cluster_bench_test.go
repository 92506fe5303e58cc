package raftstorage

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// BenchmarkCluster measures writes of one and of three nodes in this process, over TLS.
func BenchmarkCluster(b *testing.B) {
	for _, size := range []int{1, 3} {
		for _, callers := range []int{1, 16, 128} {
			for _, at := range []string{"leader", "follower"} {
				if at == "follower" && size == 1 {
					continue
				}
				b.Run(fmt.Sprintf("%d nodes/%d callers/%s", size, callers, at), func(b *testing.B) {
					c := newCluster(b, size, func(_ int, cfg *Config) { cfg.timing.election = time.Second })
					n := c.nodes[c.leads()]
					if at == "follower" {
						n = c.nodes[c.follower()]
					}
					var i atomic.Int64
					var wg sync.WaitGroup
					b.ResetTimer()
					for range callers {
						wg.Go(func() {
							for {
								k := i.Add(1)
								if k > int64(b.N) {
									return
								}
								if _, err := n.Propose(context.Background(), service("s"+strconv.FormatInt(k%1000, 10), "http://a"+strconv.FormatInt(k, 10))); err != nil {
									b.Error(err)
									return
								}
							}
						})
					}
					wg.Wait()
					b.StopTimer()
					b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "writes/s")
				})
			}
		}
	}
}

// BenchmarkVisible measures how long after a write was answered a follower has it.
func BenchmarkVisible(b *testing.B) {
	c := newCluster(b, 3)
	l, f := c.leads(), c.follower()
	var took []time.Duration
	for i := 0; b.Loop(); i++ {
		o := write(b, c.nodes[l], service("s", "http://a"+strconv.Itoa(i)))
		began := time.Now()
		if err := c.nodes[f].DB().Wait(context.Background(), o.Index); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "ms-p50")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "ms-p99")
}

// BenchmarkBarrier measures a read on a follower that is as new as any.
func BenchmarkBarrier(b *testing.B) {
	c := newCluster(b, 3)
	n := c.nodes[c.follower()]
	for b.Loop() {
		if err := n.Barrier(context.Background()); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkLostLeader measures how long nothing can be written after the leader is cut off.
func BenchmarkLostLeader(b *testing.B) {
	c := newCluster(b, 3, func(_ int, cfg *Config) { cfg.timing.election = time.Second })
	var gaps []time.Duration
	for b.Loop() {
		l := c.leads()
		n := c.nodes[(l+1)%3]
		write(b, n, service("before", "http://a"))
		c.isolate(l, true)
		began := time.Now()
		write(b, n, service("after", "http://a"+strconv.Itoa(len(gaps))))
		gaps = append(gaps, time.Since(began))
		c.isolate(l, false)
		c.settled(l)
	}
	slices.Sort(gaps)
	b.ReportMetric(float64(gaps[len(gaps)/2].Milliseconds()), "ms-p50")
	b.ReportMetric(float64(gaps[len(gaps)*99/100].Milliseconds()), "ms-p99")
}
