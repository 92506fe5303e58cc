package resource_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dgate-io/caddy-dgate/internal/resource"
	"github.com/dgate-io/caddy-dgate/internal/resource/resourcetest"
)

func domain(cert, key string, patterns ...string) *resource.Domain {
	return &resource.Domain{Name: "d", Namespace: "n", Patterns: patterns, Cert: cert, PrivateKey: key}
}

// mistakes are what is wrong with an object.
func mistakes(err error) []string {
	var all []string
	for _, e := range resource.FieldErrors(err) {
		all = append(all, e.Error())
	}
	return all
}

func TestDomain(t *testing.T) {
	cert, key := resourcetest.Certificate(t, "a.com", "*.b.com", "127.0.0.1", "::1")
	_, other := resourcetest.Certificate(t, "a.com")
	chain, chainKey := resourcetest.Chain(t, "a.com")
	none, noneKey := resourcetest.Certificate(t)
	tests := map[string]struct {
		in   *resource.Domain
		want []string
	}{
		"without a certificate":         {domain("", "", "a.com", "*"), nil},
		"without anything":              {&resource.Domain{}, []string{"name is required", "namespace is required", "patterns are required"}},
		"patterns that are not":         {domain("", "", "", "a.com", "/(/"), []string{"patterns[0] must not be empty", "patterns[2] must be a regular expression between slashes: missing closing )"}},
		"too many patterns":             {domain("", "", many(resource.MaxPatterns+1)...), []string{"patterns must not be more than 1000"}},
		"a tls that is none":            {&resource.Domain{Name: "d", Namespace: "n", Patterns: []string{"*"}, TLS: "on"}, []string{"tls must be auto, each or off"}},
		"a certificate":                 {domain(cert, key, "A.com", "x.b.com", "*.b.com", "127.0.0.1", "[::1]"), nil},
		"for what it cannot list":       {domain(cert, key, "*", "a.*", "*mid*", "/x/", "other.com:80"), nil},
		"a part of the wildcard":        {domain(cert, key, "*x.b.com", "*com"), nil},
		"for other names":               {domain(cert, key, "b.com", "x.y.b.com", "*.y.b.com", "*.a.com"), []string{"cert does not name b.com, x.y.b.com, *.y.b.com, *.a.com, but a.com, *.b.com, 127.0.0.1, ::1"}},
		"for no name":                   {domain(none, noneKey, "a.com"), []string{"cert does not name a.com, but nothing"}},
		"a chain":                       {domain(strings.Join(chain, ""), chainKey, "a.com"), nil},
		"a chain without its root":      {domain(chain[0]+chain[1], chainKey, "a.com"), nil},
		"a chain with a gap":            {domain(chain[0]+chain[2], chainKey, "a.com"), []string{"cert must have the own certificate first, and then each one that has signed the one before: number 2 is of CN=root, but number 1 was signed by CN=intermediate"}},
		"a chain the wrong way round":   {domain(chain[2]+chain[1]+chain[0], chainKey, "a.com"), []string{"cert must have the own certificate first, and then each one that has signed the one before: number 2 is of CN=intermediate, but number 1 was signed by CN=root"}},
		"ten megabytes of PEM":          {domain(strings.Repeat(cert, 10<<20/len(cert)), key, "a.com"), []string{"cert must not be larger than 131072 bytes"}},
		"without its key":               {domain(cert, "", "a.com"), []string{"key is required beside cert"}},
		"a key alone":                   {domain("", key, "a.com"), []string{"cert is required beside key"}},
		"the key of another":            {domain(cert, other, "a.com"), []string{"key cannot be used with the certificate in cert: private key does not match public key"}},
		"a key that is kept":            {domain(cert, resource.Redacted, "a.com"), nil},
		"no PEM":                        {domain("secret", "c2VjcmV0", "a.com"), []string{"cert must be PEM, which begins with -----BEGIN, or base64 of PEM", "key must be PEM, which begins with -----BEGIN, or base64 of PEM"}},
		"switched":                      {domain(key, cert, "a.com"), []string{"cert must have certificates and nothing else; a private key belongs into key", "key must have a private key in PEM"}},
		"both in one":                   {domain(cert+key, key, "a.com"), []string{"cert must have certificates and nothing else; a private key belongs into key"}},
		"a block of nothing":            {domain("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", key, "a.com"), []string{"cert has a certificate that cannot be read: malformed certificate"}},
		"no block":                      {domain("-----BEGIN ", "-----BEGIN ", "a.com"), []string{"cert must have a certificate in PEM", "key must have a private key in PEM"}},
		"a key with a passphrase":       {domain(cert, strings.ReplaceAll(key, "PRIVATE", "ENCRYPTED PRIVATE"), "a.com"), []string{"key must not be encrypted with a passphrase"}},
		"a key that cannot be read":     {domain(cert, "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n", "a.com"), []string{"key cannot be used with the certificate in cert: failed to parse private key"}},
		"a certificate that is too big": {domain(strings.Repeat(cert, 1000), key, "a.com"), []string{"cert must not be larger than 131072 bytes"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, mistakes(tt.in.Validate())); diff != "" {
				t.Errorf("mistakes (-want +got):\n%s", diff)
			}
			for _, e := range resource.FieldErrors(tt.in.Validate()) {
				if e.Value != "" && (e.Field == "cert" || e.Field == "key") {
					t.Errorf("the mistake repeats %s", e.Field)
				}
			}
		})
	}
}

func many(n int) []string {
	patterns := make([]string, n)
	for i := range patterns {
		patterns[i] = strings.Repeat("a", i/26+1) + string(rune('a'+i%26))
	}
	return patterns
}

// What no client would take from a server is refused, in words that name the reason.
func TestUnusableCertificates(t *testing.T) {
	curve := func(c elliptic.Curve) crypto.Signer {
		key, err := ecdsa.GenerateKey(c, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	short, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		key   crypto.Signer
		usage []x509.ExtKeyUsage
		want  []string
	}{
		"P-256":       {curve(elliptic.P256()), nil, nil},
		"P-521":       {curve(elliptic.P521()), nil, nil},
		"P-224":       {curve(elliptic.P224()), nil, []string{"cert must have a key on the curve P-256, P-384 or P-521, not P-224"}},
		"short RSA":   {short, nil, []string{"cert must have an RSA key of at least 2048 bits, not 1024"}},
		"for clients": {curve(elliptic.P256()), []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, []string{"cert must be for servers, but its extended key usage is another"}},
		"for both":    {curve(elliptic.P256()), []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			template := &x509.Certificate{
				SerialNumber: big.NewInt(1), DNSNames: []string{"a.com"}, ExtKeyUsage: tt.usage,
				NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
			}
			der, err := x509.CreateCertificate(rand.Reader, template, template, tt.key.Public(), tt.key)
			if err != nil {
				t.Fatal(err)
			}
			private, err := x509.MarshalPKCS8PrivateKey(tt.key)
			if err != nil {
				t.Fatal(err)
			}
			encode := func(kind string, der []byte) string {
				return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
			}
			d := domain(encode("CERTIFICATE", der), encode("PRIVATE KEY", private), "a.com")
			if diff := cmp.Diff(tt.want, mistakes(d.Validate())); diff != "" {
				t.Errorf("mistakes (-want +got):\n%s", diff)
			}
		})
	}
	t.Run("a chain of another key", func(t *testing.T) {
		chain, key := resourcetest.Chain(t, "a.com")
		other, _ := resourcetest.Chain(t, "a.com")
		got := mistakes(domain(chain[0]+other[1], key, "a.com").Validate())
		if len(got) != 1 || !strings.HasPrefix(got[0], "cert must have each certificate signed by the next one: number 2, of CN=intermediate, has not signed number 1: ") {
			t.Errorf("mistakes: %q", got)
		}
	})
}

// A private key is not repeated, into whatever field it was put.
func TestKeysAreNotRepeated(t *testing.T) {
	_, key := resourcetest.Certificate(t, "a.com")
	shifted := base64.StdEncoding.EncodeToString([]byte("\n" + key))
	for _, value := range []string{key, base64.StdEncoding.EncodeToString([]byte(key)), shifted, "my key: " + key} {
		for _, body := range []map[string]any{
			{"name": "d", "namespace": "n", "patterns": []string{value}},
			{"name": "d", "namespace": "n", "patterns": []string{"a.com"}, "tags": []string{value}},
			{"name": value, "namespace": "n", "patterns": []string{"a.com"}},
			{"name": "d", "namespace": "n", "patterns": []string{"a.com"}, "tls": value},
			{"name": "d", "namespace": "n", "patterns": []string{"a.com"}, "priority": value},
			{"name": "d", "namespace": "n", "patterns": value},
			{"name": "d", "namespace": "n", "patterns": []string{"a.com"}, "prefetch": value},
			{"name": "d", "namespace": "n", "patterns": []string{"a.com"}, value: true},
		} {
			data, err := json.Marshal(body)
			if err != nil {
				t.Fatal(err)
			}
			obj, err := resource.Decode(resource.MustKind("domain"), data, resource.Strict)
			if err == nil {
				err = obj.Validate()
			}
			fields, _ := json.Marshal(resource.FieldErrors(err))
			if answer := fmt.Sprint(err, string(fields)); strings.Contains(answer, "PRIVATE KEY") || strings.Contains(answer, value[:40]) {
				t.Errorf("%v: %s", body, answer)
			}
		}
	}
}

// However certificate and key are written, what is stored is the same, and nothing but them.
func TestCertificateForms(t *testing.T) {
	cert, key := resourcetest.Certificate(t, "a.com")
	encode := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	tests := map[string]struct{ cert, key string }{
		"PEM":                      {cert, key},
		"base64":                   {encode(cert), encode(key)},
		"base64 in lines":          {encode(cert)[:40] + "\r\n" + encode(cert)[40:] + "\n", " " + encode(key)},
		"with words":               {"my certificate\n" + cert + "the end", "my key\n" + key},
		"with Windows' line ends":  {strings.ReplaceAll(cert, "\n", "\r\n"), strings.ReplaceAll(key, "\n", "\r\n")},
		"with parameters of curve": {cert, "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n" + key},
		"with a key that is none":  {cert + "-----BEGIN PRIVATE KEY-----\n", key},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			d := domain(tt.cert, tt.key, "a.com")
			if err := d.Validate(); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]string{cert, key}, []string{d.Cert, d.PrivateKey}); diff != "" {
				t.Errorf("stored (-want +got):\n%s", diff)
			}
		})
	}
}

// A key that is kept belongs to the new certificate exactly if that has the public key of the old one.
func TestKeeps(t *testing.T) {
	cert, key := resourcetest.Certificate(t, "a.com")
	renewed := resourcetest.Renew(t, key, "a.com", "b.com")
	other, _ := resourcetest.Certificate(t, "a.com")
	before := domain(cert, "sealed", "a.com")
	tests := map[string]struct {
		in   *resource.Domain
		want []string
	}{
		"the same":              {domain(cert, resource.Redacted, "a.com"), nil},
		"one renewed":           {domain(renewed, resource.Redacted, "a.com", "b.com"), nil},
		"one of another key":    {domain(other, resource.Redacted, "a.com"), []string{"key is **redacted**, but the stored key does not belong to the certificate in cert"}},
		"one that is no longer": {domain("", resource.Redacted, "a.com"), nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, mistakes(tt.in.Keeps(before))); diff != "" {
				t.Errorf("mistakes (-want +got):\n%s", diff)
			}
		})
	}
}
