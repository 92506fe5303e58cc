package hook

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"strings"

	"github.com/dop251/goja"
)

// tlsView is what request.tls shows.
type tlsView struct {
	Version string      `json:"version"`
	Cipher  string      `json:"cipher"`
	SNI     string      `json:"sni"`
	Proto   string      `json:"proto"`
	Client  *clientView `json:"client"`
}

// clientView is the certificate that a client has shown, and that was verified.
type clientView struct {
	Subject     string   `json:"subject"`
	Issuer      string   `json:"issuer"`
	SANs        []string `json:"sans"`
	Fingerprint string   `json:"fingerprint"`
	Serial      string   `json:"serial"`
}

// tls is the value of request.tls: undefined for a request that came without.
func (f *frame) tls() goja.Value {
	state := f.s.r.TLS
	if state == nil {
		return goja.Undefined()
	}
	data, err := json.Marshal(viewTLS(state))
	if err != nil {
		f.vm.Throw(err)
	}
	v, err := f.vm.ParseJSON(data)
	if err != nil {
		f.vm.Throw(err)
	}
	return v
}

// viewTLS leaves out a client's certificate that nobody has verified: anybody can make one.
func viewTLS(state *tls.ConnectionState) *tlsView {
	v := &tlsView{
		// As in Caddy's configuration and placeholders.
		Version: strings.ToLower(strings.ReplaceAll(tls.VersionName(state.Version), " ", "")),
		Cipher:  tls.CipherSuiteName(state.CipherSuite), SNI: state.ServerName, Proto: state.NegotiatedProtocol,
	}
	if len(state.VerifiedChains) > 0 && len(state.VerifiedChains[0]) > 0 {
		v.Client = viewClient(state.VerifiedChains[0][0])
	}
	return v
}

func viewClient(cert *x509.Certificate) *clientView {
	fingerprint := sha256.Sum256(cert.Raw)
	v := &clientView{
		Subject: cert.Subject.String(), Issuer: cert.Issuer.String(), SANs: []string{},
		Fingerprint: hex.EncodeToString(fingerprint[:]), Serial: cert.SerialNumber.Text(16),
	}
	v.SANs = append(append(v.SANs, cert.DNSNames...), cert.EmailAddresses...)
	for _, ip := range cert.IPAddresses {
		v.SANs = append(v.SANs, ip.String())
	}
	for _, uri := range cert.URIs {
		v.SANs = append(v.SANs, uri.String())
	}
	return v
}
