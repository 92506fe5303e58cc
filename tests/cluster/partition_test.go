package cluster

import (
	"fmt"
	"net/http"
	"testing"
	"time"
)

// startNetwork starts n nodes on a network of their own.
func startNetwork(t testing.TB, n int) *cluster {
	t.Helper()
	c := &cluster{t: t, net: newNetwork(t)}
	c.grow(n)
	c.start()
	return c
}

// others are the nodes of a cluster that are not among some.
func (c *cluster) others(some ...*node) []*node {
	var rest []*node
	for _, n := range c.nodes {
		found := false
		for _, s := range some {
			found = found || n == s
		}
		if !found {
			rest = append(rest, n)
		}
	}
	return rest
}

// Test 4: the leader and one more of five are cut off. They refuse writes, soon and clearly, and answer
// other reads; the other three go on, and afterwards all are the same.
func TestPartitionLeader(t *testing.T) {
	count := rounds(t, 1, 60)
	c := startNetwork(t, 5)
	c.collect(collection)
	w := startWorkload(t, c.nodes, 6)
	w.more(50)
	var gaps, refusals, reunions spans
	for range count {
		leader := c.leader()
		minority := []*node{leader, c.followers(leader)[0]}
		majority := c.others(minority...)
		c.net.cut(minority, majority)
		cut := w.now()
		w.use(majority)
		gaps = append(gaps, w.resumed(cut))
		c.leaderOf(majority)
		c.must(await(10*time.Second, func() error {
			for _, n := range minority {
				role, _, err := n.role()
				if err == nil && role == "leader" {
					err = fmt.Errorf("%s still leads", n.name)
				}
				if err != nil {
					return err
				}
			}
			return nil
		}))
		began := time.Now()
		c.unwritable(minority...)
		for _, n := range minority {
			if _, err := n.want(http.MethodGet, "/api/v1/collection/default/"+collection, ""); err != nil {
				t.Errorf("a read on %s, which is cut off: %v", n.name, err)
			}
		}
		refusals = append(refusals, time.Since(began))
		w.more(50)
		healed := time.Now()
		c.net.heal()
		w.use(c.nodes)
		// Clients go on, so nodes are the same only one after the other: each has what the leader had now.
		c.reach(c.leaderOf(majority), minority)
		reunions = append(reunions, time.Since(healed))
		c.complete(5)
	}
	c.bounded("write gap of the majority when the leader is cut off", gaps, 4*time.Second)
	t.Logf("refusals of the minority: %s", refusals)
	c.bounded("from the end of the partition to the state of the others", reunions, 5*time.Second)
	c.settle(w)
}

// reach waits until nodes have all that another has now.
func (c *cluster) reach(of *node, nodes []*node) {
	c.t.Helper()
	s, err := of.status()
	c.must(err)
	c.must(each(nodes, func(n *node) error {
		return await(60*time.Second, func() error {
			got, err := n.status()
			if err == nil && got.Applied < s.Applied {
				err = fmt.Errorf("%s is at %d of %d", n.name, got.Applied, s.Applied)
			}
			return err
		})
	}))
}

// highestTerm is that of the node that has seen most elections.
func (c *cluster) highestTerm() uint64 {
	c.t.Helper()
	var term uint64
	for _, n := range c.nodes {
		s, err := n.status()
		c.must(err)
		term = max(term, s.Term)
	}
	return term
}

// fewElections runs f, and fails the test if the term has risen by five or more in a minute.
func (c *cluster) fewElections(what string, f func()) {
	c.t.Helper()
	before, began := c.highestTerm(), time.Now()
	f()
	rise := c.highestTerm() - before
	c.t.Logf("%s: %d elections in %v", what, rise, time.Since(began).Round(time.Second))
	if allowed := 5 * max(1, time.Since(began).Minutes()); float64(rise) >= allowed {
		c.t.Errorf("%s: the term rose by %d in %v, want less than %.0f", what, rise, time.Since(began), allowed)
	}
}

// Test 5: what a follower sends is lost, but not what it gets; the link to the leader comes and goes.
// Neither makes the others elect again and again, and writes go on.
func TestOneWayAndFlapping(t *testing.T) {
	count := rounds(t, 1, 60)
	c := startNetwork(t, 3)
	c.collect(collection)
	w := startWorkload(t, c.nodes, 6)
	w.more(20)
	leader := c.leader()
	victim := c.followers(leader)[0]
	others := c.others(victim)
	w.use(others)
	c.fewElections("a follower that hears but is not heard", func() {
		for _, n := range others {
			c.net.drop(victim, n)
		}
		<-time.After(time.Duration(count) * 2 * time.Second)
		w.more(20)
		c.net.heal()
		c.reach(leader, []*node{victim})
	})
	c.fewElections("a link that comes and goes", func() {
		for range count {
			c.net.cut([]*node{victim}, []*node{leader})
			<-time.After(time.Second)
			c.net.heal()
			<-time.After(time.Second)
		}
		w.more(20)
	})
	c.complete(3)
	w.use(c.nodes)
	w.more(20)
	c.settle(w)
}

// Test 6: the leader and a follower do not see each other, but both see the third. There is one leader
// within 10 s, and then no other.
func TestBridgePartition(t *testing.T) {
	count := rounds(t, 1, 20)
	c := startNetwork(t, 3)
	c.collect(collection)
	w := startWorkload(t, c.nodes, 6)
	w.more(20)
	for range count {
		leader := c.leader()
		follower := c.followers(leader)[0]
		middle := c.others(leader, follower)[0]
		w.use([]*node{middle})
		c.net.cut([]*node{leader}, []*node{follower})
		settling := 4 * time.Second
		if long {
			settling = 10 * time.Second
		}
		<-time.After(settling)
		term := middle.term()
		w.more(50)
		<-time.After(2 * time.Second)
		if now := middle.term(); now != term || term == 0 {
			t.Errorf("the term was %d some seconds after the cut, and is %d", term, now)
		}
		c.net.heal()
		c.complete(3)
		w.use(c.nodes)
		w.more(20)
	}
	c.settle(w)
}

// Test 7: one follower has a slow link, and gets big documents. The others do not wait for it, and it
// catches up.
func TestSlowFollower(t *testing.T) {
	rounds(t, 1, 1)
	rate, size := "8mbit", 2
	if long {
		rate, size = "1mbit", 8
	}
	c := startNetwork(t, 3)
	c.collect(collection)
	c.collect("big")
	leader := c.leader()
	slow := c.followers(leader)[0]
	w := startWorkload(t, c.others(slow), 6)
	w.more(20)
	from := w.now()
	big := func(name string) {
		for i := range size {
			_, err := leader.want(http.MethodPut, fmt.Sprintf("/api/v1/document/default/big/%s-%d", name, i), quote(filler(1000_000, int64(i))))
			c.must(err)
			w.more(20)
		}
	}
	big("fast")
	before := spans(w.latencies(from, w.now()))
	c.net.limit(slow, rate)
	from = w.now()
	big("slow")
	during := spans(w.latencies(from, w.now()))
	w.stop() // 200 changes a second are more than 1 Mbit/s
	began := time.Now()
	c.must(await(5*time.Minute, func() error {
		all, err := leader.changes()
		if err != nil {
			return err
		}
		got, err := slow.changes()
		if err == nil && got.index != all.index && number(got.index) < number(all.index)-50 {
			err = fmt.Errorf("%s is at %s of %s", slow.name, got.index, all.index)
		}
		return err
	}))
	t.Logf("with %d MB more at %s: latency of writes %s, without the limit %s; caught up in %v", size, rate, during, before, time.Since(began).Round(time.Millisecond))
	if long && during.at(99) > 2*before.at(99)+20*time.Millisecond {
		t.Errorf("p99 of writes: %v with a slow follower, %v before", during.at(99), before.at(99))
	}
	c.net.limit(slow, "")
	c.settle(w)
}
