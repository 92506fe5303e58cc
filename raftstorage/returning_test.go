package raftstorage

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestReturns(t *testing.T) {
	tests := map[string]struct {
		happens func(r *returns, done chan struct{})
		want    bool
		after   time.Duration
	}{
		"it answers":         {func(r *returns, _ chan struct{}) { r.heard("a") }, true, time.Second},
		"another one does":   {func(r *returns, _ chan struct{}) { r.heard("b") }, false, returnWait},
		"this one ends":      {func(_ *returns, done chan struct{}) { close(done) }, false, time.Second},
		"nothing happens":    {func(*returns, chan struct{}) {}, false, returnWait},
		"it answered before": {func(r *returns, _ chan struct{}) { r.heard("b"); r.heard("b") }, false, returnWait},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var r returns
				done := make(chan struct{})
				r.heard("a") // nobody waits yet
				began := time.Now()
				go func() {
					time.Sleep(time.Second)
					tt.happens(&r, done)
				}()
				if got := r.await("a", done); got != tt.want || time.Since(began) != tt.after {
					t.Errorf("%t after %s, want %t after %s", got, time.Since(began), tt.want, tt.after)
				}
				synctest.Wait()
			})
		})
	}
}

// A server that was away while there were changes has them as soon as it is back.
func TestReturnedServerCatchesUpAtOnce(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3)
	leader, away := c.leads(), c.follower()
	c.isolate(away, true)
	began := time.Now()
	for i := 0; time.Since(began) < 3*time.Second; i++ { // long enough for raft's pauses to have grown
		write(t, c.nodes[leader], service(numbered("s", i), "http://a"))
		select {
		case <-time.After(50 * time.Millisecond):
		case <-t.Context().Done():
		}
	}
	c.isolate(away, false)
	back := time.Now()
	want := c.nodes[leader].DB().Applied()
	if err := c.nodes[away].DB().Wait(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(back); took > 1500*time.Millisecond {
		t.Errorf("it took %s", took)
	}
	c.same()
}
