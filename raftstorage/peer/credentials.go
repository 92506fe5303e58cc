package peer

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"
)

// The protocols of the port, as they are negotiated by ALPN.
const (
	RaftProtocol = "dgate-raft/1"
	RPCProtocol  = "dgate-rpc/1"
)

// Credentials are what a node shows to others, and whom it lets in. They may change while in use:
// the next handshake sees the change, and connections stay unless the other side showed
// a certificate that would not be accepted any more. What was used last counts: a cluster goes by
// secrets or by files, not by both.
type Credentials struct {
	cluster, serverID string
	now               func() time.Time

	mu      sync.Mutex
	trust   *trust // nil: nobody is trusted yet
	leaf    *tls.Certificate
	made    time.Time  // when leaf was made, if we signed it
	signer  *authority // nil with files
	files   *files     // nil with secrets
	problem error
	ports   map[*Port]bool // that go by these credentials
}

// NewCredentials makes credentials for a server of a cluster. They trust nobody, and are refused
// by everybody, until the first UseSecrets or UseFiles.
func NewCredentials(cluster, serverID string) *Credentials {
	return &Credentials{cluster: cluster, serverID: serverID, now: time.Now}
}

// UseSecrets trusts the members that know one of the secrets, and signs with the current one. To
// change the secret of a running cluster, reload all nodes three times: with the new one as a
// previous one, with the two swapped, and without the old one. The last step also ends the
// connections of those who know only the old one.
func (c *Credentials) UseSecrets(current *Secret, previous ...*Secret) error {
	if err := c.check(); err != nil {
		return err
	}
	if current == nil {
		return errors.New("the cluster has no secret (option secret of the cluster block)")
	}
	t := &trust{cluster: c.cluster, members: x509.NewCertPool(), edges: x509.NewCertPool(), roots: map[string]bool{}}
	var signer *authority
	for i, secret := range append([]*Secret{current}, previous...) {
		members, err := newAuthority(secret, c.cluster, memberLabel)
		if err != nil {
			return fmt.Errorf("cluster secret: %w", err)
		}
		edges, err := newAuthority(secret, c.cluster, edgeLabel)
		if err != nil {
			return fmt.Errorf("cluster secret: %w", err)
		}
		t.members.AddCert(members.cert)
		t.edges.AddCert(edges.cert)
		t.roots[string(members.cert.Raw)], t.roots[string(edges.cert.Raw)] = true, true
		if i == 0 {
			signer = members
		}
	}
	now := c.now()
	leaf, err := signer.leaf(memberNode, c.cluster, c.serverID, now)
	if err != nil {
		return fmt.Errorf("cluster secret: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	same := c.signer != nil && bytes.Equal(c.signer.cert.Raw, signer.cert.Raw)
	if same {
		leaf, now = c.leaf, c.made
	}
	if !same || !maps.Equal(c.trust.roots, t.roots) {
		defer c.tell(t)
	}
	c.trust, c.leaf, c.made, c.signer, c.files, c.problem = t, leaf, now, signer, nil, nil
	return nil
}

// serve makes a port hear of changes, or not any more.
func (c *Credentials) serve(p *Port, is bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ports == nil {
		c.ports = map[*Port]bool{}
	}
	c.ports[p] = is
	if !is {
		delete(c.ports, p)
	}
}

// holds tells whether a peer that was accepted still would be.
func (c *Credentials) holds(v verified) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.trust.holds(v)
}

// tell has the ports look at their connections again. c.mu is held, which they do not need.
func (c *Credentials) tell(t *trust) {
	for p := range c.ports {
		p.start(func() { p.recheck(t) })
	}
}

func (c *Credentials) check() error {
	if err := CheckName(c.cluster); err != nil {
		return err
	}
	if c.serverID == "" {
		return errors.New("the server has no id")
	}
	return nil
}

// Problem tells what is wrong with the files of an own PKI since they changed: the ones from
// before are used until they are right. Nil: nothing.
func (c *Credentials) Problem() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.problem
}

// present returns what counts for a handshake that begins now.
func (c *Credentials) present() (*trust, *tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	switch {
	case c.trust == nil:
		return nil, nil, errors.New("the cluster has no secret (option secret of the cluster block)")
	case c.files != nil:
		c.reread(now)
	case now.Sub(c.made) > leafRenew || now.Before(c.made.Add(-leafSkew/2)): // or the clock was set back
		leaf, err := c.signer.leaf(memberNode, c.cluster, c.serverID, now)
		if err != nil {
			return nil, nil, fmt.Errorf("certificate of this node: %w", err)
		}
		c.leaf, c.made = leaf, now
	}
	return c.trust, c.leaf, nil
}

// config is what one handshake goes by. The certificate is verified by us on either side, which
// tells the peer's identity and gives errors that name the setting to look at.
func (c *Credentials) config(peerIs x509.ExtKeyUsage, protocols []string, who *verified) (*tls.Config, error) {
	t, leaf, err := c.present()
	if err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		NextProtos: protocols,
		Time:       c.now,
		ServerName: dnsName,
		// Every handshake asks for certificates anew; a session would outlive the trust in a secret.
		SessionTicketsDisabled: true,
		ClientAuth:             tls.RequireAnyClientCert,
		InsecureSkipVerify:     true, //nolint:gosec // VerifyConnection does it, for both sides
		GetCertificate:         func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return leaf, nil },
		GetClientCertificate:   func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return leaf, nil },
		VerifyConnection: func(state tls.ConnectionState) error {
			id, err := t.identify(state, peerIs, c.now())
			*who = id
			return err
		},
	}, nil
}
