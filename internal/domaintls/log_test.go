package domaintls_test

import (
	"crypto/x509"
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

// Failures are retried ever more slowly: no more than five validations at once and one each twelve
// minutes, if each attempt makes two.
func TestLogRetries(t *testing.T) {
	t.Parallel()
	l, now, budget := domaintls.NewLog(), time.Now(), 5.0
	for i := range 12 {
		if budget -= 2; budget < 0 {
			t.Errorf("attempt %d makes too many validations", i)
		}
		r := l.Failed("a", now, "no", "dns", 1)
		if _, waits := l.Waits("a", r.Next.Add(-time.Second), 1); !waits || !r.Next.After(now) || r.Next.Sub(now) > 6*time.Hour {
			t.Errorf("attempt %d is followed by one at %v", i, r.Next)
		}
		if _, waits := l.Waits("a", now, 2); waits {
			t.Error("a change of the domain does not let it be tried")
		}
		budget = min(5, budget+r.Next.Sub(now).Minutes()/12)
		now = r.Next
	}
}

// A failure ends when another certificate is there, and not when it is that from before.
func TestLogSettles(t *testing.T) {
	t.Parallel()
	now := time.Now()
	before, after := &x509.Certificate{NotAfter: now}, &x509.Certificate{NotAfter: now.Add(time.Hour)}
	l := domaintls.NewLog()
	l.Served("a", before)
	l.Failed("a", now, "no", "dns", 1)
	l.Served("a", &x509.Certificate{NotAfter: now}) // read again
	if r, _ := l.Get("a"); r.Failed.IsZero() {
		t.Error("the certificate from before ends the failure")
	}
	l.Served("a", after)
	if r, _ := l.Get("a"); !r.Failed.IsZero() || !r.Next.IsZero() || r.Leaf != after {
		t.Errorf("the record is %+v", r)
	}
}

// What other nodes have noted counts if it is later, and what no issuer has said is forgotten with the
// configuration.
func TestLogLearnsAndReconsiders(t *testing.T) {
	t.Parallel()
	now := time.Now()
	l := domaintls.NewLog()
	l.Learn("a", domaintls.Record{Failed: now, Next: now.Add(time.Hour), Problem: "later", Type: "dns", Version: 1})
	l.Learn("a", domaintls.Record{Failed: now.Add(-time.Hour), Problem: "earlier", Version: 1})
	l.Refused("limited", now, "too many", now.Add(time.Hour), 1)
	l.Failed("local", now, "cannot connect", "", 1)
	l.Reconsider()
	if r, waits := l.Waits("a", now, 1); !waits || r.Problem != "later" {
		t.Errorf("the record is %+v", r)
	}
	for _, name := range []string{"limited", "local"} {
		if r, waits := l.Waits(name, now, 1); waits || !r.Failed.IsZero() {
			t.Errorf("%s: %+v", name, r)
		}
	}
}
