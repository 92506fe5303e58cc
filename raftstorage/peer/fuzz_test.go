package peer

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// FuzzServerFirstBytes sends anything to the port: nobody gets in, and the port stays open.
func FuzzServerFirstBytes(f *testing.F) {
	secret := secretOf(f, "a")
	b := listen(f, credentials(f, "b", secret), Options{HandshakeTimeout: 100 * time.Millisecond})
	f.Add([]byte{})
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"))
	f.Add([]byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))
	f.Add([]byte{0x16, 3, 1, 0, 5, 1, 0, 0, 1, 3})
	f.Add(clientHello(f))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := net.Dial("tcp", b.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(5 * time.Second))
		c.Write(data)
		if _, err := io.Copy(io.Discard, c); timedOut(err) {
			t.Error("was not hung up on")
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.accepted[RaftProtocol]+b.accepted[RPCProtocol] > 0 {
			t.Error("was let in")
		}
	})
}

// clientHello is what a member would begin with.
func clientHello(f *testing.F) []byte {
	near, far := net.Pipe()
	defer far.Close()
	go tls.Client(near, &tls.Config{MinVersion: tls.VersionTLS13, NextProtos: []string{RaftProtocol}, ServerName: dnsName}).Handshake()
	hello := make([]byte, 4096)
	n, err := far.Read(hello)
	if err != nil {
		f.Fatal(err)
	}
	return hello[:n]
}

// FuzzIdentify shows certificates that nobody signed: none of them is anybody, and the error has
// no more than a line of what they say.
func FuzzIdentify(f *testing.F) {
	secret := secretOf(f, "a")
	a, err := newAuthority(secret, "prod", memberLabel)
	if err != nil {
		f.Fatal(err)
	}
	foreign, err := newAuthority(secretOf(f, "b"), "prod", memberLabel)
	if err != nil {
		f.Fatal(err)
	}
	stranger, err := foreign.leaf(memberNode, "prod", "b", time.Now())
	if err != nil {
		f.Fatal(err)
	}
	trust := &trust{cluster: "prod", members: x509.NewCertPool()}
	trust.members.AddCert(a.cert)
	f.Add(stranger.Certificate[0])
	f.Add(foreign.cert.Raw)
	f.Fuzz(func(t *testing.T, der []byte) {
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			t.Skip()
		}
		id, err := trust.identify(tls.ConnectionState{NegotiatedProtocol: RaftProtocol, PeerCertificates: []*x509.Certificate{cert}}, asClient, time.Now())
		if err == nil {
			t.Fatalf("is taken for %+v", id)
		}
		if text := err.Error(); len(text) > 1000 || strings.ContainsAny(text, "\n\r") {
			t.Errorf("error: %q", text)
		}
	})
}
