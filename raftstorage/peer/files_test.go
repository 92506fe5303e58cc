package peer

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// pki is the certificate authority of somebody.
type pki struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newPKI(t *testing.T) *pki {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "own CA"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	p := &pki{}
	p.cert, p.key = sign(t, template, nil)
	return p
}

// sign makes a certificate; without an authority it signs itself.
func sign(t *testing.T, template *x509.Certificate, by *pki) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	parent, parentKey := template, key
	if by != nil {
		parent, parentKey = by.cert, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), parentKey)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert, key
}

// leaf is what a test changes of a certificate.
type leaf struct {
	usages []x509.ExtKeyUsage // default: both
	dns    string
	uri    string
	past   bool
}

func (p *pki) files(t *testing.T, dir string, l leaf) Files {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "node"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: l.usages,
	}
	if l.usages == nil {
		template.ExtKeyUsage = []x509.ExtKeyUsage{asServer, asClient}
	}
	if l.dns != "" {
		template.DNSNames = []string{l.dns}
	}
	if l.uri != "" {
		uri, err := url.Parse(l.uri)
		if err != nil {
			t.Fatal(err)
		}
		template.URIs = []*url.URL{uri}
	}
	if l.past {
		template.NotAfter = time.Now().Add(-time.Minute)
	}
	cert, key := sign(t, template, p)
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	f := Files{CA: filepath.Join(dir, "ca.pem"), Cert: filepath.Join(dir, "cert.pem"), Key: filepath.Join(dir, "key.pem")}
	write(t, f.CA, "CERTIFICATE", p.cert.Raw)
	write(t, f.Cert, "CERTIFICATE", cert.Raw)
	write(t, f.Key, "EC PRIVATE KEY", der)
	return f
}

func write(t *testing.T, path, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}

func withFiles(t *testing.T, id string, f Files) *Credentials {
	t.Helper()
	cred := NewCredentials("prod", id)
	if err := cred.UseFiles(f); err != nil {
		t.Fatal(err)
	}
	return cred
}

func TestOwnPKI(t *testing.T) {
	t.Parallel()
	own, foreign := newPKI(t), newPKI(t)
	named := func(f Files, name string) Files {
		f.VerifyName = name
		return f
	}
	b := listen(t, withFiles(t, "b", named(own.files(t, t.TempDir(), leaf{dns: "dgate.internal"}), "dgate.internal")), Options{Handler: http.HandlerFunc(whoami)})
	tests := map[string]struct {
		files Files
		err   string // of the one that dials
		log   string // of the one that was dialled
	}{
		"fits":                {files: own.files(t, t.TempDir(), leaf{dns: "dgate.internal"})},
		"fits, and has an id": {files: own.files(t, t.TempDir(), leaf{dns: "dgate.internal", uri: "dgate://prod/node/a"})},
		"another name":        {files: own.files(t, t.TempDir(), leaf{dns: "web.internal"}), err: "does not accept the certificate", log: `not for the name "dgate.internal" that peers must have`},
		"wants another name":  {files: named(own.files(t, t.TempDir(), leaf{uri: "spiffe://x/dgate"}), "spiffe://x/dgate"), err: `not for the name "spiffe://x/dgate" that peers must have`},
		"another cluster":     {files: own.files(t, t.TempDir(), leaf{dns: "dgate.internal", uri: "dgate://test/node/a"}), err: `it belongs to the cluster "test"`},
		"another CA":          {files: foreign.files(t, t.TempDir(), leaf{dns: "dgate.internal"}), err: "signed by unknown authority"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			cred := NewCredentials("prod", "a")
			if err := cred.UseFiles(tt.files); err != nil {
				if tt.err == "" || !strings.Contains(err.Error(), tt.err) {
					t.Error(err)
				}
				return
			}
			answer, err := call(t, listen(t, cred, Options{}), b, "")
			if tt.err != "" {
				if !NotSent(err) || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("error is %v, want %q in it", err, tt.err)
				}
				if tt.log != "" {
					b.complained(t, tt.log)
				}
				return
			}
			want := "{Cluster:prod ServerID: "
			if strings.Contains(name, "id") {
				want = "{Cluster:prod ServerID:a "
			}
			if err != nil || !strings.HasPrefix(answer, want) {
				t.Errorf("%q, %v", answer, err)
			}
		})
	}
}

// TestOwnPKIChanges replaces the files of a node that runs.
func TestOwnPKIChanges(t *testing.T) {
	t.Parallel()
	own := newPKI(t)
	dir := t.TempDir()
	start := time.Now()
	cred := NewCredentials("prod", "b")
	cred.now = func() time.Time { return start }
	if err := cred.UseFiles(own.files(t, dir, leaf{})); err != nil {
		t.Fatal(err)
	}
	b := listen(t, cred, Options{Handler: http.HandlerFunc(whoami)})
	later := func(d time.Duration) { b.clock(start.Add(d)) } // so that files are looked at again
	serial := func() string {
		t.Helper()
		_, cert, err := cred.present()
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := x509.ParseCertificate(cert.Certificate[0])
		if err != nil {
			t.Fatal(err)
		}
		return parsed.SerialNumber.String()
	}
	first := serial()
	own.files(t, dir, leaf{})
	later(filesCheck / 2)
	if serial() != first {
		t.Error("the files were looked at again within a second")
	}
	later(2 * time.Second)
	second := serial()
	if second == first {
		t.Error("new files were not seen")
	}
	if err := os.WriteFile(filepath.Join(dir, "key.pem"), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	later(4 * time.Second)
	if serial() != second {
		t.Error("a damaged key was used")
	}
	b.complained(t, "certificates that changed are not used")
	if err := cred.Problem(); err == nil || !strings.Contains(err.Error(), "key.pem") {
		t.Errorf("problem is %v", err)
	}
	if _, err := call(t, listen(t, withFiles(t, "a", own.files(t, t.TempDir(), leaf{})), Options{}), b, ""); err != nil {
		t.Error(err)
	}
	own.files(t, dir, leaf{})
	later(6 * time.Second)
	if third := serial(); third == second || cred.Problem() != nil {
		t.Errorf("right again: %s, %v", third, cred.Problem())
	}
}

func TestFilesErrors(t *testing.T) {
	t.Parallel()
	own, foreign := newPKI(t), newPKI(t)
	tests := map[string]struct {
		change func(*Files)
		leaf   leaf
		err    string
	}{
		"no CA":                 {change: func(f *Files) { f.CA += "x" }, err: "ca.pemx: no such file"},
		"no certificate":        {change: func(f *Files) { f.Cert += "x" }, err: "cert.pemx: no such file"},
		"no key":                {change: func(f *Files) { f.Key += "x" }, err: "key.pemx: no such file"},
		"a CA without PEM":      {change: func(f *Files) { os.WriteFile(f.CA, []byte("x"), 0o600) }, err: "ca.pem holds no certificate in PEM"},
		"a key as certificate":  {change: func(f *Files) { f.Cert = f.Key }, err: "key.pem and key"},
		"the key of another":    {change: func(f *Files) { f.Key = own.files(t, t.TempDir(), leaf{}).Key }, err: "private key does not match public key"},
		"of another CA":         {change: func(f *Files) { f.CA = foreign.files(t, t.TempDir(), leaf{}).CA }, err: "other nodes would refuse it"},
		"expired":               {leaf: leaf{past: true}, err: "its certificate expired 1m0s ago"},
		"for servers only":      {leaf: leaf{usages: []x509.ExtKeyUsage{asServer}}, err: "server authentication and client authentication"},
		"for clients only":      {leaf: leaf{usages: []x509.ExtKeyUsage{asClient}}, err: "incompatible key usage"},
		"without the name":      {change: func(f *Files) { f.VerifyName = "x.example" }, err: `not for the name "x.example"`},
		"of another cluster":    {leaf: leaf{uri: "dgate://test/node/a"}, err: `it belongs to the cluster "test"`},
		"nothing wrong with it": {},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := own.files(t, t.TempDir(), tt.leaf)
			if tt.change != nil {
				tt.change(&f)
			}
			err := NewCredentials("prod", "a").UseFiles(f)
			if tt.err == "" && err != nil || tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
				t.Errorf("error is %v, want %q in it", err, tt.err)
			}
		})
	}
}
