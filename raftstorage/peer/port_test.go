package peer

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/raft"
)

func TestRPC(t *testing.T) {
	t.Parallel()
	secret := NewSecret()
	a := listen(t, credentials(t, "a", secret), Options{})
	b := listen(t, credentials(t, "b", secret), Options{Handler: http.HandlerFunc(whoami)})
	answer, err := call(t, a, b, "")
	if want := "{Cluster:prod ServerID:a Edge:false} HTTP/2.0"; err != nil || answer != want {
		t.Fatalf("got %q, %v; want %q", answer, err, want)
	}
	t.Run("many at once share one connection", func(t *testing.T) {
		var wg sync.WaitGroup
		for range 300 {
			wg.Go(func() {
				if _, err := call(t, a, b, ""); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		b.mu.Lock()
		defer b.mu.Unlock()
		if n := b.accepted[RPCProtocol]; n != 1 {
			t.Errorf("%d connections, want 1", n)
		}
	})
}

// TestNotSent tells errors after which nothing was executed from the others.
func TestNotSent(t *testing.T) {
	t.Parallel()
	secret := NewSecret()
	entered := make(chan struct{}, 10)
	b := listen(t, credentials(t, "b", secret), Options{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		entered <- struct{}{}
		<-r.Context().Done()
	})})
	a := listen(t, credentials(t, "a", secret), Options{})
	nobody := listen(t, credentials(t, "c", secret), Options{})
	nobody.Close()

	if _, err := call(t, a, nobody, ""); !NotSent(err) || !strings.Contains(err.Error(), nobody.Addr().String()) {
		t.Errorf("nobody there: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error, 1)
	go func() {
		_, err := post(ctx, a.Client(), b.Addr().String(), "x")
		result <- err
	}()
	<-entered
	cancel()
	if err := <-result; err == nil || NotSent(err) {
		t.Errorf("given up while it ran: %v", err)
	}
	go func() {
		_, err := post(t.Context(), a.Client(), b.Addr().String(), "x")
		result <- err
	}()
	<-entered
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	if err := <-result; err == nil || NotSent(err) {
		t.Errorf("closed while it ran: %v", err)
	}
	if _, err := call(t, a, b, ""); !NotSent(err) {
		t.Errorf("closed before: %v", err)
	}
	if err := a.Close(); err != nil {
		t.Error(err)
	}
	if _, err := call(t, a, b, ""); !NotSent(err) {
		t.Errorf("own port closed: %v", err)
	}
}

// TestReconnect sends a request after the connection was lost without anybody using it.
func TestReconnect(t *testing.T) {
	t.Parallel()
	secret := NewSecret()
	a := listen(t, credentials(t, "a", secret), Options{})
	b := listen(t, credentials(t, "b", secret), Options{Handler: http.HandlerFunc(whoami)})
	for range 3 {
		if _, err := call(t, a, b, ""); err != nil {
			t.Fatal(err)
		}
		b.closeConns(func(*conn) bool { return true })
		eventually(t, "the other side sees it", func() bool {
			a.mu.Lock()
			defer a.mu.Unlock()
			return len(a.conns) == 0
		})
	}
}

func TestRaftLayer(t *testing.T) {
	t.Parallel()
	secret := NewSecret()
	a := listen(t, credentials(t, "a", secret), Options{})
	b := listen(t, credentials(t, "b", secret), Options{Advertise: "b.example:7373"})
	from := a.Raft()
	address := raft.ServerAddress(b.Addr().String())

	_, err := from.Dial(address, 5*time.Second)
	if !NotSent(err) || !strings.Contains(err.Error(), "takes no connections for dgate-raft/1") {
		t.Errorf("raft does not run there: %v", err)
	}
	first := b.Raft()
	if got := first.Addr().String(); got != "b.example:7373" {
		t.Errorf("address is %s", got)
	}
	pair := func(to raft.StreamLayer) (client, server net.Conn) {
		t.Helper()
		accepted := make(chan net.Conn, 1)
		go func() {
			c, err := to.Accept()
			if err != nil {
				t.Error(err)
			}
			accepted <- c
		}()
		client, err := from.Dial(address, 5*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		return client, <-accepted
	}
	client, server := pair(first)
	if _, err := client.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 5)
	if _, err := io.ReadFull(server, got); err != nil || string(got) != "hello" {
		t.Fatalf("%q, %v", got, err)
	}
	second := b.Raft()
	if _, err := first.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the layer before: %v", err)
	}
	if _, err := client.Read(got); err == nil {
		t.Error("a connection of the layer before is still open")
	}
	client, server = pair(second)
	from.Close()
	if _, err := server.Read(got); err == nil {
		t.Error("a connection that a closed layer dialled is still open")
	}
	if _, err := client.Write(got); err == nil {
		t.Error("a closed layer's connection can still be written to")
	}
	if _, err := from.Dial(address, time.Second); !NotSent(err) {
		t.Errorf("a closed layer dials: %v", err)
	}
}

// TestStall ends raft connections on which a message does not go on.
func TestStall(t *testing.T) {
	t.Parallel()
	secret := NewSecret()
	const stall = 200 * time.Millisecond
	a := listen(t, credentials(t, "a", secret), Options{StallTimeout: stall})
	b := listen(t, credentials(t, "b", secret), Options{StallTimeout: stall})
	from, to := a.Raft(), b.Raft()
	connect := func() (net.Conn, net.Conn) {
		client, err := from.Dial(raft.ServerAddress(b.Addr().String()), 5*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		server, err := to.Accept()
		if err != nil {
			t.Fatal(err)
		}
		return client, server
	}
	buffer := make([]byte, 64<<10)
	t.Run("half a request", func(t *testing.T) {
		client, server := connect()
		client.Write([]byte("half"))
		server.Read(buffer)
		if _, err := server.Read(buffer); !timedOut(err) {
			t.Errorf("read: %v", err)
		}
	})
	t.Run("nothing between two requests", func(t *testing.T) {
		client, server := connect()
		for range 2 {
			client.Write([]byte("request"))
			server.Read(buffer)
			server.Write([]byte("answer"))
			client.Read(buffer)
		}
		time.AfterFunc(2*stall, func() { client.Write([]byte("late")) })
		if n, err := server.Read(buffer); err != nil || string(buffer[:n]) != "late" {
			t.Errorf("%q, %v", buffer[:n], err)
		}
	})
	t.Run("nobody reads", func(t *testing.T) {
		client, _ := connect()
		client.SetDeadline(time.Now().Add(time.Hour)) // as raft does for a big snapshot
		var err error
		for err == nil {
			_, err = client.Write(buffer)
		}
		if !timedOut(err) {
			t.Errorf("write: %v", err)
		}
	})
}

// TestCloseWaits holds that nothing of a port runs when Close has returned.
func TestCloseWaits(t *testing.T) {
	t.Parallel()
	secret := NewSecret()
	entered, ended := make(chan struct{}), make(chan struct{})
	b := listen(t, credentials(t, "b", secret), Options{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(entered)
		<-r.Context().Done()
		close(ended)
	})})
	a := listen(t, credentials(t, "a", secret), Options{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		if _, err := call(t, a, b, ""); err == nil {
			t.Error("a request to a port that closed was answered")
		}
	}()
	<-entered
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	select {
	case <-ended:
	default:
		t.Error("Close did not wait for the handler")
	}
	<-done
}
