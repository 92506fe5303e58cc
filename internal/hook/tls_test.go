package hook

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"math/big"
	"net"
	"net/url"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestViewTLS(t *testing.T) {
	t.Parallel()
	cert := &x509.Certificate{
		Raw: []byte("der"), SerialNumber: big.NewInt(0xabc),
		Subject: pkix.Name{CommonName: "alice", Organization: []string{"example"}}, Issuer: pkix.Name{CommonName: "ca"},
		DNSNames: []string{"a.test"}, EmailAddresses: []string{"a@b.test"}, IPAddresses: []net.IP{net.IPv6loopback},
		URIs: []*url.URL{{Scheme: "spiffe", Host: "a", Path: "/b"}},
	}
	fingerprint := sha256.Sum256([]byte("der"))
	state := tls.ConnectionState{
		Version: tls.VersionTLS13, CipherSuite: tls.TLS_AES_128_GCM_SHA256, ServerName: "a.test", NegotiatedProtocol: "h2",
		PeerCertificates: []*x509.Certificate{cert},
	}
	want := &tlsView{Version: "tls1.3", Cipher: "TLS_AES_128_GCM_SHA256", SNI: "a.test", Proto: "h2"}
	if diff := cmp.Diff(want, viewTLS(&state)); diff != "" {
		t.Errorf("a certificate that nobody has verified (-want +got):\n%s", diff)
	}
	state.VerifiedChains = [][]*x509.Certificate{{cert}}
	want.Client = &clientView{
		Subject: "CN=alice,O=example", Issuer: "CN=ca", SANs: []string{"a.test", "a@b.test", "::1", "spiffe://a/b"},
		Fingerprint: hex.EncodeToString(fingerprint[:]), Serial: "abc",
	}
	if diff := cmp.Diff(want, viewTLS(&state)); diff != "" {
		t.Errorf("one that was (-want +got):\n%s", diff)
	}
	if got := viewTLS(&tls.ConnectionState{Version: tls.VersionTLS12}).Version; got != "tls1.2" {
		t.Error(got)
	}
}
