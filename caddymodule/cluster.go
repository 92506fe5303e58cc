package caddymodule

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/caddyserver/caddy/v2"

	"github.com/dgate-io/caddy-dgate/internal/keyring"
	"github.com/dgate-io/caddy-dgate/raftstorage"
	"github.com/dgate-io/caddy-dgate/raftstorage/peer"
)

// Cluster makes this Caddy one of several that have the same resources, documents and secrets. Any
// of them takes changes, and each goes on serving what it has when it cannot reach the others.
//
// The nodes talk to each other over one port, encrypted, and prove with a secret that they belong
// together. Placeholders such as `{env.DGATE_CLUSTER_SECRET}` are allowed everywhere; one that
// stands for nothing is an error. Everything can change in a reload.
type Cluster struct {
	// The name of the cluster, the same on all nodes. Nodes with another one are refused.
	// Default: `dgate`.
	Name string `json:"name,omitempty"`

	// What people call this node. Default: the name of the host.
	NodeName string `json:"node_name,omitempty"`

	// What the nodes prove that they belong together with, the same on all: at least 32 bytes as
	// base64 or hex, such as `dgate-cli cluster token --new` prints, or a passphrase of at least 16
	// characters. Whoever has it can do everything. Default: none. Then the node can be reached from
	// its own machine only, and nobody can join it.
	Secret string `json:"secret,omitempty"`

	// Older secrets, which are still accepted from other nodes while a new one is introduced, and
	// decrypt what they have encrypted.
	SecretPrevious []string `json:"secret_previous,omitempty"`

	// The name, the secret and the addresses of members in one word, as `dgate-cli cluster token`
	// prints it on a node that is a member. It takes the place of `name` and `secret`; addresses in
	// `join` are added to its own.
	Token string `json:"token,omitempty"`

	// The address to listen on, `host:port` or `:port`. Default: `:7373`, or `127.0.0.1:7373` as
	// long as there is neither a secret nor certificates.
	Listen string `json:"listen,omitempty"`

	// Where the other nodes reach this one, `host:port` or `host`. It must not be a loopback address
	// unless `listen` is one. Default: the address of `listen`, or the first of this machine that is
	// no loopback address.
	Advertise string `json:"advertise,omitempty"`

	// Members of the cluster to join: `host:port`, `dns://name:port` for all addresses of a name, or
	// `srv://_dgate._tcp.name`. They are looked up at each attempt, and there may be this node's own
	// address among them, so that all nodes can have the same list. A node that has no data and
	// finds nobody goes on trying. One that is a member already does not need them any more. A
	// placeholder may stand for several, with commas or spaces between them.
	Join []string `json:"join,omitempty"`

	// How many new nodes make a new cluster together if there is none to join: 1, 3 or 5. Each of
	// them must find all others with `join`. Default: a node without `join` makes a cluster of its
	// own, one with `join` never makes one. They must be more than half of the nodes in `join`: of
	// six, two times three could make a cluster each.
	Expect int `json:"expect,omitempty"`

	// `voter` for nodes that decide on changes together, of which more than half must be there. At
	// most five have a vote, others take over when one is removed. `edge` for nodes that never vote:
	// they serve everything and hand changes on. Default: `voter`.
	Role string `json:"role,omitempty"`

	// Whether this node leaves the cluster when Caddy stops, other than by a reload. For nodes that
	// do not come back, such as those of an autoscaler. Default: false.
	LeaveOnExit bool `json:"leave_on_exit,omitempty"`

	// Certificates of one's own in place of those that are derived from the secret.
	TLS *ClusterTLS `json:"tls,omitempty"`
}

// ClusterTLS are files with certificates for the traffic between the nodes, in PEM. They are read
// again when they change. Every certificate of the authority that is for both servers and clients is
// accepted, so it must have signed no others than those of the nodes, or `verify_name` is needed.
// With certificates but without a secret, the option `encryption_key` is needed, the same on all
// nodes.
type ClusterTLS struct {
	// The authority that has signed the certificates of all nodes.
	CA string `json:"ca,omitempty"`
	// The certificate of this node, for both servers and clients.
	Cert string `json:"cert,omitempty"`
	// Its private key.
	Key string `json:"key,omitempty"`
	// A host name that the certificate of every node must be for, or a URI that it must have.
	// Default: any.
	VerifyName string `json:"verify_name,omitempty"`
}

// The values of Cluster.Role.
const (
	roleVoter = "voter"
	roleEdge  = "edge"
)

// kekLabel is what the key that encrypts data keys is derived from the secret for.
const kekLabel = "dgate/kek/v1"

// provision is what the store is to do, nil for a node on its own. Errors name the option, and
// never repeat a secret.
func (c *Cluster) provision(version string) (*raftstorage.Cluster, error) {
	if c == nil {
		return nil, nil //nolint:nilnil // without a cluster there is none
	}
	cluster := &raftstorage.Cluster{Expect: c.Expect, LeaveOnExit: c.LeaveOnExit, Version: version}
	var errs []error
	read := func(option, text string) string {
		value, err := caddy.NewReplacer().ReplaceOrErr(text, true, true)
		if err != nil {
			errs = append(errs, fmt.Errorf("cluster: %s: %w", option, err))
		}
		return value
	}
	cluster.Name, cluster.NodeName = read("name", c.Name), read("node_name", c.NodeName)
	cluster.Listen, cluster.Advertise = read("listen", c.Listen), read("advertise", c.Advertise)
	secret, token := read("secret", c.Secret), read("token", c.Token)
	var previous []string
	for _, text := range c.SecretPrevious {
		previous = append(previous, read("secret_previous", text))
	}
	for _, text := range c.Join {
		cluster.Join = append(cluster.Join, strings.FieldsFunc(read("join", text), func(r rune) bool { return r == ',' || r == ' ' || r == '\n' || r == '\t' })...)
	}
	switch role := read("role", c.Role); role {
	case "", roleVoter:
	case roleEdge:
		cluster.Edge = true
	default:
		errs = append(errs, fmt.Errorf("cluster: role must be %s or %s, not %q", roleVoter, roleEdge, role))
	}
	if c.TLS != nil {
		cluster.Files = &peer.Files{CA: read("tls ca", c.TLS.CA), Cert: read("tls cert", c.TLS.Cert), Key: read("tls key", c.TLS.Key), VerifyName: read("tls verify_name", c.TLS.VerifyName)}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if err := useToken(cluster, token, &secret); err != nil {
		return nil, err
	}
	if err := useSecrets(cluster, secret, previous); err != nil {
		return nil, err
	}
	if err := checkFiles(cluster.Files); err != nil {
		return nil, err
	}
	return cluster, cluster.Check()
}

// useToken takes what a token says. It stands for other options, which must not say something else.
func useToken(cluster *raftstorage.Cluster, text string, secret *string) error {
	if text == "" {
		return nil
	}
	token, err := peer.ParseToken(text)
	if err != nil {
		return fmt.Errorf("cluster: %w", err)
	}
	if *secret != "" || cluster.Name != "" {
		return errors.New("cluster: token has a name and a secret already; give either token, or name and secret")
	}
	cluster.Name, *secret = token.Cluster, token.Secret
	cluster.Join = append(cluster.Join, token.Addresses...)
	return nil
}

func useSecrets(cluster *raftstorage.Cluster, current string, previous []string) (err error) {
	if current != "" {
		if cluster.Secret, err = peer.ParseSecret(current); err != nil {
			return fmt.Errorf("cluster: secret %w", err)
		}
	}
	if len(previous) > 0 && current == "" {
		return errors.New("cluster: secret_previous is for the time while secret changes, but there is no secret")
	}
	for _, text := range previous {
		secret, err := peer.ParseSecret(text)
		if err != nil {
			return fmt.Errorf("cluster: secret_previous %w", err)
		}
		cluster.Previous = append(cluster.Previous, secret)
	}
	return nil
}

// checkFiles reads certificates, so that a wrong one is found by caddy validate.
func checkFiles(files *peer.Files) error {
	if files == nil {
		return nil
	}
	for _, f := range []struct{ option, path string }{{"ca", files.CA}, {"cert", files.Cert}, {"key", files.Key}} {
		if f.path == "" {
			return fmt.Errorf("cluster: tls needs three files, and %s is missing: tls { ca <file> cert <file> key <file> }", f.option)
		}
	}
	ca, err := os.ReadFile(filepath.Clean(files.CA))
	if err != nil {
		return fmt.Errorf("cluster: tls ca: %w", err)
	}
	if !x509.NewCertPool().AppendCertsFromPEM(ca) {
		return fmt.Errorf("cluster: tls ca: %s has no certificate in PEM", files.CA)
	}
	if _, err := tls.LoadX509KeyPair(files.Cert, files.Key); err != nil {
		return fmt.Errorf("cluster: tls cert and key (%s, %s): %w", files.Cert, files.Key, err)
	}
	return nil
}

// clusterKEKs are derived from the secrets of a cluster: its nodes can read what the others have
// encrypted without any further key.
func clusterKEKs(cluster *raftstorage.Cluster) ([]*keyring.KEK, error) {
	if cluster == nil || cluster.Secret == nil {
		return nil, nil
	}
	var keks []*keyring.KEK
	for _, secret := range append([]*peer.Secret{cluster.Secret}, cluster.Previous...) {
		key := secret.Derive(clusterName(cluster), kekLabel)
		kek, err := keyring.ParseKEK(hex.EncodeToString(key[:]))
		if err != nil {
			return nil, fmt.Errorf("cluster: %w", err)
		}
		keks = append(keks, kek)
	}
	return keks, nil
}

// clusterName is the name of a cluster, also if it has the default one.
func clusterName(cluster *raftstorage.Cluster) string {
	if cluster.Name == "" {
		return raftstorage.DefaultClusterName
	}
	return cluster.Name
}

// provisionCluster reads the option cluster, and adds the keys that follow from it.
func (a *App) provisionCluster() (err error) {
	if a.cluster, err = a.Cluster.provision(a.Version()); err != nil || a.cluster == nil {
		return err
	}
	if a.cluster.Files != nil && a.cluster.Secret == nil && len(a.keks) == 0 {
		return errors.New("cluster: tls without a secret needs the option encryption_key, the same on all nodes: " +
			"with a secret, the key that secrets are encrypted with is derived from it; without, each node would make its own and could not read the others'")
	}
	keks, err := clusterKEKs(a.cluster)
	a.keks = append(a.keks, keks...)
	return err
}
