package raftstorage

import (
	"context"

	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// Members lists the servers of the cluster. Each is asked how it is, for up to a second.
func (n *Node) Members(context.Context) ([]Member, error) { return nil, pending("members") }

// Join asks members of a cluster for admission.
func (n *Node) Join(context.Context, []string) error { return pending("join") }

// Remove takes a member out of the cluster. It refuses if the others could not go on then, unless
// force is set.
func (n *Node) Remove(context.Context, string, bool) error { return pending("remove") }

// Leave takes this node out of the cluster. It goes on serving what it has.
func (n *Node) Leave(context.Context) error { return pending("leave") }

// Transfer makes another member the leader; to is its id, or "" for whoever is up to date.
func (n *Node) Transfer(context.Context, string) error { return pending("transfer") }

// Recover makes this node the only voter of a new cluster, when most voters are lost for good.
func (n *Node) Recover(context.Context, uint64) error { return pending("recover") }

func pending(what string) error {
	return resource.Errorf(resource.Internal, "%s is not there yet", what)
}
