package peer

import "errors"

// Files are those of an own PKI, in PEM.
type Files struct{ CA, Cert, Key, VerifyName string }

// Credentials are what a node shows to others, and what it wants to see. They may change while in
// use: existing connections stay.
type Credentials struct{ cluster, serverID string }

// NewCredentials makes credentials that trust nobody yet.
func NewCredentials(cluster, serverID string) *Credentials {
	return &Credentials{cluster: cluster, serverID: serverID}
}

// UseSecrets trusts the members that know one of the secrets, and signs with the current one.
func (c *Credentials) UseSecrets(current *Secret, previous ...*Secret) error {
	return errors.New("peer: not there yet")
}

// UseFiles trusts the members that have a certificate of an own PKI.
func (c *Credentials) UseFiles(f Files) error { return errors.New("peer: not there yet") }
