package state

import (
	"bytes"
	"context"
	"errors"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dgate-io/caddy-dgate/internal/resource"
)

func next(t *testing.T, s *Subscription) ([]Change, bool) {
	t.Helper()
	changes, resync, err := s.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return changes, resync
}

func TestSubscription(t *testing.T) {
	s := open(t)
	fromNow := s.Subscribe(s.Applied())
	fromStart := s.Subscribe(0)
	o := s.must(put(t, service("a", "http://a")), put(t, service("b", "http://a")))
	s.must(put(t, service("a", "http://a"))) // nothing changes
	s.apply(del("service", "x"))             // refused
	want := []Change{{o.Index, []resource.Key{key("service", "a"), key("service", "b")}}}
	got, resync := next(t, fromNow)
	if diff := cmp.Diff(want, got); diff != "" || resync {
		t.Errorf("resync %v, changes (-want +got):\n%s", resync, diff)
	}
	got, _ = next(t, fromStart)
	if diff := cmp.Diff(append([]Change{{1, []resource.Key{{Kind: "namespace", Name: "default"}}}}, want...), got); diff != "" {
		t.Errorf("from the start (-want +got):\n%s", diff)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := fromNow.Next(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("with nothing new: %v", err)
	}
}

func TestSubscriptionMisses(t *testing.T) {
	changed := func(s *store, n int) {
		var datas [][]byte
		for i := range n {
			cmd := Command{Time: testTime, Ops: []Op{put(s.TB, service("a", "http://a"+strconv.Itoa(int(s.index)+i)))}}
			data, err := cmd.Encode()
			if err != nil {
				s.Fatal(err)
			}
			datas = append(datas, data)
		}
		s.entries(datas...)
	}
	tests := map[string]struct {
		do     func(s *store) *Subscription
		resync bool
	}{
		"from before the state was opened": {func(s *store) *Subscription {
			changed(s, 2)
			s.reopen()
			return s.Subscribe(1)
		}, true},
		"from the moment the state was opened": {func(s *store) *Subscription {
			s.reopen()
			sub := s.Subscribe(s.Applied())
			changed(s, 1)
			return sub
		}, false},
		"the whole ring": {func(s *store) *Subscription {
			sub := s.Subscribe(s.Applied())
			changed(s, feedSize)
			return sub
		}, false},
		"one more than the ring": {func(s *store) *Subscription {
			sub := s.Subscribe(s.Applied())
			changed(s, feedSize+1)
			return sub
		}, true},
		"subscribed too late for the ring": {func(s *store) *Subscription {
			from := s.Applied()
			changed(s, feedSize+1)
			return s.Subscribe(from)
		}, true},
		"subscribed just in time for the ring": {func(s *store) *Subscription {
			changed(s, 10)
			from := s.Applied()
			changed(s, feedSize-1)
			return s.Subscribe(from)
		}, false},
		"restored": {func(s *store) *Subscription {
			sub := s.Subscribe(s.Applied())
			var buf bytes.Buffer
			if _, err := s.DB.Snapshot(&buf); err != nil {
				s.Fatal(err)
			}
			changed(s, 1)
			if err := s.Restore(&buf); err != nil {
				s.Fatal(err)
			}
			return sub
		}, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			sub := tt.do(s)
			changes, resync := next(t, sub)
			if resync != tt.resync || resync != (len(changes) == 0) {
				t.Errorf("resync %v with %d changes, want %v", resync, len(changes), tt.resync)
			}
			changed(s, 1)
			if changes, resync := next(t, sub); resync || len(changes) != 1 {
				t.Errorf("afterwards: resync %v, %d changes", resync, len(changes))
			}
		})
	}
}

func TestWait(t *testing.T) {
	s := open(t)
	if err := s.Wait(t.Context(), s.Applied()); err != nil {
		t.Errorf("for what is applied: %v", err)
	}
	waited := make(chan error)
	last := s.Applied() + 2
	go func() { waited <- s.Wait(t.Context(), last) }()
	s.must(put(t, service("a", "http://a")))
	s.must(put(t, service("a", "http://b")))
	if err := <-waited; err != nil {
		t.Error(err)
	}
	go func() { waited <- s.Wait(t.Context(), last+100) }()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-waited; !errors.Is(err, ErrClosed) {
		t.Errorf("across Close: %v", err)
	}
}

func TestWaitEndsWithContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := &DB{}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if err := db.Wait(ctx, 7); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if len(db.waiters.waiting) != 0 {
			t.Error("it still waits")
		}
	})
}
