package peer

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/raft"
)

// TestAuthorityIsTheSameEverywhere compares with what an earlier build made: certificates of
// nodes with different builds must lead to the same authority.
func TestAuthorityIsTheSameEverywhere(t *testing.T) {
	t.Parallel()
	a, err := newAuthority(secretOf(t, "a"), "prod", memberLabel)
	if err != nil {
		t.Fatal(err)
	}
	b, err := newAuthority(secretOf(t, "a"), "prod", memberLabel)
	if err != nil {
		t.Fatal(err)
	}
	if !a.cert.Equal(b.cert) {
		t.Error("two certificates from one secret differ")
	}
	sum := sha256.Sum256(a.cert.Raw)
	if got := hex.EncodeToString(sum[:8]); got != "058ac04e6ccb1d7a" {
		t.Errorf("the certificate is not what it was: %s", got)
	}
}

// clock is a time that can be set.
func (m *member) clock(at time.Time) {
	m.cred.mu.Lock()
	defer m.cred.mu.Unlock()
	m.cred.now = func() time.Time { return at }
}

// TestLeafIsRenewed goes through a year, with a handshake each day.
func TestLeafIsRenewed(t *testing.T) {
	t.Parallel()
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	cred := NewCredentials("prod", "a")
	cred.now = func() time.Time { return now }
	if err := cred.UseSecrets(secretOf(t, "a")); err != nil {
		t.Fatal(err)
	}
	made := map[string]bool{}
	for range 365 {
		now = now.Add(24 * time.Hour)
		_, leaf, err := cred.present()
		if err != nil {
			t.Fatal(err)
		}
		if now.Before(leaf.Leaf.NotBefore.Add(24*time.Hour)) || now.After(leaf.Leaf.NotAfter.Add(-19*24*time.Hour)) {
			t.Fatalf("on %v the certificate is valid from %v to %v", now, leaf.Leaf.NotBefore, leaf.Leaf.NotAfter)
		}
		made[leaf.Leaf.SerialNumber.String()] = true
	}
	if len(made) < 30 || len(made) > 40 {
		t.Errorf("%d certificates in a year", len(made))
	}
	now = now.AddDate(-3, 0, 0) // the clock was wrong, and is set
	if _, leaf, err := cred.present(); err != nil || now.Before(leaf.Leaf.NotBefore) {
		t.Errorf("the clock was set back: valid from %v, %v", leaf.Leaf.NotBefore, err)
	}
}

// TestUseSecretsKeepsTheLeaf holds for reloads that change nothing.
func TestUseSecretsKeepsTheLeaf(t *testing.T) {
	t.Parallel()
	cred := credentials(t, "a", secretOf(t, "a"))
	_, before, _ := cred.present()
	if err := cred.UseSecrets(secretOf(t, "a"), secretOf(t, "b")); err != nil {
		t.Fatal(err)
	}
	if _, after, _ := cred.present(); after != before {
		t.Error("the certificate was made again")
	}
}

// TestRotation changes the secret of three nodes in three rolling steps, while each of them opens
// connections to each other all the time, and none is refused.
func TestRotation(t *testing.T) {
	t.Parallel()
	before, after := secretOf(t, "a"), secretOf(t, "b")
	var members []*member
	for _, id := range []string{"a", "b", "c"} {
		members = append(members, listen(t, credentials(t, id, before), Options{Handler: http.HandlerFunc(whoami)}))
	}
	all := func(step string) {
		t.Helper()
		for _, from := range members {
			for _, to := range members {
				if answer, err := call(t, from, to, ""); err != nil || !strings.Contains(answer, "ServerID:"+from.cred.serverID) {
					t.Fatalf("%s: %s to %s: %q, %v", step, from.cred.serverID, to.cred.serverID, answer, err)
				}
			}
		}
	}
	anew := func() { // rather than on the connections that exist
		for _, m := range members {
			m.client.renew() // it may not have noticed yet, otherwise
			m.closeConns(func(*conn) bool { return true })
		}
		eventually(t, "connections are gone", func() bool {
			for _, m := range members {
				m.mu.Lock()
				n := len(m.conns)
				m.mu.Unlock()
				if n > 0 {
					return false
				}
			}
			return true
		})
	}
	all("at first")
	for _, step := range []struct {
		name     string
		current  *Secret
		previous []*Secret
	}{
		{"the new one is trusted", before, []*Secret{after}},
		{"the new one signs", after, []*Secret{before}},
		{"the old one is gone", after, nil},
	} {
		for _, m := range members {
			if err := m.cred.UseSecrets(step.current, step.previous...); err != nil {
				t.Fatal(err)
			}
			all(step.name + ", on connections that exist")
			anew()
			all(step.name)
		}
	}
	for _, m := range members {
		if m.logs.Len() > 0 {
			t.Errorf("%s complained: %v", m.cred.serverID, m.logs.All())
		}
	}
	old := listen(t, credentials(t, "d", before), Options{})
	if _, err := call(t, old, members[0], ""); err == nil {
		t.Error("the old secret still does")
	}
}

// TestRotationUnderTraffic has requests in flight on all connections while the secret changes, and
// none of them fails.
func TestRotationUnderTraffic(t *testing.T) {
	t.Parallel()
	before, after := secretOf(t, "a"), secretOf(t, "b")
	var members []*member
	for _, id := range []string{"a", "b", "c"} {
		members = append(members, listen(t, credentials(t, id, before), Options{Handler: http.HandlerFunc(whoami)}))
	}
	stop := make(chan struct{})
	var calls []*atomic.Int64 // of each pair
	var wg sync.WaitGroup
	for _, from := range members {
		for _, to := range members {
			n := new(atomic.Int64)
			calls = append(calls, n)
			wg.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					if _, err := call(t, from, to, "x"); err != nil {
						t.Errorf("%s to %s: %v", from.cred.serverID, to.cred.serverID, err)
						return
					}
					n.Add(1)
				}
			})
		}
	}
	for range 3 {
		for _, step := range [][]*Secret{{before, after}, {after, before}, {after}} {
			for _, m := range members {
				if err := m.cred.UseSecrets(step[0], step[1:]...); err != nil {
					t.Fatal(err)
				}
				// The second one after a change goes over a connection made after it. Real reloads
				// are further apart than that.
				for _, n := range calls {
					enough := n.Load() + 2
					eventually(t, "requests go on", func() bool { return n.Load() >= enough || t.Failed() })
				}
			}
		}
		before, after = after, before
	}
	close(stop)
	wg.Wait()
	for _, m := range members {
		eventually(t, "connections of before end", func() bool {
			m.mu.Lock()
			defer m.mu.Unlock()
			return len(m.conns) <= 2*len(members)
		})
	}
}

// TestRotationEndsConnections is why secrets are changed: whoever has only the old one is out, and
// everybody else stays.
func TestRotationEndsConnections(t *testing.T) {
	t.Parallel()
	before, after := secretOf(t, "a"), secretOf(t, "b")
	b := listen(t, credentials(t, "b", after, before), Options{Handler: http.HandlerFunc(whoami)})
	good := listen(t, credentials(t, "good", after, before), Options{})
	thief := listen(t, credentials(t, "thief", before, after), Options{})
	to := b.Raft()
	ends := map[*member]chan struct{}{good: make(chan struct{}), thief: make(chan struct{})}
	for _, m := range []*member{good, thief} {
		if _, err := call(t, m, b, ""); err != nil {
			t.Fatal(err)
		}
		c, err := m.Raft().Dial(raft.ServerAddress(b.Addr().String()), 5*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := to.Accept(); err != nil {
			t.Fatal(err)
		}
		go func() {
			io.Copy(io.Discard, c)
			close(ends[m])
		}()
	}
	if err := b.cred.UseSecrets(after, before); err != nil { // as a reload does
		t.Fatal(err)
	}
	if err := b.cred.UseSecrets(after); err != nil {
		t.Fatal(err)
	}
	<-ends[thief]
	eventually(t, "the thief's connections are closed", func() bool {
		thief.mu.Lock()
		defer thief.mu.Unlock()
		for c := range thief.conns {
			if c.protocol == RPCProtocol {
				return false
			}
		}
		return true
	})
	if _, err := call(t, thief, b, ""); !NotSent(err) {
		t.Errorf("the thief comes again: %v", err)
	}
	if _, err := call(t, good, b, ""); err != nil {
		t.Error(err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.accepted[RPCProtocol] != 1 || b.accepted[RaftProtocol] != 1 {
		t.Errorf("connections: %v, want one for each protocol", b.accepted)
	}
}

// TestCredentialsErrors is about what cannot be used.
func TestCredentialsErrors(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		cluster, id string
		secret      *Secret
		err         string
	}{
		"no secret":      {"prod", "a", nil, "option secret"},
		"no id":          {"prod", "", NewSecret(), "no id"},
		"no name":        {"", "a", NewSecret(), "name of the cluster"},
		"name with dots": {"a..b", "a", NewSecret(), "name of the cluster"},
		"name too long":  {strings.Repeat("a", 64), "a", NewSecret(), "name of the cluster"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if err := NewCredentials(tt.cluster, tt.id).UseSecrets(tt.secret); err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("error is %v, want %q in it", err, tt.err)
			}
		})
	}
}
