package raftstorage

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/dgate-io/caddy-dgate/internal/resource"
	"github.com/dgate-io/caddy-dgate/internal/state"
)

func TestForwarding(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3)
	var wg sync.WaitGroup
	for i, n := range c.nodes {
		for j := range 20 {
			wg.Go(func() {
				name := numbered("s"+strconv.Itoa(i), j)
				o, err := n.Propose(t.Context(), service(name, "http://a"))
				if err != nil {
					t.Error(err)
					return
				}
				if len(o.Results) != 1 || !o.Results[0].Created || o.Results[0].Version != o.Index || o.Results[0].Key.Name != name {
					t.Errorf("outcome %+v", o)
				}
				if n.DB().Applied() < o.Index {
					t.Error("the node that was asked does not have it")
				}
			})
		}
	}
	wg.Wait()
	c.same()
	if got := len(names(t, c.nodes[2], "service")); got != 60 {
		t.Errorf("%d services", got)
	}
}

func TestForwardedRefusals(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 2)
	n := c.nodes[c.follower()]
	_, err := n.Propose(t.Context(), state.Delete(resource.Key{Kind: "service", Namespace: "default", Name: "x"}, state.Condition{}))
	if op := new(state.OpError); resource.CodeOf(err) != resource.NotFound || err.Error() != "service not found: x" || !errors.As(err, &op) || op.Key.Name != "x" {
		t.Errorf("got %v", err)
	}
	route, err := state.Put(&resource.Route{Name: "r", Namespace: "default", Paths: []string{"/"}, Methods: []string{"GET"}, Service: "none"}, state.Condition{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = n.Propose(t.Context(), route)
	if fields := resource.FieldErrors(err); resource.CodeOf(err) != resource.ValidationFailed || len(fields) != 1 || fields[0].Field != "service" {
		t.Errorf("got %v, fields %v", err, fields)
	}
}

func TestForwardedLarge(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 2)
	m := &resource.Module{Name: "m", Namespace: "default", Payload: make([]byte, 3<<20)}
	op, err := state.Put(m, state.Condition{})
	if err != nil {
		t.Fatal(err)
	}
	write(t, c.nodes[c.follower()], op)
	c.same()
}

// TestSentThrice sends every command three times, as a network that loses answers would have it.
func TestSentThrice(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3)
	l, f := c.leads(), c.follower()
	s := c.nodes[f].store
	var wg sync.WaitGroup
	for i := range 30 {
		op := service(numbered("s", i), "http://a")
		cmd := state.Command{ID: s.counter.next(s.session), Time: time.Now(), Proposer: "test", Ops: []state.Op{op}}
		data, err := cmd.Encode()
		if err != nil {
			t.Fatal(err)
		}
		indexes := make([]uint64, 3)
		for j := range indexes {
			wg.Go(func() {
				var answer agreed
				if err := s.call(t.Context(), c.address(l), "propose", data, &answer); err != nil {
					t.Error(err)
				}
				indexes[j] = answer.Index
			})
		}
		wg.Wait()
		if indexes[0] == 0 || indexes[0] != indexes[1] || indexes[1] != indexes[2] {
			t.Fatalf("applied at %v", indexes)
		}
	}
	c.same()
	for i, n := range c.nodes {
		if got := n.DB().Changelog().Count; got != 31 { // with namespace default
			t.Errorf("node %d: %d changes", i, got)
		}
	}
}

func TestNoLeader(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3)
	f := c.follower()
	for i, n := range c.nodes {
		if i != f {
			stop(t, n)
		}
	}
	c.eventually("notice it", func() bool { return c.nodes[f].Status().Leader == "" })
	began := time.Now()
	_, err := c.nodes[f].Propose(t.Context(), service("s", "http://a"))
	if took := time.Since(began); resource.CodeOf(err) != resource.NoLeader || took < 3*time.Second || took > 6*time.Second {
		t.Errorf("after %v: %v", took, err)
	}
	if err := c.nodes[f].Barrier(t.Context()); resource.CodeOf(err) != resource.NoLeader {
		t.Errorf("barrier: %v", err)
	}
	if names := names(t, c.nodes[f], "namespace"); len(names) != 1 {
		t.Errorf("what it has is not served: %v", names)
	}
}

// TestUnknownOutcome cuts the leader off when it has a command that nobody else has.
func TestUnknownOutcome(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3)
	l := c.leads()
	c.isolate(l, true)
	began := time.Now()
	_, err := c.nodes[l].Propose(t.Context(), service("lost", "http://a"))
	if took := time.Since(began); resource.CodeOf(err) != resource.OutcomeUnknown || took > 6*time.Second {
		t.Errorf("after %v: %v", took, err)
	}
	other := (l + 1) % 3
	write(t, c.nodes[other], service("s", "http://a"))
	c.isolate(l, false)
	c.settled(l)
	c.same()
	if got := names(t, c.nodes[l], "service"); len(got) != 1 || got[0] != "s" {
		t.Errorf("services %v", got)
	}
}

func TestBarrierOnFollowers(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3)
	l, f := c.leads(), c.follower()
	for i := range 30 {
		o := write(t, c.nodes[l], service("s", "http://a"+strconv.Itoa(i)))
		if err := c.nodes[f].Barrier(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := c.nodes[f].DB().Applied(); got < o.Index {
			t.Fatalf("behind the barrier: %d of %d", got, o.Index)
		}
	}
}

func TestClusterRestart(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3)
	write(t, c.nodes[0], service("s0", "http://a"))
	for i := range c.nodes { // one after the other
		stop(t, c.nodes[i])
		write(t, c.nodes[(i+1)%3], service(numbered("while", i), "http://a"))
		c.open(i)
		c.settled(i)
	}
	c.same()
	for _, n := range c.nodes { // all at once
		stop(t, n)
	}
	for i := range c.nodes {
		began := time.Now()
		c.open(i)
		if took := time.Since(began); took > 3*time.Second {
			t.Errorf("node %d opened after %v", i, took)
		}
		if got := len(names(t, c.nodes[i], "service")); got != 4 {
			t.Errorf("node %d serves %d services", i, got)
		}
	}
	write(t, c.nodes[0], service("after", "http://a"))
	c.same()
}

// TestStepDown gives leadership away under writes: nobody waits long.
func TestStepDown(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3)
	l := c.leads()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	var mu sync.Mutex
	var longest time.Duration
	for i := range 20 {
		wg.Go(func() {
			for j := 0; ctx.Err() == nil; j++ {
				began := time.Now()
				if _, err := c.nodes[(l+1)%3].Propose(context.Background(), service(numbered("s", i), "http://a"+strconv.Itoa(j))); err != nil {
					t.Error(err)
				}
				mu.Lock()
				longest = max(longest, time.Since(began))
				mu.Unlock()
			}
		})
	}
	c.eventually("write", func() bool { return c.nodes[l].DB().Changelog().Count > 200 })
	if err := c.nodes[l].StepDown(t.Context()); err != nil {
		t.Error(err)
	}
	stop(t, c.nodes[l])
	c.nodes[l] = New(Config{Dir: t.TempDir()})
	other := c.leads()
	count := c.nodes[other].DB().Changelog().Count
	c.eventually("write", func() bool { return c.nodes[other].DB().Changelog().Count > count+200 })
	cancel()
	wg.Wait()
	t.Logf("longest write: %v", longest)
	if longest > time.Second {
		t.Errorf("a write took %v", longest)
	}
}
