package adminext

import (
	"net/http"
	"time"

	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// DomainStatus is what this node knows of the certificates of a domain.
type DomainStatus struct {
	// TLS is the field tls of the domain: auto, each or off.
	TLS string `json:"tls"`
	// Certificate is the one that the domain brings along, or null.
	Certificate *CertificateStatus `json:"certificate"`
	// Names are those that the domain names, and those under its wildcards that certificates are known for.
	Names []NameStatus `json:"names"`
	// More is how many names there are beyond those in Names.
	More int `json:"more,omitempty"`
	// Warnings tell what needs attention.
	Warnings []string `json:"warnings"`
}

// CertificateStatus describes a certificate.
type CertificateStatus struct {
	// Names are those that it is for.
	Names []string `json:"names"`
	// Issuer has signed it.
	Issuer string `json:"issuer"`
	// Serial is its number, as hexadecimal digits.
	Serial string `json:"serial"`
	// NotBefore and NotAfter are when it is valid.
	NotBefore time.Time `json:"notBefore"`
	NotAfter  time.Time `json:"notAfter"`
}

// NameStatus is what this node knows of the certificate of one name.
type NameStatus struct {
	// Name is the name.
	Name string `json:"name"`
	// Source says where its certificate comes from: own (a domain), issued, or none.
	Source string `json:"source"`
	// Domain has the certificate, if its source is own.
	Domain string `json:"domain,omitempty"`
	// Issuer, Serial, NotBefore and NotAfter are those of the certificate.
	Issuer    string     `json:"issuer,omitempty"`
	Serial    string     `json:"serial,omitempty"`
	NotBefore *time.Time `json:"notBefore,omitempty"`
	NotAfter  *time.Time `json:"notAfter,omitempty"`
	// Storage is the directory of an issued certificate in Caddy's storage.
	Storage string `json:"storage,omitempty"`
	// Reason says why none is obtained: another domain decides, or the domain does not allow it.
	Reason string `json:"reason,omitempty"`
	// Error is why the last attempt to obtain one has failed, in the words of the issuer; ErrorType is the
	// type of an ACME problem, and ErrorTime when it was.
	Error     string     `json:"error,omitempty"`
	ErrorType string     `json:"errorType,omitempty"`
	ErrorTime *time.Time `json:"errorTime,omitempty"`
	// Obtaining is since when this node is obtaining one.
	Obtaining *time.Time `json:"obtaining,omitempty"`
	// NextTry is when it is tried again; otherwise that is with the next client.
	NextTry *time.Time `json:"nextTry,omitempty"`
	// Lock is the id of the node that is obtaining one, if the storage is that of DGate.
	Lock string `json:"lock,omitempty"`
}

// domainStatus are the endpoints of the status of one domain.
var domainStatus = methods{http.MethodGet: {run: getDomainStatus}}

// isDomainStatus tells the path of the status of a domain.
func isDomainStatus(kind *resource.Kind, key []string) bool {
	n := len(kind.KeyFields())
	return kind.Name == "domain" && len(key) == n+1 && key[n] == "status"
}

func getDomainStatus(c *call) (*reply, error) {
	key := c.kind.KeyOf(c.key[:len(c.key)-1]...)
	if _, err := c.read(key); err != nil {
		return nil, err
	}
	found, err := c.app.DomainStatus(c.r.Context(), key)
	if err != nil {
		return nil, err
	}
	return dataReply(http.StatusOK, found, nil), nil
}
