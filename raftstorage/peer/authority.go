package peer

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net/url"
	"time"
)

// Labels that the keys of certificate authorities are derived with.
const (
	memberLabel = "dgate/raft/ca/v1"
	edgeLabel   = "dgate/edge/v1"
)

const (
	// dnsName is in every certificate that we sign.
	dnsName = "dgate-cluster"
	// leafLife is how long a certificate is valid from when it was made; leafSkew is for how long
	// before, for clocks that are behind.
	leafLife = 30 * 24 * time.Hour
	leafSkew = 48 * time.Hour
	// leafRenew is from what age on the next handshake makes a new one. It is in memory only.
	leafRenew = 10 * 24 * time.Hour
)

// The kinds of servers, as they stand in certificates.
const (
	memberNode = "node"
	edgeNode   = "edge"
)

// authority is a certificate authority that follows from a secret: whoever knows that has it.
type authority struct {
	cert *x509.Certificate
	key  ed25519.PrivateKey
}

// newAuthority derives an authority. Its certificate is the same on every node, to the last byte:
// nothing in it is random, and Ed25519 signs the same bytes in the same way.
func newAuthority(secret *Secret, cluster, label string) (*authority, error) {
	seed := secret.Derive(cluster, label)
	key := ed25519.NewKeyFromSeed(seed[:])
	public := sha256.Sum256(key.Public().(ed25519.PublicKey))
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{Organization: []string{"DGate cluster"}, CommonName: cluster},
		NotBefore:             time.Unix(0, 0).UTC(), // the clock of a machine without a battery
		NotAfter:              time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC),
		IsCA:                  true,
		BasicConstraintsValid: true,
		MaxPathLenZero:        true,
		KeyUsage:              x509.KeyUsageCertSign,
		SubjectKeyId:          public[:20], // the library's own choice has changed between versions
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	return &authority{cert, key}, err
}

// leaf makes a certificate with a key of its own.
func (a *authority) leaf(kind, cluster, serverID string, now time.Time) (*tls.Certificate, error) {
	public, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	serial := make([]byte, 16)
	rand.Read(serial) //nolint:errcheck // never fails, by contract
	template := &x509.Certificate{
		SerialNumber: new(big.Int).SetBytes(bytes.TrimLeft(serial, "\x00")),
		Subject:      pkix.Name{CommonName: serverID},
		NotBefore:    now.Add(-leafSkew),
		NotAfter:     now.Add(leafLife),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		DNSNames:     []string{dnsName},
		URIs:         []*url.URL{{Scheme: "dgate", Host: cluster, Path: "/" + kind + "/" + serverID}},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, public, a.key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: cert}, err
}
