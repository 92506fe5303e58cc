package adminext

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// Member is a node of the cluster.
type Member struct {
	// ID is made with the node's data directory, and never used again without it.
	ID string `json:"id"`
	// Name is what people call the node.
	Name string `json:"name"`
	// Address is where the other nodes reach it, empty for a node on its own.
	Address string `json:"address"`
	// Role is one of voter, nonvoter and edge.
	Role string `json:"role"`
	// Leader is true for the node that leads.
	Leader bool `json:"leader"`
	// Self is true for the node that answers.
	Self bool `json:"self"`
	// Reachable is whether the node has answered the one that was asked.
	Reachable bool `json:"reachable"`
	// ClusterID is set if the node is in another cluster by now than the one that was asked.
	ClusterID string `json:"clusterId,omitempty"`
	// Version is that of DGate on the node.
	Version string `json:"version"`
	// Applied is the last entry that the node has applied.
	Applied uint64 `json:"applied"`
	// Lag is how many entries that is behind the leader.
	Lag uint64 `json:"lag"`
	// Hash is equal on all nodes that have applied the same entries.
	Hash string `json:"hash"`
	// LastContact is how long ago the leader has heard of the node, in nanoseconds.
	LastContact time.Duration `json:"lastContact,omitempty"`
	// Storage is "ok", or what the node cannot read or write.
	Storage string `json:"storage"`
	// Apart says why the node does not count although it is there: it and the one that was asked do not
	// accept each other, or nobody reaches its address. It is not lost then.
	Apart string `json:"apart,omitempty"`
	// Problem says what is wrong, such as why the node has no vote yet.
	Problem string `json:"problem,omitempty"`
}

// tolerance is how many more voters can fail now, which is less while some are unreachable.
func tolerance(members []Member) int {
	voters, healthy := 0, 0
	for _, m := range members {
		if m.Role != "voter" {
			continue
		}
		voters++
		if m.Reachable && (m.Storage == "" || m.Storage == storageOK) {
			healthy++
		}
	}
	return max(healthy-(voters/2+1), 0)
}

func (c *call) members() ([]Member, error) {
	members, err := c.app.Operations().Members(c.r.Context())
	if members == nil {
		members = []Member{}
	}
	return members, err
}

func clusterMembers(c *call) (*reply, error) {
	members, err := c.members()
	if err != nil {
		return nil, err
	}
	return jsonReply(http.StatusOK, struct {
		Count  int      `json:"count"`
		Data   []Member `json:"data"`
		Status int      `json:"status_code"`
	}{len(members), members, http.StatusOK}), nil
}

func clusterRemove(c *call) (*reply, error) {
	var request struct {
		ID    string `json:"id"`
		Force bool   `json:"force"`
	}
	if err := c.readRequest(&request); err != nil {
		return nil, err
	}
	return c.removeMember(request.ID, request.Force)
}

// deleteMember is for clients of the Rust successor.
func deleteMember(c *call) (*reply, error) {
	return c.removeMember(c.key[0], c.r.URL.Query().Get("force") == "true")
}

func (c *call) removeMember(name string, force bool) (*reply, error) {
	if name == "" {
		return nil, resource.Errorf(resource.BadRequest, `id must name the member to remove: {"id": "<id>"}`)
	}
	id, err := c.memberID(name)
	if err != nil {
		return nil, err
	}
	c.audit("removes a member", zap.String("id", id), zap.Bool("force", force))
	return c.done(c.app.Operations().Remove(c.r.Context(), id, force))
}

// memberID is the id of the member that has this id, address, or name.
func (c *call) memberID(name string) (string, error) {
	members, err := c.members()
	if err != nil {
		return "", err
	}
	var found, all []string
	for _, m := range members {
		if m.ID == name {
			return m.ID, nil
		}
		if m.Name == name || m.Address == name {
			found = append(found, m.ID)
		}
		all = append(all, fmt.Sprintf("%s (%s)", m.ID, m.Name))
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return "", resource.Errorf(resource.NotFound, "no member has the id, name or address %q; there are %s", name, strings.Join(all, ", "))
	}
	return "", resource.Errorf(resource.BadRequest, "%q is the name of several members: say which of %s", name, strings.Join(found, ", "))
}
