package resource

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Bounds of the certificate and the key of a domain, in bytes of PEM.
const (
	maxCertificate = 128 << 10
	maxKey         = 32 << 10
)

// checkCertificate brings certificate and key into canonical form, which is PEM of nothing but
// them, and says what is wrong with them. A key that is kept cannot be looked at: see [Domain.Keeps].
func (d *Domain) checkCertificate(patterns []HostPattern) []error {
	switch {
	case d.Cert == "" && d.PrivateKey == "":
		return nil
	case d.Cert == "":
		return []error{Invalid("cert", "", "is required beside key")}
	case d.PrivateKey == "":
		return []error{Invalid("key", "", "is required beside cert")}
	}
	var errs []error
	leaf, wrong := d.readCert()
	if wrong != nil {
		errs = append(errs, wrong)
	}
	if d.PrivateKey != Redacted {
		if wrong := d.readKey(); wrong != nil {
			errs = append(errs, wrong)
		} else if leaf != nil {
			if _, err := tls.X509KeyPair([]byte(d.Cert), []byte(d.PrivateKey)); err != nil {
				errs = append(errs, Invalid("key", "", "cannot be used with the certificate in cert: %s", strings.TrimPrefix(err.Error(), "tls: ")))
			}
		}
	}
	if leaf == nil {
		return errs
	}
	var missing []string
	for i, p := range patterns {
		if !names(leaf, p) {
			missing = append(missing, d.Patterns[i])
		}
	}
	if len(missing) > 0 {
		errs = append(errs, Invalid("cert", "", "does not name %s, but %s", shorten(strings.Join(missing, ", ")), nameList(leaf)))
	}
	return errs
}

// readCert parses the certificates and gives the first.
func (d *Domain) readCert() (*x509.Certificate, error) {
	data, err := decodePEM("cert", d.Cert, maxCertificate)
	if err != nil {
		return nil, err
	}
	var chain []*x509.Certificate
	var canonical bytes.Buffer
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			return nil, Invalid("cert", "", "must have certificates and nothing else; a private key belongs into key")
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, Invalid("cert", "", "has a certificate that cannot be read: %s", strings.TrimPrefix(err.Error(), "x509: "))
		}
		chain = append(chain, cert)
		canonical.Write(pem.EncodeToMemory(&pem.Block{Type: block.Type, Bytes: block.Bytes}))
	}
	if len(chain) == 0 {
		return nil, Invalid("cert", "", "must have a certificate in PEM")
	}
	if problem := unusable(chain[0]); problem != "" {
		return nil, Invalid("cert", "", "%s", problem)
	}
	for i, cert := range chain[1:] {
		if !bytes.Equal(chain[i].RawIssuer, cert.RawSubject) {
			return nil, Invalid("cert", "", "must have the own certificate first, and then each one that has signed the one before: number %d is of %s, but number %d was signed by %s",
				i+2, shorten(cert.Subject.String()), i+1, shorten(chain[i].Issuer.String()))
		}
		if err := chain[i].CheckSignatureFrom(cert); err != nil && !isOld(err) {
			return nil, Invalid("cert", "", "must have each certificate signed by the next one: number %d, of %s, has not signed number %d: %s",
				i+2, shorten(cert.Subject.String()), i+1, strings.TrimPrefix(err.Error(), "x509: "))
		}
	}
	d.Cert = canonical.String()
	return chain[0], nil
}

// isOld tells that a signature is not checked because nobody relies on its kind any more: that of a
// root, which clients do not look at.
func isOld(err error) bool {
	_, insecure := errors.AsType[x509.InsecureAlgorithmError](err)
	return insecure || errors.Is(err, x509.ErrUnsupportedAlgorithm)
}

// minRSA is how many bits an RSA key must have for browsers.
const minRSA = 2048

// unusable says why no client would take a certificate of a server, or "".
func unusable(leaf *x509.Certificate) string {
	switch key := leaf.PublicKey.(type) {
	case *rsa.PublicKey:
		if bits := key.N.BitLen(); bits < minRSA {
			return fmt.Sprintf("must have an RSA key of at least %d bits, not %d", minRSA, bits)
		}
	case *ecdsa.PublicKey:
		if key.Curve != elliptic.P256() && key.Curve != elliptic.P384() && key.Curve != elliptic.P521() {
			return "must have a key on the curve P-256, P-384 or P-521, not " + key.Curve.Params().Name
		}
	case ed25519.PublicKey:
	default:
		return "must have a key for RSA, ECDSA or Ed25519"
	}
	limited := len(leaf.ExtKeyUsage)+len(leaf.UnknownExtKeyUsage) > 0
	if limited && !slices.Contains(leaf.ExtKeyUsage, x509.ExtKeyUsageServerAuth) && !slices.Contains(leaf.ExtKeyUsage, x509.ExtKeyUsageAny) {
		return "must be for servers, but its extended key usage is another"
	}
	return ""
}

// readKey finds the private key.
func (d *Domain) readKey() error {
	data, err := decodePEM("key", d.PrivateKey, maxKey)
	if err != nil {
		return err
	}
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		switch {
		case block.Type == "ENCRYPTED PRIVATE KEY", strings.Contains(block.Headers["Proc-Type"], "ENCRYPTED"):
			return Invalid("key", "", "must not be encrypted with a passphrase")
		case block.Type == "PRIVATE KEY", strings.HasSuffix(block.Type, " PRIVATE KEY"):
			d.PrivateKey = string(pem.EncodeToMemory(&pem.Block{Type: block.Type, Bytes: block.Bytes}))
			return nil
		}
	}
	return Invalid("key", "", "must have a private key in PEM")
}

// decodePEM undoes the base64 that PEM may be wrapped in.
func decodePEM(field, text string, limit int) ([]byte, error) {
	if !strings.Contains(text, "-----BEGIN ") {
		plain, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text)) // skips line breaks
		if err != nil || !bytes.Contains(plain, []byte("-----BEGIN ")) {
			return nil, Invalid(field, "", "must be PEM, which begins with -----BEGIN, or base64 of PEM")
		}
		text = string(plain)
	}
	if len(text) > limit {
		return nil, Invalid(field, "", "must not be larger than %d bytes", limit)
	}
	return []byte(text), nil
}

// names tells whether a certificate can be shown to hosts that match a pattern, as far as
// certificates can say so: they have exact names, and wildcards for one label.
func names(cert *x509.Certificate, p HostPattern) bool {
	switch {
	case p.Form == HostExact && !p.HasPort():
		return cert.VerifyHostname(p.Text) == nil
	case p.Form != HostSuffix:
		return true
	}
	for _, name := range cert.DNSNames {
		name = strings.ToLower(name)
		if strings.HasSuffix(name, p.Text) {
			return true
		}
		// *.example.com names xa.example.com, which *a.example.com matches.
		if domain, ok := strings.CutPrefix(name, "*"); ok {
			if part, ok := strings.CutSuffix(p.Text, domain); ok && !strings.Contains(part, ".") {
				return true
			}
		}
	}
	return false
}

// nameList shows what a certificate names.
func nameList(cert *x509.Certificate) string {
	all := append([]string(nil), cert.DNSNames...)
	for _, ip := range cert.IPAddresses {
		all = append(all, ip.String())
	}
	if len(all) == 0 {
		return "nothing"
	}
	return shorten(strings.Join(all, ", "))
}

// Leaf parses the first certificate, that of the domain itself; nil if there is none, or none
// that can be read.
func (d *Domain) Leaf() *x509.Certificate {
	block, _ := pem.Decode([]byte(d.Cert))
	if block == nil {
		return nil
	}
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil
	}
	return leaf
}

// Chain parses all certificates, the one of the domain itself first. There is none without an error.
func (d *Domain) Chain() ([]*x509.Certificate, error) {
	var chain []*x509.Certificate
	for block, rest := pem.Decode([]byte(d.Cert)); block != nil; block, rest = pem.Decode(rest) {
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		chain = append(chain, cert)
	}
	if len(chain) == 0 {
		return nil, errors.New("no certificate")
	}
	return chain, nil
}

// Keeps says whether the key that is stored for before, and is to be kept, belongs to the
// certificate of the domain. It must be valid by itself, and so must before.
func (d *Domain) Keeps(before Object) error {
	old, ok := before.(*Domain)
	if !ok || old.Cert == d.Cert {
		return nil
	}
	was, is := old.Leaf(), d.Leaf()
	if was == nil || is == nil {
		return nil // a mistake that is found elsewhere
	}
	if key, ok := was.PublicKey.(interface{ Equal(crypto.PublicKey) bool }); !ok || !key.Equal(is.PublicKey) {
		return Invalid("key", "", "is %s, but the stored key does not belong to the certificate in cert", Redacted)
	}
	return nil
}
