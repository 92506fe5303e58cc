package adminext

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/caddyserver/caddy/v2"
)

// Who may be told a secret.
func TestMayHaveSecrets(t *testing.T) {
	from := func(address string, headers ...string) *http.Request {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/dgate/cluster/token", http.NoBody)
		r.RemoteAddr, r.Host = address, "localhost:2019"
		for _, name := range headers {
			r.Header.Set(name, "203.0.113.7")
		}
		return r
	}
	withCertificate := from("192.0.2.1:1")
	withCertificate.TLS = &tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{{}}}}
	anyCertificate := from("192.0.2.1:1")
	anyCertificate.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{{}}}
	rebound := from("127.0.0.1:1")
	rebound.Host = "pages.example:2019"
	tests := map[string]struct {
		request *http.Request
		want    bool
	}{
		"this machine":                          {from("127.0.0.1:1"), true},
		"this machine, IPv6":                    {from("[::1]:1"), true},
		"this machine, by another name":         {rebound, false},
		"another machine":                       {from("192.0.2.1:1"), false},
		"through a proxy":                       {from("127.0.0.1:1", "X-Forwarded-For"), false},
		"through another proxy":                 {from("127.0.0.1:1", "Forwarded"), false},
		"a certificate":                         {withCertificate, true},
		"a certificate that nobody has checked": {anyCertificate, false},
		"a site that authenticates":             {vouch(from("192.0.2.1:1"), true), true},
		"a site that authenticates, by a proxy": {vouch(from("192.0.2.1:1", "X-Forwarded-For"), true), true},
		"a site that does not":                  {vouch(from("127.0.0.1:1"), false), false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := mayHaveSecrets(tt.request); got != tt.want {
				t.Errorf("%t, want %t", got, tt.want)
			}
		})
	}
}

func TestAuthenticated(t *testing.T) {
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/dgate/", http.NoBody)
	if authenticated(r) {
		t.Error("nobody has authenticated this one")
	}
	repl := caddy.NewReplacer()
	r = r.WithContext(contextWith(r, repl))
	if authenticated(r) {
		t.Error("nobody has authenticated this one either")
	}
	repl.Set("http.auth.user.id", "ada")
	if !authenticated(r) {
		t.Error("ada was authenticated")
	}
}
