// Package resourcetest makes what tests of resources need. It is imported by tests alone.
package resourcetest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"testing"
	"time"
)

// Certificate makes a certificate for names and addresses, signed by itself and valid for an hour,
// and its private key, both in PEM.
func Certificate(tb testing.TB, names ...string) (cert, key string) {
	tb.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		tb.Fatal(err)
	}
	key = string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	return Renew(tb, key, names...), key
}

// Renew makes another certificate for a private key in PEM.
func Renew(tb testing.TB, key string, names ...string) (cert string) {
	tb.Helper()
	return certify(tb, key, time.Now().Add(time.Hour), names)
}

// Expired makes a certificate for a private key in PEM that is valid no longer.
func Expired(tb testing.TB, key string, names ...string) (cert string) {
	tb.Helper()
	return certify(tb, key, time.Now().Add(-time.Hour), names)
}

// Until makes another certificate for a private key in PEM that ends at a time, and has begun a day
// before that or now.
func Until(tb testing.TB, key string, end time.Time, names ...string) (cert string) {
	tb.Helper()
	return certify(tb, key, end, names)
}

func certify(tb testing.TB, key string, end time.Time, names []string) string {
	tb.Helper()
	block, _ := pem.Decode([]byte(key))
	private, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		tb.Fatal(err)
	}
	template := x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()),
		Subject:      pkix.Name{CommonName: "test"},
		NotBefore:    earlier(end.Add(-24*time.Hour), time.Now().Add(-time.Minute)),
		NotAfter:     end,
	}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	signer := private.(crypto.Signer)
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, signer.Public(), signer)
	if err != nil {
		tb.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// Chain makes a certificate for names that an intermediate authority has signed, in PEM together with
// that one and its root, and its private key.
func Chain(tb testing.TB, names ...string) (chain []string, key string) {
	tb.Helper()
	private := make([]*ecdsa.PrivateKey, 3)
	templates := make([]*x509.Certificate, 3)
	for i, subject := range []string{"leaf", "intermediate", "root"} {
		var err error
		if private[i], err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
			tb.Fatal(err)
		}
		templates[i] = &x509.Certificate{
			SerialNumber: big.NewInt(int64(i + 1)), Subject: pkix.Name{CommonName: subject},
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), BasicConstraintsValid: true, IsCA: i > 0,
		}
	}
	templates[0].DNSNames = names
	for i, template := range templates {
		by := min(i+1, 2)
		der, err := x509.CreateCertificate(rand.Reader, template, templates[by], private[i].Public(), private[by])
		if err != nil {
			tb.Fatal(err)
		}
		chain = append(chain, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	}
	der, err := x509.MarshalPKCS8PrivateKey(private[0])
	if err != nil {
		tb.Fatal(err)
	}
	return chain, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}
