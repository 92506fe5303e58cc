package peer

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Identity is who a peer is, as far as its certificate says. Members trust each other: one that
// knows the secret can make a certificate with any id.
type Identity struct {
	// Cluster is the name of the cluster, always that of this node.
	Cluster string
	// ServerID is the id of the peer. With an own PKI, whose certificates need not name servers, it
	// is what the peer says in the header [ServerIDHeader].
	ServerID string
	// Edge tells that the peer follows the cluster and is not trusted by it.
	Edge bool
}

// ServerIDHeader is the header of requests in which a node says its server id. It counts where the
// certificate names none.
const ServerIDHeader = "X-DGate-Server-ID"

type identityKey struct{}

// From tells who calls, in a handler of a port. Elsewhere it is the zero value.
func From(ctx context.Context) Identity {
	id, _ := ctx.Value(identityKey{}).(Identity)
	return id
}

// trust says whose certificates are accepted. It does not change.
type trust struct {
	cluster string
	members *x509.CertPool
	edges   *x509.CertPool  // nil: there are none
	roots   map[string]bool // the certificates in both
	own     bool            // the PKI of somebody else, whose certificates need not name the cluster
	name    string          // with own: a DNS name, or a URI, that certificates must have
}

// Sides of a connection.
const (
	asServer = x509.ExtKeyUsageServerAuth
	asClient = x509.ExtKeyUsageClientAuth
)

// verified is a peer, and why it is one.
type verified struct {
	Identity
	roots []string // the certificates of the authorities that it was accepted for
}

// holds tells whether a peer that was accepted once still would be.
func (t *trust) holds(v verified) bool {
	return slices.ContainsFunc(v.roots, func(root string) bool { return t.roots[root] })
}

// identify tells who the peer of a handshake is. The usage says which side it is on.
func (t *trust) identify(state tls.ConnectionState, usage x509.ExtKeyUsage, now time.Time) (verified, error) {
	if state.NegotiatedProtocol != RaftProtocol && state.NegotiatedProtocol != RPCProtocol {
		return verified{}, &refusal{reason: reasonProtocol, text: "it speaks none of the protocols " + RaftProtocol + " and " + RPCProtocol}
	}
	if len(state.PeerCertificates) == 0 {
		return verified{}, &refusal{reason: reasonCertificate, text: "it has no certificate"}
	}
	leaf := state.PeerCertificates[0]
	options := x509.VerifyOptions{
		Roots: t.members, Intermediates: x509.NewCertPool(), CurrentTime: now,
		KeyUsages: []x509.ExtKeyUsage{usage},
	}
	for _, cert := range state.PeerCertificates[1:] {
		options.Intermediates.AddCert(cert)
	}
	chains, err := leaf.Verify(options)
	edge := false
	if err != nil && t.edges != nil && usage == asClient {
		options.Roots = t.edges
		if found, edgeErr := leaf.Verify(options); edgeErr == nil {
			chains, edge, err = found, true, nil
		}
	}
	switch {
	case err != nil:
		if expired(err) { // which is looked at first, so it may not even be one of ours
			options.Roots, options.CurrentTime = t.members, leaf.NotAfter
			if _, other := leaf.Verify(options); other != nil {
				err = other
			}
		}
		return verified{}, t.explain(leaf, err, now)
	case edge && state.NegotiatedProtocol != RPCProtocol:
		return verified{}, &refusal{reason: reasonEdge, text: "it has the certificate of an edge, which may not take part in raft"}
	case !forBoth(leaf):
		return verified{}, &refusal{reason: reasonCertificate, text: "its certificate must be for server authentication and client authentication"}
	}
	cluster, serverID := named(leaf)
	if t.own {
		if err := t.checkName(leaf); err != nil {
			return verified{}, err
		}
		if cluster != "" && cluster != t.cluster {
			return verified{}, t.otherCluster(cluster)
		}
		return verified{Identity{Cluster: t.cluster, ServerID: serverID}, ends(chains)}, nil
	}
	if cluster != t.cluster || serverID == "" {
		return verified{}, t.otherCluster(cluster)
	}
	return verified{Identity{Cluster: cluster, ServerID: serverID, Edge: edge}, ends(chains)}, nil
}

func ends(chains [][]*x509.Certificate) []string {
	var roots []string
	for _, chain := range chains {
		roots = append(roots, string(chain[len(chain)-1].Raw))
	}
	return roots
}

// forBoth tells whether a certificate is for both sides of a connection, as ours must be: every
// node dials, and is dialled.
func forBoth(cert *x509.Certificate) bool {
	has := func(usage x509.ExtKeyUsage) bool {
		return slices.Contains(cert.ExtKeyUsage, usage) || slices.Contains(cert.ExtKeyUsage, x509.ExtKeyUsageAny)
	}
	return len(cert.ExtKeyUsage) == 0 && len(cert.UnknownExtKeyUsage) == 0 || has(asServer) && has(asClient)
}

// checkName holds a certificate of an own PKI against the name that peers must have.
func (t *trust) checkName(leaf *x509.Certificate) error {
	if t.name == "" {
		return nil
	}
	ok := false
	if strings.Contains(t.name, "://") {
		for _, uri := range leaf.URIs {
			ok = ok || uri.String() == t.name
		}
	} else {
		ok = leaf.VerifyHostname(t.name) == nil
	}
	if !ok {
		return &refusal{reason: reasonCertificate, text: fmt.Sprintf("its certificate is not for the name %q that peers must have", t.name)}
	}
	return nil
}

// named reads the cluster and the server id from a certificate. They say nothing before it was
// verified, but for error messages.
func named(cert *x509.Certificate) (cluster, serverID string) {
	for _, uri := range cert.URIs {
		if uri.Scheme != "dgate" {
			continue
		}
		for _, kind := range [...]string{memberNode, edgeNode} {
			if id, ok := strings.CutPrefix(uri.Path, "/"+kind+"/"); ok && id != "" {
				return uri.Host, id
			}
		}
	}
	return "", ""
}

func expired(err error) bool {
	invalid, ok := errors.AsType[x509.CertificateInvalidError](err)
	return ok && invalid.Reason == x509.Expired
}

// explain says in terms of the configuration why a certificate was not accepted.
func (t *trust) explain(leaf *x509.Certificate, err error, now time.Time) error {
	if expired(err) {
		text := "its certificate expired"
		if now.Before(leaf.NotBefore) {
			text = "its certificate is valid only in " + leaf.NotBefore.Sub(now).Round(time.Minute).String()
		} else if now.After(leaf.NotAfter) {
			text += " " + now.Sub(leaf.NotAfter).Round(time.Minute).String() + " ago"
		}
		if !t.own {
			text += ": the clocks differ by days; set the time on both machines (NTP)"
		}
		return &refusal{reason: reasonClock, text: text, err: err}
	}
	if t.own {
		return &refusal{reason: reasonCertificate, text: "its certificate is not accepted: " + err.Error(), err: err}
	}
	if cluster, _ := named(leaf); cluster == "" {
		return &refusal{reason: reasonCertificate, text: "its certificate is not that of a DGate node", err: err}
	} else if cluster != t.cluster {
		return t.otherCluster(cluster)
	}
	return &refusal{reason: reasonSecret, text: "it does not have the same cluster secret (option secret of the cluster block)", err: err}
}

func (t *trust) otherCluster(cluster string) error {
	return &refusal{reason: reasonCluster, text: fmt.Sprintf(
		"it belongs to the cluster %.80q, this node to %q (option name of the cluster block)", cluster, t.cluster)}
}
