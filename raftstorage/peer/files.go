package peer

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"maps"
	"os"
	"time"
)

// filesCheck is how often at most the files of an own PKI are looked at.
const filesCheck = time.Second

// Files are those of an own PKI, in PEM. They are read again when they change, at the next
// handshake. Every certificate that the CA signs for server and client authentication lets its
// owner in as a member, so the CA should sign for nothing else, or VerifyName should be set.
//
// Certificates of an own PKI need not name servers: the id of a peer is then what it says in
// [ServerIDHeader]. One with a URI "dgate://<cluster>/node/<server id>" is bound to that.
type Files struct {
	// CA has the certificates of the authorities that sign those of members.
	CA string
	// Cert and Key are the certificate of this node, followed by intermediate ones, and its key.
	Cert, Key string
	// VerifyName is a DNS name that every member's certificate must be for, or a URI that it must
	// have. Default: any.
	VerifyName string
}

// files is a set of files as it was read.
type files struct {
	paths   Files
	stamps  [3]fileStamp
	checked time.Time
}

// fileStamp tells whether a file changed.
type fileStamp struct {
	modified time.Time
	size     int64
}

// UseFiles trusts the members that have a certificate of an own PKI. The error names the file.
// A cluster cannot go from secrets to files while it runs: its nodes stop talking to each other
// until all of them have changed.
func (c *Credentials) UseFiles(f Files) error {
	if err := c.check(); err != nil {
		return err
	}
	now := c.now()
	stamps := f.stamps()
	t, leaf, err := f.load(c.cluster, now)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.trust == nil || !maps.Equal(c.trust.roots, t.roots) {
		defer c.tell(t)
	}
	c.trust, c.leaf, c.made, c.signer, c.problem = t, leaf, now, nil, nil
	c.files = &files{f, stamps, now}
	return nil
}

// reread takes files that changed, if they are right. c.mu is held.
func (c *Credentials) reread(now time.Time) {
	since := now.Sub(c.files.checked)
	if since >= 0 && since < filesCheck {
		return
	}
	c.files.checked = now
	stamps := c.files.paths.stamps()
	if stamps == c.files.stamps && c.problem == nil {
		return
	}
	t, leaf, err := c.files.paths.load(c.cluster, now)
	if err != nil && (c.problem == nil || c.problem.Error() != err.Error()) {
		for p := range c.ports {
			p.start(func() {
				p.complain(nil, &refusal{reasonFiles, "certificates that changed are not used, those of before are", err})
			})
		}
	}
	c.problem = err
	if err == nil {
		changed := !maps.Equal(c.trust.roots, t.roots)
		c.trust, c.leaf, c.files.stamps = t, leaf, stamps
		if changed {
			c.tell(t)
		}
	}
}

func (f Files) stamps() (stamps [3]fileStamp) {
	for i, path := range [...]string{f.CA, f.Cert, f.Key} {
		if info, err := os.Stat(path); err == nil {
			stamps[i] = fileStamp{info.ModTime(), info.Size()}
		}
	}
	return stamps
}

// load reads the files and checks that they fit together.
func (f Files) load(cluster string, now time.Time) (*trust, *tls.Certificate, error) {
	ca, err := os.ReadFile(f.CA)
	if err != nil {
		return nil, nil, fmt.Errorf("CA of the cluster: %w", err)
	}
	t := &trust{cluster: cluster, members: x509.NewCertPool(), own: true, name: f.VerifyName, roots: map[string]bool{}}
	for block, rest := pem.Decode(ca); block != nil; block, rest = pem.Decode(rest) {
		root, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, nil, fmt.Errorf("CA of the cluster: %s: %w", f.CA, err)
		}
		t.members.AddCert(root)
		t.roots[string(root.Raw)] = true
	}
	if len(t.roots) == 0 {
		return nil, nil, fmt.Errorf("CA of the cluster: %s holds no certificate in PEM", f.CA)
	}
	cert, err := os.ReadFile(f.Cert)
	if err != nil {
		return nil, nil, fmt.Errorf("certificate of this node: %w", err)
	}
	key, err := os.ReadFile(f.Key)
	if err != nil {
		return nil, nil, fmt.Errorf("key of this node: %w", err)
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, nil, fmt.Errorf("certificate %s and key %s: %w", f.Cert, f.Key, err)
	}
	// We look at our own certificate as others will.
	state := tls.ConnectionState{NegotiatedProtocol: RPCProtocol}
	for _, der := range pair.Certificate {
		parsed, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, nil, fmt.Errorf("certificate %s: %w", f.Cert, err)
		}
		state.PeerCertificates = append(state.PeerCertificates, parsed)
	}
	for _, usage := range [...]x509.ExtKeyUsage{asServer, asClient} {
		if _, err := t.identify(state, usage, now); err != nil {
			return nil, nil, fmt.Errorf("certificate %s, with the CA %s: other nodes would refuse it: %w", f.Cert, f.CA, err)
		}
	}
	return t, &pair, nil
}
