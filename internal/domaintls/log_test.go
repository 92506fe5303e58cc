package domaintls_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/dgate-io/caddy-dgate/internal/domaintls"
)

// When there are too many records, new ones take the place of others, and failures are kept if they can.
func TestLogEvicts(t *testing.T) {
	t.Parallel()
	l, now := domaintls.NewLog(), time.Now()
	l.Failed("failed", now, "no", "", 1)
	for i := range 150_000 {
		l.Obtained(fmt.Sprintf("n%d", i))
	}
	if _, waits := l.Waits("failed", now, 1); !waits {
		t.Error("the failure is forgotten")
	}
	if n := len(l.All()); n > 1<<17 {
		t.Errorf("there are %d records", n)
	}
	if _, ok := l.Get("n149999"); !ok {
		t.Error("the newest is missing")
	}
}
