package caddymodule

import (
	"cmp"
	"context"
	"io"
	"slices"

	"github.com/dgate-io/caddy-dgate/adminext"
	"github.com/dgate-io/caddy-dgate/internal/resource"
	"github.com/dgate-io/caddy-dgate/raftstorage"
	"github.com/dgate-io/caddy-dgate/raftstorage/peer"
)

// operations are what the admin API can do with the cluster. Most of it is the node's.
type operations struct {
	*raftstorage.Node
	app *App
}

// Operations implements [adminext.App].
func (a *App) Operations() adminext.Cluster { return operations{a.node.store, a} }

// Members implements [adminext.Cluster]. A node always knows itself.
func (o operations) Members(ctx context.Context) ([]adminext.Member, error) {
	found, err := o.Node.Members(ctx)
	if err != nil {
		return []adminext.Member{o.self(err.Error())}, nil
	}
	self := o.self("it is no member")
	members := make([]adminext.Member, 0, len(found)+1)
	for _, m := range found {
		member := adminext.Member{
			ID: m.ID, Name: m.Name, Address: m.Address, Role: string(m.Role), Leader: m.Leader, Self: m.Self, Reachable: m.Reachable,
			Version: m.Version, Applied: m.Applied, Lag: m.Lag, Hash: m.Hash, LastContact: m.LastContact, Storage: m.Storage, Problem: m.Problem, Apart: m.Apart, ClusterID: m.Cluster,
		}
		if m.Self {
			member.Name, member.Version = cmp.Or(m.Name, self.Name), cmp.Or(m.Version, self.Version)
		}
		members = append(members, member)
	}
	if !slices.ContainsFunc(members, func(m adminext.Member) bool { return m.Self }) {
		members = append(members, self)
	}
	return members, nil
}

const noSecret = "this node has no cluster secret, so nobody can join it; put these lines at the top of its Caddyfile, " +
	"with what dgate-cli cluster token --new prints in the environment of Caddy, and reload: " +
	"{\n\tdgate {\n\t\tcluster {\n\t\t\tsecret {env.DGATE_CLUSTER_SECRET}\n\t\t}\n\t}\n}"

// self is this node as a member.
func (o operations) self(problem string) adminext.Member {
	s := o.Status()
	m := adminext.Member{
		ID: s.ID, Name: cmp.Or(s.Name, s.ID), Address: s.Address, Role: string(raftstorage.Voter), Leader: s.Leader != "" && s.Leader == s.ID, Self: true, Reachable: true,
		Version: o.app.Version(), Applied: s.Applied, Hash: s.Hash, Storage: storageOf(s), Problem: problem,
	}
	switch {
	case s.Edge:
		m.Role = string(raftstorage.Edge)
	case s.Members == 0 && o.app.cluster != nil, s.Removed:
		m.Role = string(raftstorage.NonVoter)
	}
	if o.app.cluster == nil {
		m.Problem = "" // it is alone, as it shall be
	}
	return m
}

// storageOf is "ok", or what a node cannot read or write.
func storageOf(s raftstorage.Status) string {
	if s.StorageFailed != "" {
		return s.StorageFailed
	}
	return "ok"
}

// Backup implements [adminext.Cluster].
func (o operations) Backup(ctx context.Context, w io.Writer) error {
	_, err := o.Node.Backup(ctx, w)
	return err
}

// Token implements [adminext.Cluster].
func (o operations) Token(ctx context.Context) (string, error) {
	cluster := o.app.cluster
	switch {
	case cluster != nil && cluster.Secret == nil && cluster.Files != nil:
		return "", resource.Errorf(resource.Conflict, "the nodes of this cluster have certificates of their own in place of a secret, so there is no token: "+
			"a new node needs a certificate of the same authority in tls, the same encryption_key, and join")
	case cluster == nil || cluster.Secret == nil:
		return "", resource.Errorf(resource.Conflict, noSecret)
	}
	token := peer.Token{Cluster: clusterName(cluster), Secret: cluster.Secret.Text()}
	members, err := o.Members(ctx)
	if err != nil {
		return "", err
	}
	for _, m := range members { // this node first, which is certainly there
		if m.Self && m.Address != "" {
			token.Addresses = append(token.Addresses, m.Address)
		}
	}
	for _, m := range members {
		if !m.Self && m.Address != "" && m.Role == string(raftstorage.Voter) {
			token.Addresses = append(token.Addresses, m.Address)
		}
	}
	if len(token.Addresses) == 0 {
		return "", resource.Errorf(resource.NoLeader, "this node has no address yet; try again")
	}
	return token.String(), nil
}

var _ adminext.Cluster = operations{}
