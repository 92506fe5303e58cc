package peer

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/raft"
)

// hold opens connections and keeps them; each is told which one it is.
func hold(t *testing.T, address string, n int) []net.Conn {
	t.Helper()
	var conns []net.Conn
	for range n {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		conns = append(conns, c)
	}
	return conns
}

// TestSlowHandshakes holds that those who do not finish a handshake are hung up on in time, also
// when they go on sending, and that others are served meanwhile.
func TestSlowHandshakes(t *testing.T) {
	t.Parallel()
	secret := secretOf(t, "a")
	const limit = time.Second
	b := listen(t, credentials(t, "b", secret), Options{HandshakeTimeout: limit, Handler: http.HandlerFunc(whoami)})
	a := listen(t, credentials(t, "a", secret), Options{})
	start := time.Now()
	conns := hold(t, b.Addr().String(), 100)
	var wg sync.WaitGroup
	for i, c := range conns {
		if i%2 == 0 {
			hello := []byte("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
			for _, x := range hello {
				c.Write([]byte{x})
			}
		}
		wg.Go(func() {
			c.SetDeadline(time.Now().Add(10 * time.Second))
			if _, err := io.Copy(io.Discard, c); timedOut(err) {
				t.Error("was not hung up on")
			}
		})
	}
	if _, err := call(t, a, b, ""); err != nil {
		t.Error(err)
	}
	wg.Wait()
	if took := time.Since(start); took < limit || took > 10*limit {
		t.Errorf("hung up after %v", took)
	}
	b.complained(t, "it did not finish the handshake in time")
	eventually(t, "nothing is counted any more", func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		return b.handshakes == 0 && len(b.conns) == 1
	})
}

// TestFloods holds that connections above the bounds are closed at once.
func TestFloods(t *testing.T) {
	t.Parallel()
	t.Run("of one address", func(t *testing.T) {
		t.Parallel()
		b := listen(t, credentials(t, "b", secretOf(t, "a")), Options{MaxPerIP: 4, countsLoopback: true})
		conns := hold(t, b.Addr().String(), 20)
		refused(t, b, conns, 16, "it has 4 connections already")
		for _, c := range conns {
			c.Close()
		}
		eventually(t, "the address is forgotten", func() bool {
			b.mu.Lock()
			defer b.mu.Unlock()
			return len(b.perIP) == 0 && b.handshakes == 0
		})
	})
	t.Run("of handshakes", func(t *testing.T) {
		t.Parallel()
		b := listen(t, credentials(t, "b", secretOf(t, "a")), Options{maxHandshakes: 4})
		refused(t, b, hold(t, b.Addr().String(), 20), 16, "4 others are in the midst of a handshake")
	})
	t.Run("of members, per protocol", func(t *testing.T) {
		t.Parallel()
		secret := secretOf(t, "a")
		b := listen(t, credentials(t, "b", secret), Options{MaxRaft: 2, MaxRPC: 2, Handler: http.HandlerFunc(whoami)})
		to := b.Raft()
		go func() {
			for {
				c, err := to.Accept()
				if err != nil {
					return
				}
				go func() { // as raft does
					io.Copy(io.Discard, c)
					c.Close()
				}()
			}
		}()
		from := listen(t, credentials(t, "a", secret), Options{}).Raft()
		var open []net.Conn
		dial := func() error {
			c, err := from.Dial(raft.ServerAddress(b.Addr().String()), 5*time.Second)
			if err == nil {
				open = append(open, c)
			}
			return err
		}
		for i := range 3 {
			if err := dial(); (err != nil) != (i == 2) {
				t.Errorf("raft connection %d: %v", i+1, err)
			} else if err != nil && (!NotSent(err) || !strings.Contains(err.Error(), "it has too many connections for dgate-raft/1")) {
				t.Errorf("raft connection %d: %v", i+1, err)
			}
		}
		for i := range 3 {
			if _, err := call(t, listen(t, credentials(t, fmt.Sprint(i), secret), Options{}), b, ""); (err != nil) != (i == 2) {
				t.Errorf("RPC connection %d: %v", i+1, err)
			}
		}
		open[0].Close()
		eventually(t, "there is room again", func() bool { return dial() == nil })
	})
}

// refused waits until so many of the connections are closed by the other side, and no more.
func refused(t *testing.T, b *member, conns []net.Conn, want int, why string) {
	t.Helper()
	closed := make(chan struct{}, len(conns))
	for _, c := range conns {
		go func() {
			io.Copy(io.Discard, c)
			closed <- struct{}{}
		}()
	}
	for range want {
		select {
		case <-closed:
		case <-time.After(3 * time.Second):
			t.Fatal("too many connections are open")
		}
	}
	b.mu.Lock()
	n := len(b.conns)
	b.mu.Unlock()
	if n != len(conns)-want {
		t.Errorf("%d connections are open, want %d", n, len(conns)-want)
	}
	b.complained(t, why)
}

// TestSilentMember is a member that did the handshake for RPCs and then says nothing.
func TestSilentMember(t *testing.T) {
	t.Parallel()
	secret := secretOf(t, "a")
	b := listen(t, credentials(t, "b", secret), Options{HandshakeTimeout: time.Second})
	a := listen(t, credentials(t, "a", secret), Options{})
	c, err := a.dial(t.Context(), b.Addr().String(), RPCProtocol, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.Copy(io.Discard, c); timedOut(err) {
		t.Error("was not hung up on")
	}
}

// TestDeadPeer holds that requests to a machine that is gone fail within about five seconds.
func TestDeadPeer(t *testing.T) {
	t.Parallel()
	secret := secretOf(t, "a")
	stay := make(chan struct{})
	b := listen(t, credentials(t, "b", secret), Options{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.ContentLength > 0 {
			stay <- struct{}{}
			<-r.Context().Done()
		}
	})})
	a := listen(t, credentials(t, "a", secret), Options{})
	between := newCable(t, b.Addr().String())
	if _, err := post(t.Context(), a.Client(), between.addr(), ""); err != nil {
		t.Fatal(err)
	}
	result := make(chan error, 1)
	go func() {
		_, err := post(t.Context(), a.Client(), between.addr(), "stay")
		result <- err
	}()
	<-stay
	between.cut()
	start := time.Now()
	select {
	case err := <-result:
		if took := time.Since(start); err == nil || NotSent(err) || took > 8*time.Second {
			t.Errorf("%v, after %v", err, took)
		}
	case <-time.After(20 * time.Second):
		t.Error("was not noticed")
	}
}

// cable forwards connections until it is cut; then they stay open, and nothing arrives any more.
type cable struct {
	listener net.Listener
	broken   chan struct{}
}

func newCable(t *testing.T, to string) *cable {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cable{listener, make(chan struct{})}
	var wg sync.WaitGroup
	var mu sync.Mutex
	var open []net.Conn
	forward := func(from, to net.Conn) {
		buffer := make([]byte, 32<<10)
		for {
			n, err := from.Read(buffer)
			if err != nil {
				return
			}
			select {
			case <-c.broken:
				continue
			default:
			}
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
	}
	wg.Go(func() {
		for {
			left, err := listener.Accept()
			if err != nil {
				return
			}
			right, err := net.Dial("tcp", to)
			if err != nil {
				left.Close()
				continue
			}
			mu.Lock()
			open = append(open, left, right)
			mu.Unlock()
			wg.Go(func() { forward(left, right) })
			wg.Go(func() { forward(right, left) })
		}
	})
	t.Cleanup(func() {
		listener.Close()
		mu.Lock()
		for _, c := range open {
			c.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
	return c
}

func (c *cable) addr() string { return c.listener.Addr().String() }
func (c *cable) cut()         { close(c.broken) }
