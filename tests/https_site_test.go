package tests

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/json"
	"math/big"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"github.com/dgate-io/caddy-dgate/internal/resource/resourcetest"
	"github.com/dgate-io/caddy-dgate/tests/harness"
)

// Redirects and HTTP/3 are there as on any site.
func TestHTTPSLikeAnySite(t *testing.T) {
	t.Parallel()
	h := startHTTPS(t, httpsOptions+httpsSite)
	h.domain("a", map[string]any{"patterns": []string{"a.test"}})

	a, err := harness.Do(t.Context(), harness.Request{URL: "http://127.0.0.1:" + h.Env()["HTTP_PORT"] + "/x?y", Header: http.Header{"Host": {"a.test"}}})
	if err != nil || a.Status != 308 || a.Header.Get("Location") != "https://a.test/x?y" {
		t.Errorf("plain HTTP: %v %v", a, err)
	}
	resp, body, err := h.get(nil, "a.test")
	if err != nil || resp.ProtoMajor != 2 || !strings.Contains(resp.Header.Get("Alt-Svc"), "h3=") || !strings.Contains(body, `"version":"tls1.3"`) || !strings.Contains(body, `"proto":"h2"`) {
		t.Errorf("HTTP/2: %v %s %v", resp, body, err)
	}
	h3 := &http3.Transport{
		TLSClientConfig: &tls.Config{ServerName: "a.test", InsecureSkipVerify: true},
		Dial: func(ctx context.Context, _ string, config *tls.Config, options *quic.Config) (*quic.Conn, error) {
			return quic.DialAddrEarly(ctx, h.address(), config, options)
		},
	}
	defer h3.Close() //nolint:errcheck // all is read
	resp, body, err = h.get(&http.Client{Timeout: harness.Patience, Transport: h3}, "a.test")
	if err != nil || resp.ProtoMajor != 3 || !strings.Contains(body, `"proto":"h3"`) || !strings.Contains(body, `"sni":"a.test"`) {
		t.Errorf("HTTP/3: %v %s %v", resp, body, err)
	}
}

// The certificate of a client is seen by modules if it was verified, and not otherwise.
func TestHTTPSClientCertificates(t *testing.T) {
	t.Parallel()
	ca, caKey := clientAuthority(t, "clients")
	site := strings.Replace(httpsSite, "get_certificate dgate", "get_certificate dgate\n\t\tclient_auth {\n\t\t\tmode verify_if_given\n\t\t\ttrust_pool file {$CLIENT_CA}\n\t\t}", 1)
	c := harness.New(t, httpsOptions+site)
	h := &https{c, t}
	writeFile(t, c, "ca.pem", string(pemOf(ca)))
	h.Setenv("CLIENT_CA", c.Dir+"/ca.pem")
	if err := h.Start(); err != nil {
		t.Fatal(err)
	}
	h.route("default")
	h.domain("a", map[string]any{"patterns": []string{"a.test"}})
	browse := func(cert *tls.Certificate) (map[string]any, error) {
		browser := h.client("a.test")
		defer browser.CloseIdleConnections()
		if cert != nil {
			browser.Transport.(*http.Transport).TLSClientConfig.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
				return cert, nil // whatever authorities are asked for
			}
		}
		_, body, err := h.get(browser, "a.test")
		if err != nil {
			return nil, err
		}
		var answer struct {
			TLS struct {
				Client map[string]any `json:"client"`
			} `json:"tls"`
		}
		err = json.Unmarshal([]byte(body), &answer)
		return answer.TLS.Client, err
	}
	if client, err := browse(nil); err != nil || client != nil {
		t.Errorf("a client without a certificate is %v, %v", client, err)
	}
	alice := signed(t, ca, caKey, "alice")
	fingerprint := sha256.Sum256(alice.Certificate[0])
	client, err := browse(alice)
	if err != nil || client["subject"] != "CN=alice" || client["issuer"] != "CN=clients" || client["fingerprint"] != hex.EncodeToString(fingerprint[:]) {
		t.Errorf("a client with one is %v, %v", client, err)
	}
	other, otherKey := clientAuthority(t, "others")
	if client, err := browse(signed(t, other, otherKey, "mallory")); err == nil {
		t.Errorf("a client of another authority is let in as %v", client)
	}
}

// clientAuthority makes an authority that signs itself.
func clientAuthority(tb testing.TB, name string) (*x509.Certificate, *ecdsa.PrivateKey) {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		tb.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		tb.Fatal(err)
	}
	return cert, key
}

// signed makes a certificate for a client.
func signed(tb testing.TB, ca *x509.Certificate, caKey *ecdsa.PrivateKey, name string) *tls.Certificate {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name + ".test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca, key.Public(), caKey)
	if err != nil {
		tb.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// Many domains with certificates of their own cost a handshake no more than ten, and adding another
// disturbs none.
func TestHTTPSManyCertificates(t *testing.T) {
	t.Parallel()
	h := startHTTPS(t, httpsOptions+httpsSite)
	_, key := resourcetest.Certificate(t)
	name := func(i int) string { return "own" + big.NewInt(int64(i)).String() + ".test" }
	put := func(i int) {
		h.domain("own"+big.NewInt(int64(i)).String(), map[string]any{"patterns": []string{name(i)}, "cert": resourcetest.Renew(t, key, name(i)), "key": key})
	}
	handshakes := func(n int) time.Duration {
		began := time.Now()
		for i := range n {
			if leaf, err := h.handshake(name(i % 10)); err != nil || leaf.VerifyHostname(name(i%10)) != nil {
				t.Fatalf("%s: %v", name(i%10), err)
			}
		}
		return time.Since(began) / time.Duration(n)
	}
	for i := range 10 {
		put(i)
	}
	handshakes(20)
	ten := handshakes(100)
	count := 100
	if *long {
		count = 1000
	}
	for i := 10; i < count; i++ {
		put(i)
	}
	many := handshakes(100)
	t.Logf("a handshake takes %s with 10 domains, %s with %d", ten, many, count)

	var stop atomic.Bool
	var clients sync.WaitGroup
	var done, failed atomic.Int64
	for range 4 {
		clients.Go(func() {
			for i := 0; !stop.Load(); i++ {
				if leaf, err := h.handshake(name(i % count)); err != nil || leaf.VerifyHostname(name(i%count)) != nil {
					failed.Add(1)
				}
				done.Add(1)
			}
		})
	}
	for i := count; i < count+20; i++ {
		put(i)
		if leaf, err := h.handshake(name(i)); err != nil || leaf.VerifyHostname(name(i)) != nil {
			t.Errorf("%s is not served when it is stored: %v", name(i), err)
		}
	}
	stop.Store(true)
	clients.Wait()
	if failed.Load() > 0 {
		t.Errorf("%d of %d handshakes have failed while domains were added", failed.Load(), done.Load())
	}
}
