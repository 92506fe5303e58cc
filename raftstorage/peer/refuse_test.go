package peer

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// TestRefusals says on both sides what is wrong, in terms of the configuration.
func TestRefusals(t *testing.T) {
	t.Parallel()
	now := time.Now()
	tests := map[string]struct {
		cluster   string
		secret    string
		clock     time.Duration // of the one that dials
		dials     string        // its error
		complains string        // the log of the one that was dialled
	}{
		"another secret": {
			cluster: "prod", secret: "b",
			dials:     "it does not have the same cluster secret (option secret of the cluster block)",
			complains: "its secret, its cluster's name or its clock is another",
		},
		"another cluster": {
			cluster: "test", secret: "a",
			dials:     `it belongs to the cluster "prod", this node to "test" (option name of the cluster block)`,
			complains: "its secret, its cluster's name or its clock is another",
		},
		"a clock that is behind": {
			cluster: "prod", secret: "a", clock: -40 * 24 * time.Hour,
			dials:     "the clocks differ by days; set the time on both machines",
			complains: "its clock is another",
		},
		"a clock that is ahead": {
			cluster: "prod", secret: "a", clock: 40 * 24 * time.Hour,
			dials:     "its certificate expired 240h0m0s ago: the clocks differ by days",
			complains: "its clock is another",
		},
		"a clock that is a bit off": {cluster: "prod", secret: "a", clock: -47 * time.Hour},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := listen(t, credentials(t, "b", secretOf(t, "a")), Options{Handler: http.HandlerFunc(whoami)})
			cred := NewCredentials(tt.cluster, "a")
			cred.now = func() time.Time { return now.Add(tt.clock) }
			if err := cred.UseSecrets(secretOf(t, tt.secret)); err != nil {
				t.Fatal(err)
			}
			a := listen(t, cred, Options{})
			_, err := call(t, a, b, "")
			if tt.dials == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if !NotSent(err) || !strings.Contains(err.Error(), tt.dials) || !strings.Contains(err.Error(), b.Addr().String()) {
				t.Errorf("error is %v, want %q in it", err, tt.dials)
			}
			b.complained(t, tt.complains)
		})
	}
}

// TestRefusedByTheOther is about certificates that only the side that was dialled does not like: the
// one that dials must learn it before it sends anything.
func TestRefusedByTheOther(t *testing.T) {
	t.Parallel()
	a := listen(t, credentials(t, "a", secretOf(t, "a"), secretOf(t, "b")), Options{})
	b := listen(t, credentials(t, "b", secretOf(t, "b")), Options{Handler: http.HandlerFunc(whoami)})
	_, err := call(t, a, b, "")
	if !NotSent(err) || !strings.Contains(err.Error(), "it does not accept the certificate of this node") {
		t.Errorf("error is %v", err)
	}
	b.complained(t, "it does not have the same cluster secret (option secret of the cluster block)")
}

// TestNoCredentials is about ports of nodes that have no secret: they let nobody in.
func TestNoCredentials(t *testing.T) {
	t.Parallel()
	a := listen(t, credentials(t, "a", secretOf(t, "a")), Options{})
	b := listen(t, credentials(t, "b"), Options{Handler: http.HandlerFunc(whoami)})
	if _, err := call(t, a, b, ""); !NotSent(err) || !strings.Contains(err.Error(), "hung up") {
		t.Errorf("error is %v", err)
	}
	b.complained(t, "option secret of the cluster block")
	if _, err := call(t, b, a, ""); !NotSent(err) || !strings.Contains(err.Error(), "option secret of the cluster block") {
		t.Errorf("error is %v", err)
	}
}

// TestStrangers sends what is no DGate, and no TLS.
func TestStrangers(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ send, complains string }{
		"HTTP":           {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "it does not speak TLS"},
		"HTTP/2":         {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "it does not speak TLS"},
		"plain raft RPC": {"\x00\x81\xa4Term\x05", "it does not speak TLS"},
		"zeros":          {strings.Repeat("\x00", 1000), "it does not speak TLS"},
		"half a record":  {"\x16\x03\x01\x02\x00\x01", "it hung up during the handshake"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := listen(t, credentials(t, "b", secretOf(t, "a")), Options{})
			c, err := net.Dial("tcp", b.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			fmt.Fprint(c, tt.send)
			c.(*net.TCPConn).CloseWrite()
			c.SetDeadline(time.Now().Add(10 * time.Second))
			if _, err := io.Copy(io.Discard, c); timedOut(err) {
				t.Error("was not hung up on")
			}
			b.complained(t, tt.complains)
		})
	}
}

// TestOtherServers dials what is no port of a cluster.
func TestOtherServers(t *testing.T) {
	t.Parallel()
	web := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(web.Close)
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	t.Cleanup(secure.Close)
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { silent.Close() })
	a := listen(t, credentials(t, "a", secretOf(t, "a")), Options{HandshakeTimeout: 2 * time.Second})
	for address, want := range map[string]string{
		web.Listener.Addr().String():    "it does not speak TLS",
		secure.Listener.Addr().String(): "it speaks TLS, but is not the port of a cluster",
		silent.Addr().String():          "deadline exceeded",
	} {
		if _, err := post(t.Context(), a.Client(), address, ""); !NotSent(err) || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, want %q in it", err, want)
		}
	}
}

// TestComplaintsAreLimited holds that nobody fills the log from outside.
func TestComplaintsAreLimited(t *testing.T) {
	t.Parallel()
	b := listen(t, credentials(t, "b", secretOf(t, "a")), Options{})
	for range 200 {
		c, err := net.Dial("tcp", b.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(c, "GET / HTTP/1.1\r\n\r\n")
		io.Copy(io.Discard, c)
		c.Close()
	}
	if n := b.logs.Len(); n > 10 {
		t.Errorf("%d messages", n)
	}
}

// TestEdgesMayOnlyCall holds the door for subscribers: RPCs only, and known as what they are.
func TestEdgesMayOnlyCall(t *testing.T) {
	t.Parallel()
	b := listen(t, credentials(t, "b", secretOf(t, "a")), Options{Handler: http.HandlerFunc(whoami)})
	edges, err := newAuthority(secretOf(t, "a"), "prod", edgeLabel)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := edges.leaf(edgeNode, "prod", "far-away", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	cred := credentials(t, "far-away", secretOf(t, "a"))
	cred.leaf = leaf
	edge := listen(t, cred, Options{Handler: http.HandlerFunc(whoami)})
	if answer, err := call(t, edge, b, ""); err != nil || !strings.HasPrefix(answer, "{Cluster:prod ServerID:far-away Edge:true}") {
		t.Errorf("%q, %v", answer, err)
	}
	b.Raft()
	if _, err := b.connect(t.Context(), edge.Addr().String(), RPCProtocol, nil); err == nil || !strings.Contains(err.Error(), "secret") {
		t.Errorf("an edge was accepted as a server: %v", err)
	}
	if _, err := edge.connect(t.Context(), b.Addr().String(), RaftProtocol, nil); err == nil {
		t.Error("an edge was let into raft")
	}
	b.complained(t, "it has the certificate of an edge, which may not take part in raft")
}

// dialTLS connects as somebody who does not care who answers.
func dialTLS(ctx context.Context, address, protocol string, cert *tls.Certificate) (*tls.Conn, error) {
	config := &tls.Config{InsecureSkipVerify: true}
	if protocol != "" {
		config.NextProtos = []string{protocol}
	}
	if cert != nil {
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return cert, nil }
	}
	c, err := (&tls.Dialer{Config: config}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	return c.(*tls.Conn), nil
}
