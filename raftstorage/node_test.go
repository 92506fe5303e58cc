package raftstorage

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/dgate-io/caddy-dgate/internal/resource"
	"github.com/dgate-io/caddy-dgate/internal/state"
)

func TestConcurrentProposals(t *testing.T) {
	n := start(t, Config{Dir: t.TempDir()})
	var wg sync.WaitGroup
	for i := range 200 {
		wg.Go(func() {
			if _, err := n.Propose(t.Context(), service(numbered("s", i), "http://a")); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := len(names(t, n, "service")); got != 200 {
		t.Errorf("%d services", got)
	}
}

func TestRefusedProposals(t *testing.T) {
	n := start(t, Config{Dir: t.TempDir()})
	tests := map[string]struct {
		ops  []state.Op
		code resource.Code
		text string
	}{
		"nothing": {nil, resource.BadRequest, "there is nothing to change"},
		"absent":  {[]state.Op{state.Delete(resource.Key{Kind: "service", Namespace: "default", Name: "x"}, state.Condition{})}, resource.NotFound, "service not found: x"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := n.Propose(t.Context(), tt.ops...)
			if resource.CodeOf(err) != tt.code || err.Error() != tt.text {
				t.Errorf("got %v", err)
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := n.Propose(ctx, service("s", "http://a")); err == nil {
		t.Error("accepted from somebody who is gone")
	}
}

func TestLargeProposals(t *testing.T) {
	n := start(t, Config{Dir: t.TempDir()})
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			m := &resource.Module{Name: numbered("m", i%2), Namespace: "default", Payload: []byte(strings.Repeat("abcdefg\n", resource.MaxModuleSize/8))}
			op, err := state.Put(m, state.Condition{})
			if err != nil {
				t.Error(err)
			}
			if _, err := n.Propose(t.Context(), op); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := names(t, n, "module"); len(got) != 2 {
		t.Errorf("modules: %v", got)
	}
}

func TestOverload(t *testing.T) {
	var c counter
	for range maxInFlight {
		if err := c.admit(1); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.admit(1); resource.CodeOf(err) != resource.Overloaded {
		t.Errorf("too many: %v", err)
	}
	c.done(1)
	if err := c.admit(maxInFlightBytes); resource.CodeOf(err) != resource.Overloaded {
		t.Errorf("too large: %v", err)
	}
	if err := c.admit(1); err != nil {
		t.Errorf("after one was done: %v", err)
	}
}

func TestBarrier(t *testing.T) {
	disk := &disk{}
	n := start(t, quiet(Config{Dir: t.TempDir(), faults: disk.between, timing: quick()}))
	if err := n.Barrier(t.Context()); err != nil {
		t.Error(err)
	}
	disk.fail(errors.New("input/output error"))
	if err := n.Barrier(t.Context()); resource.CodeOf(err) != resource.NoLeader {
		t.Errorf("with a disk that fails: %v", err)
	}
}
