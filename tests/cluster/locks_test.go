package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/dgate-io/caddy-dgate/tests/harness"
)

// locker is one process of the command lock-node, or the place for one.
type locker struct {
	lockNodeConfig
	process *harness.Process
}

func (l *locker) start(t testing.TB) {
	t.Helper()
	config, err := json.Marshal(l.lockNodeConfig)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(context.Background(), "lock-node", string(config)) //nolint:gosec // ourselves
	if l.process, err = harness.Run(cmd, l.Dir+".log"); err != nil {
		t.Fatal(err)
	}
}

// post asks for something, and returns the status 0 if nobody answers.
func (l *locker) post(ctx context.Context, path string, query url.Values) (status int, body string) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+l.HTTP+path+"?"+query.Encode(), http.NoBody)
	if err != nil {
		return 0, err.Error()
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close() //nolint:errcheck // it has been read
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, strings.TrimSpace(string(text))
}

// role is what the node says that it is, and whom it follows.
func (l *locker) role() (role, leader string) {
	ctx, cancel := context.WithTimeout(context.Background(), quick)
	defer cancel()
	status, text := l.post(ctx, "/role", nil)
	if status != http.StatusOK {
		return text, ""
	}
	role, leader, _ = strings.Cut(text, " ")
	return role, leader
}

// torture is what has happened to some locks.
type torture struct {
	t     testing.TB
	began time.Time

	mu       sync.Mutex
	written  map[string][]fenced        // by lock
	acquired map[string][]time.Duration // by lock
	tokens   map[string]bool            // those that somebody got
	holder   map[string]*locker         // who has a lock at the moment, as far as anybody knows
	refused  int                        // writes of those who had lost the lock
}

// fenced is a write that was accepted: at an index, with a token.
type fenced struct{ index, token uint64 }

// Test 22: fifty clients take turns with three locks on three nodes that are killed and stopped, the
// leader among them. What is written under a lock is written by one holder after the other: no token
// is accepted after a newer one. Who waits gets the lock when the holder is dead for 20 s, and soon
// when it is back.
func TestLocks(t *testing.T) {
	count := rounds(t, 1, 40)
	nodes := startLockers(t)
	x := &torture{t: t, began: time.Now(), written: map[string][]fenced{}, acquired: map[string][]time.Duration{}, tokens: map[string]bool{}, holder: map[string]*locker{}}
	ctx, cancel := context.WithCancel(context.Background())
	var clients sync.WaitGroup
	for i := range 50 {
		clients.Go(func() {
			for ctx.Err() == nil {
				x.turn(ctx, nodes[rand.IntN(len(nodes))], fmt.Sprintf("lock-%d", i%3))
			}
		})
	}
	x.progress(patience, "at first")
	for range count {
		x.killHolder(0)
		x.progress(10*time.Second, "after kill -9 and a restart of the holder")
		if long {
			x.killHolder(30 * time.Second)
			x.progress(10*time.Second, "after a long absence")
			x.pauseHolder(25 * time.Second)
			x.progress(10*time.Second, "after a long pause")
		}
		x.pauseHolder(time.Duration(rand.IntN(4)) * time.Second)
		x.progress(25*time.Second, "after a short pause")
	}
	cancel()
	clients.Wait()
	x.check()
}

// startLockers starts three nodes and waits until they have a leader.
func startLockers(t testing.TB) []*locker {
	t.Helper()
	ports := new(harness.Ports)
	t.Cleanup(ports.Close)
	nodes := make([]*locker, 3)
	for i := range nodes {
		raft, err := ports.Addr()
		if err != nil {
			t.Fatal(err)
		}
		web, err := ports.Addr()
		if err != nil {
			t.Fatal(err)
		}
		nodes[i] = &locker{lockNodeConfig: lockNodeConfig{Dir: filepath.Join(t.TempDir(), fmt.Sprint("l", i)), Listen: raft, HTTP: web}}
	}
	for _, n := range nodes {
		for _, other := range nodes {
			if other != n {
				n.Join = append(n.Join, other.Listen)
			}
		}
		n.start(t)
		t.Cleanup(func() { n.process.Kill() })
	}
	if err := await(40*time.Second, func() error {
		for _, n := range nodes {
			if role, leader := n.role(); leader == "" {
				return fmt.Errorf("no leader: %s", role)
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return nodes
}

// turn is one client that gets a lock, writes some times, and gives it back.
func (x *torture) turn(ctx context.Context, n *locker, name string) {
	ctx, cancel := context.WithTimeout(ctx, 60*time.Second)
	defer cancel()
	status, token := n.post(ctx, "/lock", url.Values{"name": {name}})
	if status != http.StatusOK {
		select { // not everybody at once again and again
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
		}
		return
	}
	held := url.Values{"name": {name}, "token": {token}}
	x.mu.Lock()
	if x.tokens[name+token] {
		x.t.Errorf("two clients got %s with the token %s", name, token)
	}
	x.tokens[name+token] = true
	x.acquired[name] = append(x.acquired[name], time.Since(x.began))
	x.holder[name] = n
	x.mu.Unlock()
	own := context.WithoutCancel(ctx)
	own, cancelOwn := context.WithTimeout(own, patience)
	defer cancelOwn()
	for range 1 + rand.IntN(3) {
		x.write(own, n, name, token)
	}
	if status, _ := n.post(own, "/unlock", held); status == http.StatusOK && rand.IntN(4) == 0 {
		if x.write(own, n, name, token) {
			x.t.Errorf("%s was given back, and its token %s was accepted afterwards", name, token)
		}
	}
}

// write writes with a token, and tells whether that was accepted.
func (x *torture) write(ctx context.Context, n *locker, name, token string) bool {
	status, text := n.post(ctx, "/write", url.Values{"name": {name}, "token": {token}})
	x.mu.Lock()
	defer x.mu.Unlock()
	switch status {
	case http.StatusOK:
		x.written[name] = append(x.written[name], fenced{number(text), number(token)})
	case http.StatusPreconditionFailed:
		x.refused++
	case 0, http.StatusServiceUnavailable, http.StatusGatewayTimeout: // nobody knows
	default:
		x.t.Errorf("a write under %s: %d %s", name, status, text)
	}
	return status == http.StatusOK
}

// progress waits until each lock has been taken again.
func (x *torture) progress(within time.Duration, what string) {
	x.t.Helper()
	from := time.Since(x.began)
	if err := await(within, func() error {
		x.mu.Lock()
		defer x.mu.Unlock()
		for i := range 3 {
			name := fmt.Sprintf("lock-%d", i)
			if got := x.acquired[name]; len(got) == 0 || got[len(got)-1] < from {
				return errors.New("nobody got " + name)
			}
		}
		return nil
	}); err != nil {
		x.t.Errorf("%s: %v", what, err)
	}
	x.t.Logf("%s: everybody goes on after %v", what, (time.Since(x.began) - from).Round(time.Millisecond))
}

// pick is the node that has a lock at the moment.
func (x *torture) pick() *locker {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.holder[fmt.Sprintf("lock-%d", rand.IntN(3))]
}

// killHolder kills a node that has a lock, and starts it again after a while. If that is longer than
// a session lives, others must have the lock before.
func (x *torture) killHolder(away time.Duration) {
	x.t.Helper()
	n := x.pick()
	n.process.Kill()
	if away > 0 {
		began := time.Now()
		x.progress(25*time.Second, "after kill -9 of the holder")
		<-time.After(away - time.Since(began))
	}
	n.start(x.t)
}

// pauseHolder stops a node that has a lock for a while.
func (x *torture) pauseHolder(away time.Duration) {
	x.t.Helper()
	n := x.pick()
	_ = n.process.Signal(syscall.SIGSTOP)
	<-time.After(away)
	_ = n.process.Signal(syscall.SIGCONT)
}

// check looks at what was written in the order in which it was.
func (x *torture) check() {
	x.t.Helper()
	writes := 0
	for name, all := range x.written {
		slices.SortFunc(all, func(a, b fenced) int { return int(a.index) - int(b.index) }) //nolint:gosec // small
		for i := 1; i < len(all); i++ {
			if all[i].token < all[i-1].token {
				x.t.Errorf("%s: the token %d was accepted at %d, after %d at %d", name, all[i].token, all[i].index, all[i-1].token, all[i-1].index)
			}
		}
		writes += len(all)
	}
	x.t.Logf("%d turns, %d writes accepted, %d refused with an old token", len(x.tokens), writes, x.refused)
	if writes == 0 {
		x.t.Error("nothing was written under any lock")
	}
}
